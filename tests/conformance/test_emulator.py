"""The emulator itself is clean, under every choice of every variant, and what a run says of it is complete."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner

from swapmock.client_checks.cli import check
from swapmock.client_checks.conformance.command import check_target
from swapmock.client_checks.conformance.profile import applies, known, profile
from swapmock.client_checks.conformance.run import RunResult
from swapmock.contracts import load
from swapmock.mock_server.cli.command import cli
from tests.broken_servers import catalogue, running


def rounds(provider: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every choice that is no default, several of them at a time: each third variant together."""
    variants = list(load(provider).behaviour.variants.values())
    for which in range(max(len(variant.choices) for variant in variants) - 1):
        for third in range(3):
            chosen = {}
            for variant in variants[third::3]:
                others = [choice for choice in variant.choices if choice != variant.default]
                if which < len(others):
                    chosen[variant.name] = others[which]
            if chosen:
                yield provider, chosen


def clean(result: RunResult) -> None:
    told = [(f.id, f.operation, f.place, f.expected, f.got) for f in result.findings if "left out" not in f.got]
    assert told == []
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("provider", "chosen"),
    [
        pytest.param(*row, marks=() if number == 0 else pytest.mark.long)
        for provider in known()
        for number, row in enumerate(rounds(provider))
    ],
    ids=lambda value: str(value)[:60],
)
def test_clean_in_every_variant(provider: str, chosen: Mapping[str, Any]) -> None:
    given = {"provider": provider, "parts": ("flows",), "variants": {provider: chosen}}
    (result,) = check_target("emulator", given, {})
    clean(result)


def test_clean_with_statuses_by_a_map() -> None:
    chosen = {"http_status": {404: 410, 422: 400, 401: 200}}
    (result,) = check_target("emulator", {"provider": "crun", "parts": ("flows",), "variants": {"crun": chosen}}, {})
    clean(result)


@pytest.mark.long
@pytest.mark.parametrize("provider", known())
def test_clean_under_generated_calls(provider: str) -> None:
    given = {"provider": provider, "parts": ("flows", "examples", "fuzzing", "stateful"), "max_examples": 3}
    before = json.dumps(load(provider).document)
    (result,) = check_target("emulator", given, {})
    clean(result)
    assert json.dumps(load(provider).document) == before, (
        "Schemathesis resolves references in the document that it gets"
    )
    assert all(row.succeeded for row in result.coverage.operations)


def test_what_is_public_is_held_to_no_variant() -> None:
    """The store behind uploads speaks plain HTTP, whatever the envelope's policy is."""
    given = {
        "provider": "crun", "parts": ("flows", "coverage"), "operations": ("put_upload",),
        "variants": {"crun": {"http_status": "always200"}},
    }  # fmt: skip
    (result,) = check_target("emulator", given, {})
    clean(result)


@pytest.mark.parametrize("provider", known())
def test_every_flow_and_refusal_is_run(provider: str) -> None:
    facts = profile(provider)
    (result,) = check_target("emulator", {"provider": provider, "parts": ("flows",)}, {})
    # Rows that are for another choice than a default are completed in the rounds above.
    refusals = [*facts.refusals, *facts.everywhere(load(provider), with_paid=True)]
    rows = [("flow", row) for row in facts.flows] + [("refusal", row) for row in refusals]
    defaults = load(provider).behaviour.defaults
    names = {f"{kind} {row['name']}" for kind, row in rows if applies(row.get("when"), defaults)}
    assert set(result.completed) == names
    unseen = {code for code, _, times in result.coverage.codes if not times}
    # What only a variant or an unlucky body brings about.
    assert unseen <= {"409", "1002", "1003"}


def test_every_operation_is_in_a_flow() -> None:
    for provider in known():
        named = {step.get("call") for flow in profile(provider).flows for step in flow["steps"]}
        polled = {kind.poll for kind in profile(provider).kinds.values()}
        called = {name for name, operation in load(provider).operations.items() if not operation.files}
        missing = called - named - polled
        assert missing == set()


def run(*arguments: str) -> Any:
    return CliRunner().invoke(check, list(arguments))


