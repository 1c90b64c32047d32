"""From judgements to exit codes and reports: nothing that was not judged is green."""

import json
from dataclasses import replace
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from swapmock.client_checks.behaviour import known
from swapmock.client_checks.behaviour.coupling import Coupling
from swapmock.client_checks.behaviour.judge import judge_case, unjudged
from swapmock.client_checks.behaviour.known import BadFile
from swapmock.client_checks.behaviour.model import Meaning, Role, Verdict
from swapmock.client_checks.behaviour.prove import compare
from swapmock.client_checks.behaviour.reports import files, terminal
from swapmock.client_checks.behaviour.reports.document import Result, losses, schema, unmet
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.trial import Trial, is_trustworthy
from tests.behaviour.made import attempt, exchange, observed, task

PLAIN = observed("plain", exchanges=[exchange(1, Role.CREATE, Meaning.ACCEPTED, task="a")], tasks=[task("a")])
TWICE = observed(
    "create_reset_after",
    exchanges=[
        exchange(1, Role.CREATE, Meaning.AMBIGUOUS, status=None, delivered="lost", task="a"),
        exchange(2, Role.CREATE, Meaning.ACCEPTED, task="b", target="/create?<&\x07"),
    ],
    tasks=[task("a"), task("b")],
)
DOES = dict.fromkeys(("callbacks", "downloads", "detection", "uploads", "resume", "batch"), False)


def trial(*cases):
    rules = all_rules().values()
    made = Trial(
        "crun", Coupling("scaled", 40.0), cases=list(cases), left_out={"redirect": "not today"}, errors={"x": "y"}
    )
    made.judgements = [one for case in cases for one in judge_case(case, rules)]
    made.judgements += unjudged(rules, "crun", made.judgements, DOES, {})
    return made


def result(*cases, **more):
    return Result([trial(*cases)], "2026.12", ("client", "a b"), **more)


def whole(*cases, **more):
    """A result in which every case was run."""
    made = result(*cases, **more)
    made.trials[0].errors = {}
    return made


def test_exit_codes():
    assert whole(PLAIN).exit_code() == 0
    assert result(PLAIN).exit_code() == 2, "one case could not be run"
    assert result(PLAIN, TWICE).exit_code() == 1
    assert Result([], "2026.12", ()).exit_code() == 2
    assert whole(PLAIN, unmet=("E1",)).exit_code() == 3
    assert whole(PLAIN, stale=("gone",)).exit_code() == 1


def test_a_warning_is_a_finding_only_when_asked_for():
    slow = observed("stuck", exchanges=[exchange(n, Role.POLL, Meaning.SUCCEEDED, task="a") for n in (1, 2)])
    assert whole(slow).exit_code() == 0
    assert whole(slow).exit_code("should") == 1
    assert json.loads(files.as_json(whole(slow, fail_on="should")))["exit"] == 1


def test_what_was_not_judged_is_told_apart():
    words = {one.rule: one.verdict for one in trial(PLAIN).judgements}
    assert words["E6"] is Verdict.NOT_APPLICABLE, "a rule of the other provider"
    assert words["C2"] is Verdict.NOT_APPLICABLE, "no task carried a callback URL"
    assert words["E2"] is Verdict.NOT_DECLARED, "no verdict channel"
    assert words["E5"] is Verdict.NOT_EXERCISED


def test_what_is_required_has_to_be_exercised():
    judged = trial(PLAIN).judgements
    assert unmet(("P2",), judged) == ()
    assert unmet(("E5", "P2"), judged) == ("E5",)
    musts = unmet(("must",), judged)
    assert "P1" in musts
    assert "P2" not in musts
    assert "E6" not in musts, "a rule of the other provider is not asked for"


def test_losses_count_each_case_once():
    assert losses(result(PLAIN, TWICE).judgements)["credits_paid_twice"] == 3.0


def test_the_json_report_keeps_its_schema():
    document = json.loads(files.as_json(result(PLAIN, TWICE, flags=("--claim", "exit"))))
    Draft202012Validator(schema()).validate(document)
    failing = [one for one in document["verdicts"] if one["verdict"] == "fail"]
    assert {one["rule"] for one in failing} == {"P1", "P2"}
    for one in failing:
        assert [each["exchange"] for each in one["evidence"]] == [1, 2]
        assert one["repeat"] == f"swapmock conform --provider crun --case {one['case']} --claim exit -- client 'a b'"
        assert one["source"]


def test_the_other_reports_hold_the_same_failures():
    made = result(PLAIN, TWICE)
    xml = ET.fromstring(files.as_junit(made))
    assert {one.get("classname") for one in xml.iter("testcase") if one.find("failure") is not None} == {
        "crun.P1",
        "crun.P2",
    }
    assert [int(suite.get("skipped", 0)) > 10 for suite in xml.iter("testsuite")] == [True]
    sarif = json.loads(files.as_sarif(made))
    assert {one["ruleId"] for one in sarif["runs"][0]["results"] if one["level"] == "error"} == {"P1", "P2"}
    page = files.as_html(made)
    assert "fail P1 in create_reset_after" in page
    assert "<&" not in page
    assert "http" not in page.split("<h2>Rules")[0].replace("HTTP", ""), "nothing is loaded from elsewhere"
    assert "| fail | P1 (must) | create_reset_after |" in files.as_summary(made)
    text = terminal.text(made)
    assert "credits paid twice   P1 in create_reset_after, P2 in create_reset_after" in text
    assert "case x could not be run: y" in text
    assert "not run (not today): redirect" in text