def test_reports_tell_the_same(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("json", "junit", "html", "har", "ctrf")}
    options = [part for name, path in files.items() for part in (f"--{name}", str(path))]
    with running(catalogue()["wrong_type"]) as url:
        result = run(url, "--provider", "crun", "--parts", "flows", *options)
    assert result.exit_code == 1
    told = json.loads(files["json"].read_text("utf-8"))
    (target,) = told["targets"]
    (finding,) = (one for one in target["findings"] if one["id"] == "answer.schema")
    assert (finding["id"], finding["operation"], finding["place"]) == (
        "answer.schema",
        "get_account_balance",
        "/data/balance",
    )
    assert (finding["evidence"], finding["source"]) == ("documented", "docs: common-api/get-account-credits")
    assert finding["curl"].startswith('curl -sS -X GET -H "x-api-key: $CRUN_API_KEY" http://127.0.0.1:')
    assert told["exit_code"] == 1

    suite = ET.fromstring(files["junit"].read_text("utf-8")).find("testsuite")
    assert suite is not None
    assert suite.get("failures") == "2"
    failed = [case for case in suite.iter("testcase") if case.find("failure") is not None]
    assert [(case.get("classname"), case.get("name")) for case in failed] == [
        ("crun.get_account_balance", "answer.schema"),
        ("crun.get_account_balance", "credits.amount"),
    ]
    assert int(suite.get("tests") or 0) == len(list(suite.iter("testcase"))) > 100

    names = [(case.get("classname"), case.get("name")) for case in suite.iter("testcase")]
    assert len(names) == len(set(names))
    assert suite.get("name") == "crun"
    assert suite.get("timestamp")
    ctrf = json.loads(files["ctrf"].read_text("utf-8"))["results"]
    assert ctrf["summary"]["failed"] == 2
    assert ctrf["summary"]["tests"] == len(ctrf["tests"]) == len(names)

    page = files["html"].read_text("utf-8")
    assert "answer.schema" in page
    assert not [word for word in ("<script", "<link", "<img", "src=", "@import", "url(") if word in page]

    entries = json.loads(files["har"].read_text("utf-8"))["log"]["entries"]
    assert len(entries) == target["calls"]
    assert entries[finding["exchange"] - 1]["comment"].startswith(f"{finding['exchange']} flow account")
    assert finding["chain"][-1] == finding["exchange"]
    for text in (result.output, page):
        assert "the balance" in text or "get_account_balance" in text
    assert "FAIL answer.schema" in result.output


def test_a_guess_that_is_broken_warns_unless_strict() -> None:
    # The path of video detection is inferred: an answer outside its schema is no proof of a defect.
    with running(catalogue()["field_not_named"]) as url:
        lenient, strict = (
            run(url, "--provider", "crun", "--parts", "flows", "--flow", "refusal wrong type", *more)
            for more in ((), ("--strict",))
        )
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "WARN refusal.names" in lenient.output
    assert "FAIL refusal.names" in strict.output


def test_limits_hold_on_an_emulator_too() -> None:
    given = {"provider": "crun", "parts": ("flows", "stateful"), "max_calls": 200, "max_credits": 10.0}
    (result,) = check_target("emulator", given, {})
    assert result.calls <= 200
    assert 0 < result.spent <= 10.0
    assert any("--max-credits" in why for why in result.left_out.values())


def test_nothing_is_left_where_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("emulator", "--provider", "crun", "--phases", "examples,stateful", "--operation", "list_models")
    assert result.exit_code == 0
    assert list(tmp_path.iterdir()) == []


def test_an_empty_run_is_not_green() -> None:
    result = run("emulator", "--provider", "crun", "--parts", "examples", "--operation", "no_such_operation")
    assert result.exit_code == 2
    assert "'no_such_operation' is no operation of crun" in result.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["nowhere"], "TARGET is `emulator` or a base URL"),
        (["http://127.0.0.1:9"], "needs --provider"),
        (["emulator", "--provider", "acme"], "'acme' is none of crun, imgopen"),
        (["emulator", "--variants", "crun.no_such=1"], "no variant named 'no_such'"),
        (["emulator", "--parts", "flowers"], "'flowers' is none of"),
        (["emulator", "--media", "singel_image=https://x.example/a.png"], "did you mean single_image?"),
        (["emulator", "--severity", "answr.schema=warn"], "did you mean answer.schema?"),
        (["http://127.0.0.1:9", "--provider", "crun"], "no server at http://127.0.0.1:9"),
    ],
)
def test_what_cannot_run_is_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    from swapmock.mock_server.cli import main

    with pytest.raises(SystemExit) as stopped:
        main(["check", *arguments])
    told = capsys.readouterr().err
    assert stopped.value.code == 2
    assert text in told
    assert told.count("\n") == 1


def test_the_commands_are_listed() -> None:
    assert "check " in CliRunner().invoke(cli, ["--help"]).output


def test_without_the_extra_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "schemathesis", None)
    for name in (
        "swapmock.client_checks.conformance.command",
        "swapmock.client_checks.conformance.generated",
        "swapmock.client_checks.conformance.run",
    ):
        monkeypatch.delitem(sys.modules, name, raising=False)
    result = run("emulator")
    assert result.exit_code == 2
    assert "needs the extra `checks` (schemathesis is not installed)" in result.output


def test_a_named_refusal_runs_alone() -> None:
    (result,) = check_target("emulator", {"provider": "crun", "flows": ("refusal key missing",)}, {})
    assert (result.exit_code, result.calls, list(result.findings)) == (0, 1, [])