def test_a_verdict_on_callbacks_names_the_deliveries_that_prove_it():
    taken = [attempt("a", status=307, number=2), attempt("a")]
    made = result(observed("plain", attempts=taken, tasks=[task("a", callback_url="http://x/")]))
    document = json.loads(files.as_json(made))
    Draft202012Validator(schema()).validate(document)
    told = next(one for one in document["verdicts"] if one["rule"] == "C7")
    assert [(one["attempt"], one["status"]) for one in told["deliveries"]] == [(2, 307)]
    line = "callback d1, attempt 2,     8.0 s  succeeded of task a  ->  HTTP 307 after 0.1 s"
    assert line in terminal.text(made)
    assert line.replace(">", "&gt;") in files.as_html(made)


def test_the_page_leads_from_each_loss_to_what_proves_it():
    page = files.as_html(result(PLAIN, TWICE))
    assert '<a href="#crun-P1-create_reset_after">P1 in create_reset_after</a>' in page
    assert '<h3 id="crun-P1-create_reset_after" class="fail">' in page
    assert "one every five seconds would be" in page
    assert "one every five seconds would be" in files.as_summary(result(PLAIN))


def test_a_known_failure_is_no_finding_until_its_date(tmp_path):
    path = tmp_path / "known.yaml"
    path.write_text(
        "- {rule: P1, case: create_reset_after, reason: ticket 17, until: 2027-01-31}\n- {rule: P2, reason: too, until: 2027-01-31}\n"
    )
    made = whole(PLAIN, TWICE)
    entries = known.from_file(path)
    made.trials[0].judgements, stale = known.apply(entries, made.trials[0].judgements, date(2027, 1, 31))
    assert (made.exit_code(), stale) == (0, [])
    late = result(PLAIN, TWICE)
    late.trials[0].judgements, stale = known.apply(entries, late.trials[0].judgements, date(2027, 2, 1))
    assert late.exit_code() == 1
    assert stale == ["P1 in create_reset_after was known until 2027-01-31 only", "P2 was known until 2027-01-31 only"]


def test_a_stale_entry_is_told():
    entry = known.KnownFailure("L1", "a poll too many", date(2027, 1, 31))
    _, stale = known.apply([entry], trial(PLAIN).judgements, date(2026, 12, 1))
    assert stale == ["L1 is listed as a known failure and does not fail any more: remove the entry"]


def test_an_entry_about_what_was_not_run_is_not_stale():
    of_a_case = known.KnownFailure("L1", "a poll too many", date(2027, 1, 31), "slow")
    everywhere = known.KnownFailure("L1", "a poll too many", date(2027, 1, 31))
    judged = trial(PLAIN).judgements
    assert known.apply([of_a_case, everywhere], judged, date(2026, 12, 1), {"plain"})[1] == []
    assert len(known.apply([of_a_case], judged, date(2026, 12, 1), {"plain", "slow"})[1]) == 1
    unsure = [replace(one, verdict=Verdict.HARNESS_ERROR) if one.rule == "L1" else one for one in judged]
    assert known.apply([everywhere], unsure, date(2026, 12, 1))[1] == []


def test_what_is_required_has_to_be_exercised_with_each_provider():
    judged = trial(PLAIN).judgements
    other = [replace(one, provider="imgopen", verdict=Verdict.NOT_EXERCISED) for one in judged]
    assert unmet(("P2",), [*judged, *other]) == ("P2",)
    assert unmet(("P2",), []) == ("P2",)
    assert unmet(("E6",), judged) == ("E6",), "no judged provider has the rule"


@pytest.mark.parametrize(
    "text",
    [
        "- rule: P1",
        "rule: P1",
        "- {rule: P1, reason: x, until: soon}",
        "[",
        "- 3",
        "- {rule: P99, reason: x, until: 2027-01-31}",
    ],
)
def test_a_file_of_known_failures_that_does_not_read(tmp_path, text):
    path = tmp_path / "known.yaml"
    path.write_text(text)
    with pytest.raises(BadFile, match=r"known\.yaml"):
        known.from_file(path)


@pytest.mark.parametrize(("rate", "slowest", "expected"), [(40.0, 0.1, False), (40.0, 0.03, True), (1.0, 9.0, True)])
def test_scaled_time_counts_only_where_answers_were_quick(rate, slowest, expected):
    declared = replace(PLAIN.declaration, smallest_timeout=30.0)
    assert is_trustworthy(replace(PLAIN, declaration=declared, rate=rate, slowest=slowest)) is expected


def test_a_fix_is_proven_only_by_a_flip():
    before, after = (
        [trial(PLAIN, TWICE)],
        [trial(PLAIN, replace(TWICE, exchanges=TWICE.exchanges[:1], tasks=TWICE.tasks[:1]))],
    )
    assert compare(before, after).fixed == ("crun P1 in create_reset_after", "crun P2 in create_reset_after")
    assert compare(before, before).still_failing == ("crun P1 in create_reset_after", "crun P2 in create_reset_after")
    assert compare(after, before).newly_failing == ("crun P1 in create_reset_after", "crun P2 in create_reset_after")
    gone = compare(before, [trial(PLAIN)])
    assert (gone.fixed, set(gone.unproven or ())) == (
        (),
        {"crun P1 in create_reset_after", "crun P2 in create_reset_after"},
    )
    outside = compare(before, after, ["/elsewhere/client.py"])
    assert outside.fixed == ()
    assert all("outside its worktree" in why for why in (outside.unproven or {}).values())
