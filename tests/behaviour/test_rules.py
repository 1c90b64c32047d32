"""Each rule on observations put together by hand: what breaks it, what keeps it, what it does not see."""

from dataclasses import replace

import pytest

from swapmock.client_checks.behaviour.declaration import Declaration
from swapmock.client_checks.behaviour.judge import judge_case
from swapmock.client_checks.behaviour.model import Level, Meaning, Role, SavedFile
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.rulesets import SETS, NoSuchSet, rules_of
from tests.behaviour.made import ONE_JOB, attempt, claim, exchange, observed, run, task, verdict

CREATE, POLL, MEDIA = Role.CREATE, Role.POLL, Role.MEDIA
PNG = {"content-type": "image/png"}


def doubtful(number, **more):
    return exchange(number, CREATE, Meaning.AMBIGUOUS, status=None, delivered="lost", **more)


def test_every_rule_of_a_set_exists_and_tells_its_sources():
    for name in SETS:
        assert len({rule.id for rule in rules_of(name)}) == len(SETS[name])
    for rule in all_rules().values():
        assert set(rule.levels) == set(rule.sources) <= {"crun", "imgopen"}
        assert rule.title
        assert rule.good
        assert rule.looks_at
        assert rule.bad


def test_a_set_that_does_not_exist_is_told():
    with pytest.raises(NoSuchSet, match=r"known: 2026\.12"):
        rules_of("1999.1")


@pytest.mark.parametrize("rule", [rule for rule in all_rules() if rule not in ("P2", "K1")])
def test_a_case_without_anything_puts_no_rule_to_the_test(rule):
    assert verdict(rule, observed("create_429_seconds")) in ("not_exercised", "not_applicable")


def test_an_ambiguous_create_sent_again_blindly_is_paid_twice():
    body = {"model": "m"}
    seen = [doubtful(1, task="a", body=body), exchange(2, CREATE, Meaning.ACCEPTED, task="b", body=body)]
    case = observed("create_reset_after", exchanges=seen, tasks=[task("a"), task("b")])
    assert verdict("P1", case) == "fail"
    assert verdict("P2", case) == "fail"
    found = judge_case(case, [all_rules()["P1"]])[0]
    assert found.losses == {"credits_paid_twice": 3.0}
    assert [one.number for one in found.evidence] == [1, 2]


@pytest.mark.parametrize("run", [1, 2])
def test_a_submission_whose_answer_came_too_late_is_in_doubt_for_this_run_and_the_next(run):
    late = exchange(1, CREATE, Meaning.ACCEPTED, task="a", at=1.0, answered=91.0)
    seen = [late, exchange(2, CREATE, Meaning.ACCEPTED, task="b", at=70.0, run=run)]
    assert verdict("P1", observed("create_late", exchanges=seen, tasks=[task("a"), task("b")])) == "fail"
    in_time = [late, exchange(2, POLL, Meaning.SUCCEEDED, task="a", at=92.0, run=run)]
    assert verdict("P1", observed("create_late", exchanges=in_time, tasks=[task("a")])) == "not_exercised"


@pytest.mark.parametrize(("outcome", "told"), [("succeeded", "fail"), ("failed", "pass"), ("unknown", "pass")])
def test_a_callback_tells_of_a_failed_task_as_a_poll_does(outcome, told):
    failed = attempt("a", event="failed")
    case = observed("task_fails", tasks=[task("a", "failed")], attempts=[failed], claims=[claim(outcome)])
    assert verdict("E2", case) == told


def test_a_query_that_rightly_does_not_find_a_task_says_nothing_about_404():
    refused = exchange(1, CREATE, Meaning.REFUSED, refusal="455", business_id="mine")
    query = exchange(2, POLL, Meaning.REFUSED, refusal="404", asked="mine")
    made = task("a", business_id="mine")
    for tasks, told in (([], "not_exercised"), ([made], "info")):
        case = observed("create_455_for_ever", "imgopen", exchanges=[refused, query], tasks=tasks)
        assert verdict("L5", case) == told


def test_polls_of_a_client_that_cannot_read_an_undocumented_type_are_no_waste():
    seen = [exchange(1, POLL, Meaning.SUCCEEDED, task="a"), exchange(2, POLL, Meaning.SUCCEEDED, task="a")]
    assert verdict("L1", observed("plain", "imgopen", exchanges=seen, tasks=[task("a")])) == "warn"
    assert verdict("L1", observed("code_as_number", "imgopen", exchanges=seen, tasks=[task("a")])) == "not_exercised"


def test_a_balance_in_between_is_a_check_for_crun_and_a_query_for_imgopen():
    tasks = [task("a"), task("b")]
    balance = exchange(2, Role.BALANCE, Meaning.READ, answer={"data": {"balance": 10}})
    seen = [doubtful(1, task="a"), balance, exchange(3, CREATE, Meaning.ACCEPTED, task="b")]
    assert verdict("P1", observed("create_reset_after", exchanges=seen, tasks=tasks)) == "pass"
    query = exchange(2, POLL, Meaning.REFUSED, asked="mine")
    seen = [doubtful(1, task="a", business_id="mine"), query, exchange(3, CREATE, Meaning.ACCEPTED, task="b")]
    assert verdict("P1", observed("create_reset_after", "imgopen", exchanges=seen, tasks=tasks)) == "pass"
    other = replace(query, asked="another")
    assert (
        verdict("P1", observed("create_reset_after", "imgopen", exchanges=[seen[0], other, seen[2]], tasks=tasks))
        == "fail"
    )


@pytest.mark.parametrize(("after", "expected"), [(10.0, "pass"), (7.0, "fail")])
def test_a_balance_that_shows_the_task_is_no_leave_to_send_again(after, expected):
    before = exchange(1, Role.BALANCE, Meaning.READ, answer={"data": {"balance": 10.0}})
    then = exchange(3, Role.BALANCE, Meaning.READ, answer={"data": {"balance": after}})
    seen = [before, doubtful(2, task="a"), then, exchange(4, CREATE, Meaning.ACCEPTED, task="b")]
    case = observed("create_reset_after", exchanges=seen, tasks=[task("a"), task("b")])
    assert verdict("P1", case) == expected


def test_equal_bodies_of_a_batch_are_no_repetition():
    batch = replace(ONE_JOB, jobs=None)
    made = [exchange(n, CREATE, Meaning.ACCEPTED, task=str(n), body={"same": 1}) for n in (1, 2, 3)]
    plain = observed("plain", declaration=batch, exchanges=made, tasks=[task("1"), task("2"), task("3")])
    lost = [doubtful(1, task="1", body={"same": 1}), *made[1:]]
    case = observed("create_reset_after", declaration=batch, exchanges=lost, tasks=plain.tasks, plain=plain)
    assert (verdict("P1", case), verdict("P2", case)) == ("pass", "pass")
    again = [*lost, exchange(4, CREATE, Meaning.ACCEPTED, task="4", body={"same": 1})]
    case = observed(
        "create_reset_after", declaration=batch, exchanges=again, tasks=[*plain.tasks, task("4")], plain=plain
    )
    assert (verdict("P1", case), verdict("P2", case)) == ("fail", "fail")


@pytest.mark.parametrize(("sent", "expected"), [(3, "pass"), (4, "fail")])
def test_equal_refused_submissions_of_a_batch_are_no_repetition(sent, expected):
    batch = replace(ONE_JOB, jobs=3)
    made = [exchange(n, CREATE, Meaning.ACCEPTED, task=str(n), body={"same": 1}) for n in (1, 2, 3)]
    plain = observed("plain", declaration=batch, exchanges=made, tasks=[])
    sent_ones = [exchange(n, CREATE, Meaning.REFUSED, refusal="422", body={"same": 1}) for n in range(1, sent + 1)]
    assert verdict("P4", observed("create_422", declaration=batch, exchanges=sent_ones, plain=plain)) == expected


def test_a_failed_task_that_costs_nothing_may_be_made_again():
    seen = [exchange(n, CREATE, Meaning.ACCEPTED, task=str(n)) for n in (1, 2)]
    assert verdict("P2", observed("plain", exchanges=seen, tasks=[task("1", "failed", 0.0), task("2")])) == "pass"


@pytest.mark.parametrize(
    ("outcome", "expected"), [("succeeded", "fail"), ("failed", "pass"), ("unknown", "pass"), (None, "not_declared")]
)
def test_a_failed_task_and_the_claim(outcome, expected):
    seen = [exchange(1, POLL, Meaning.FAILED, task="a")]
    claims = [claim(outcome)] if outcome else []
    case = observed("task_fails", exchanges=seen, tasks=[task("a", "failed", 0.0)], claims=claims)
    assert verdict("E2", case) == expected


@pytest.mark.parametrize(("provider", "expected"), [("crun", "fail"), ("imgopen", "warn")])
def test_no_must_rests_on_a_refusal_code_of_imgopen(provider, expected):
    code = {"crun": "422", "imgopen": "400"}[provider]
    twice = [exchange(n, CREATE, Meaning.REFUSED, refusal=code, body={"a": 1}) for n in (1, 2)]
    assert verdict("P4", observed("create_422", provider, exchanges=twice)) == expected
    paid = [exchange(n, CREATE, Meaning.REFUSED, refusal="402", body={"a": 1}) for n in (1, 2)]
    assert verdict("P3", observed("no_credits", provider, exchanges=paid)) == expected
    claimed = observed("create_refused_in_200", provider, exchanges=twice[:1], claims=[claim("succeeded")])
    assert verdict("E1", claimed) == expected


def test_another_run_may_try_again_what_was_refused():
    twice = [exchange(n, CREATE, Meaning.REFUSED, refusal="402", run=n) for n in (1, 2)]
    assert verdict("P3", observed("no_credits", exchanges=twice, runs=[run(1), run(2)])) == "pass"


def test_one_refused_poll_of_a_resumed_run_does_not_refuse_everything():
    seen = [exchange(1, POLL, Meaning.REFUSED, refusal="404"), exchange(2, POLL, Meaning.SUCCEEDED)]
    assert verdict("E1", observed("poll_404_at_first", exchanges=seen, claims=[claim("succeeded")])) == "not_exercised"


def test_a_poll_for_nothing_after_a_refusal_shows_that_it_was_not_understood():
    seen = [exchange(1, CREATE, Meaning.REFUSED, refusal="422"), exchange(2, POLL, Meaning.REFUSED, asked="undefined")]
    assert verdict("E1", observed("create_refused_in_200", exchanges=seen)) == "fail"


@pytest.mark.parametrize(("gap", "expected"), [(37.5, "pass"), (5.0, "warn")])
def test_retry_after_is_waited_for(gap, expected):
    seen = [
        exchange(1, CREATE, Meaning.REFUSED, at=1.0, refusal="429", status=429, answer_headers={"retry-after": "37"}),
        exchange(2, CREATE, Meaning.ACCEPTED, at=1.1 + gap),
    ]
    assert verdict("P5", observed("create_429_seconds", exchanges=seen)) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [((1, 3, 7, 15), "pass"), ((1, 3.1, 5.2, 7.3), "warn"), ((1, 1.2, 1.4), "warn"), ((1, 61, 121, 181), "pass")],
)
def test_gaps_grow_unless_they_are_long(times, expected):
    seen = [exchange(n, CREATE, Meaning.REFUSED, at=float(at), refusal="455") for n, at in enumerate(times, 1)]
    assert verdict("P5", observed("create_455_thrice", exchanges=seen)) == expected


@pytest.mark.parametrize(("rate", "expected"), [(1.0, "pass"), (4.0, "pass"), (40.0, "warn")])
def test_a_gap_that_the_machine_alone_makes_at_a_high_rate_is_no_wait_yet(rate, expected):
    seen = [exchange(number, CREATE, Meaning.REFUSED, refusal="455", at=number * 1.1) for number in (1, 2)]
    assert verdict("P5", observed("create_455_thrice", exchanges=seen, rate=rate)) == expected


def test_own_deadline_is_unknown_and_its_task_kept():
    seen = [exchange(1, CREATE, Meaning.ACCEPTED, task="a"), exchange(2, POLL, Meaning.RUNNING, task="a")]
    tasks = [task("a", "running", ends=None)]
    kept: dict = {"exchanges": seen, "tasks": tasks, "runs": [run(stdout="task a")]}
    assert verdict("P8", observed("stuck", claims=[claim("unknown")], **kept)) == "pass"
    assert verdict("P8", observed("stuck", claims=[claim("failed")], **kept)) == "warn"
    assert verdict("P8", observed("stuck", claims=[claim("unknown")], **{**kept, "runs": [run()]})) == "warn"
    anew = [*seen, exchange(3, CREATE, Meaning.ACCEPTED, task="b", run=2)]
    assert (
        verdict("P8", observed("stuck", **{**kept, "exchanges": anew, "tasks": [*tasks, task("b", "running")]}))
        == "warn"
    )


def test_a_run_that_we_ended_is_judged_by_its_declared_deadline_only():
    seen = [exchange(n, POLL, Meaning.RUNNING, task="a") for n in (1, 2, 3)]
    ended = [run(ended="timeout", status=None, finished=1000.0)]
    tasks = [task("a", "running", ends=None)]
    assert verdict("L2", observed("stuck", exchanges=seen, tasks=tasks, runs=ended)) == "warn"
    undeclared = Declaration(jobs=1)
    assert (
        verdict("L2", observed("stuck", declaration=undeclared, exchanges=seen, tasks=tasks, runs=ended))
        == "not_declared"
    )
    patient = replace(ONE_JOB, deadline=3600.0)
    assert (
        verdict("L2", observed("stuck", declaration=patient, exchanges=seen, tasks=tasks, runs=ended))
        == "not_exercised"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [("target", "/media/1.png?key=ak_secret"), ("headers", {"x-api-key": "ak_secret"}), ("body", {"k": "ak_secret"})],
)
def test_the_key_outside_of_its_header(name, value):
    seen = [exchange(1, MEDIA, Meaning.READ, **{name: value})]
    assert verdict("K1", observed("plain", exchanges=seen, secrets=["ak_secret"])) == "fail"


def test_the_key_in_its_header_is_where_it_belongs_and_output_is_not():
    seen = [exchange(1, POLL, Meaning.RUNNING, headers={"x-api-key": "ak_secret"})]
    assert verdict("K1", observed("plain", exchanges=seen, secrets=["ak_secret"])) == "pass"
    loud = [run(stderr="headers: ak_secret")]
    assert verdict("K1", observed("plain", exchanges=seen, runs=loud, secrets=["ak_secret"])) == "fail"


def test_a_poll_has_a_reason_after_a_failed_download():
    end = exchange(1, POLL, Meaning.SUCCEEDED, task="a")
    again = exchange(3, POLL, Meaning.SUCCEEDED, task="a")
    assert verdict("L1", observed("plain", exchanges=[end, again])) == "warn"
    failed = exchange(2, MEDIA, Meaning.REFUSED, status=403)
    assert verdict("L1", observed("plain", exchanges=[end, failed, again])) == "pass"


@pytest.mark.parametrize(("polls", "expected"), [(1, "pass"), (2, "warn")])
def test_a_callback_is_a_reason_for_one_more_poll(polls, expected):
    end = exchange(1, POLL, Meaning.FAILED, task="a")
    more = [exchange(n, POLL, Meaning.FAILED, task="a") for n in range(2, 2 + polls)]
    case = observed("task_fails", exchanges=[end, *more], attempts=[attempt("a", at=1.5)])
    assert verdict("L1", case) == expected


def test_a_new_paid_task_after_a_failed_download():
    failed = exchange(2, MEDIA, Meaning.REFUSED, status=403, fault="expired")
    first = exchange(1, CREATE, Meaning.ACCEPTED, task="a")
    again = exchange(3, CREATE, Meaning.ACCEPTED, task="b", run=2)
    tasks = [task("a"), task("b")]
    assert verdict("R3", observed("media_expired", exchanges=[first, failed], tasks=tasks)) == "pass"
    assert verdict("R3", observed("media_expired", exchanges=[first, failed, again], tasks=tasks)) == "fail"


def test_giving_up_on_a_stale_detection_only_warns():
    stale = exchange(1, CREATE, Meaning.REFUSED, refusal="422", body={"id": "old"})
    assert verdict("D4", observed("detection_expires", exchanges=[stale])) == "warn"
    again = exchange(2, CREATE, Meaning.REFUSED, refusal="422", body={"id": "old"})
    assert verdict("D4", observed("detection_expires", exchanges=[stale, again])) == "fail"
    anew = exchange(2, Role.DETECT, Meaning.ACCEPTED)
    assert verdict("D4", observed("detection_expires", exchanges=[stale, anew])) == "pass"


def test_a_level_is_lowered_where_the_place_cannot_carry_it():
    stale = exchange(1, CREATE, Meaning.REFUSED, refusal="422", body={"id": "old"})
    found = judge_case(observed("detection_expires", exchanges=[stale]), [all_rules()["D4"]])[0]
    assert found.level is Level.SHOULD


def test_a_callback_that_tells_of_success_is_no_refusal():
    polls = [exchange(1, POLL, Meaning.REFUSED, refusal="403")]
    more: dict = {"exchanges": polls, "claims": [claim("succeeded")]}
    assert verdict("E1", observed("poll_refused_in_200", **more)) == "fail"
    assert verdict("E1", observed("poll_refused_in_200", attempts=[attempt("a")], **more)) == "not_exercised"


def test_a_refused_detection_is_no_refusal_of_the_job():
    seen = [exchange(1, Role.DETECT, Meaning.REFUSED, refusal="422")]
    assert verdict("E1", observed("detect_refused_in_200", exchanges=seen, claims=[claim("succeeded")])) == "fail"
    job = [*seen, exchange(2, CREATE, Meaning.ACCEPTED, task="a")]
    assert (
        verdict("E1", observed("detect_refused_in_200", exchanges=job, claims=[claim("succeeded")])) == "not_exercised"
    )


def test_a_detection_that_is_accepted_hides_no_refused_submission():
    seen = [exchange(1, Role.DETECT, Meaning.ACCEPTED), exchange(2, CREATE, Meaning.REFUSED, refusal="422")]
    assert verdict("E1", observed("create_refused_in_200", exchanges=seen, claims=[claim("succeeded")])) == "fail"


@pytest.mark.parametrize(
    ("after", "jobs", "expected"),
    [([], 1, "fail"), ([exchange(9, MEDIA, Meaning.READ)], 1, "pass"), ([], 3, "pass")],
    ids=["nothing came of it", "it fetched the result", "a batch is asked for as a whole"],
)
def test_asking_on_after_a_success_is_blind_only_where_nothing_comes_of_it(after, jobs, expected):
    told = [exchange(number, POLL, Meaning.SUCCEEDED, task="a") for number in range(1, 8)]
    case = observed("plain", declaration=replace(ONE_JOB, jobs=jobs), exchanges=[*told, *after])
    assert verdict("E3", case) == expected


def detection(number, links, **more):
    faces = [{"id": face, "link": link} for face, link in links.items()]
    answer = {"data": {"result": {"id": "d", "faces": faces}}}
    return exchange(number, Role.DETECT_POLL, Meaning.SUCCEEDED, task="t", answer=answer, **more)


def swap(number, targets, **more):
    faces = [{"face_id": face, "target": target} for face, target in targets.items()]
    return exchange(number, CREATE, Meaning.ACCEPTED, body={"input": {"detect_id": "d", "faces": faces}}, **more)


def test_two_faces_that_are_swapped_on_purpose_are_no_confusion():
    links, crossed = {0: "http://x/0", 1: "http://x/1"}, {0: "http://x/1", 1: "http://x/0"}
    plain = observed("plain", exchanges=[detection(1, links), swap(2, crossed)])
    other = [detection(1, dict(reversed(links.items()))), swap(2, crossed)]
    assert verdict("D2", observed("faces_in_other_order", exchanges=other, plain=plain)) == "not_exercised"
    straight = observed("plain", exchanges=[detection(1, links), swap(2, links)])
    assert verdict("D2", observed("faces_in_other_order", exchanges=other, plain=straight)) == "fail"


def test_a_face_id_as_text_is_the_same_id():
    links = {0: "http://x/0", 1: "http://x/1"}
    seen = [detection(1, dict(reversed(links.items()))), swap(2, {"0": "http://x/0", "1": "http://x/1"})]
    assert verdict("D2", observed("faces_in_other_order", exchanges=seen)) == "pass"


def test_each_job_of_a_batch_may_detect_again():
    stale = exchange(1, CREATE, Meaning.REFUSED, refusal="422", body={"id": "old"})
    anew = [exchange(number, Role.DETECT, Meaning.ACCEPTED) for number in (2, 3)]
    batch = replace(ONE_JOB, jobs=2)
    assert verdict("D4", observed("detection_expires", declaration=batch, exchanges=[stale, *anew])) == "pass"
    assert verdict("D4", observed("detection_expires", exchanges=[stale, *anew])) == "fail"


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("project/out.png", "warn"),
        ("project/partner.png", "warn"),
        ("project/part", "pass"),
        ("project/out.png.part", "pass"),
        ("project/out.tmp.png", "pass"),
        ("project/.out.png", "pass"),
        ("work/tmpx1y2", "pass"),
        ("tmp/out.png", "pass"),
    ],
)
def test_a_file_that_is_named_as_unfinished_is_not_taken_for_a_result(path, told):
    cut = exchange(2, MEDIA, Meaning.AMBIGUOUS, delivered="cut", size=10, digest="d", answer_headers=PNG)
    left = [SavedFile(path, 10, "d", b"")]
    case = observed(
        "media_cut",
        exchanges=[exchange(1, CREATE, Meaning.ACCEPTED, task="a"), cut],
        tasks=[task("a")],
        files=left,
        claims=[claim("unknown")],
    )
    assert verdict("R2", case) == told


def test_a_picture_of_a_detected_face_is_no_result():
    face = exchange(2, MEDIA, Meaning.REFUSED, status=403, target="/media/face.png")
    seen = [detection(1, {0: "http://x/media/face.png"}), face, exchange(3, CREATE, Meaning.ACCEPTED, task="a")]
    case = observed("media_expired", exchanges=seen, tasks=[task("a")])
    assert {verdict(rule, case) for rule in ("R2", "R3", "R3b")} == {"not_exercised"}
    late = replace(case, exchanges=[*seen, replace(face, number=4)])
    assert {verdict(rule, late) for rule in ("R2", "R3", "R3b")} == {"not_exercised"}


def test_the_other_detections_of_a_batch_do_not_make_up_for_an_expired_one():
    stale = exchange(2, CREATE, Meaning.REFUSED, refusal="422", body={"id": "old"})
    first, other, anew = (exchange(number, Role.DETECT, Meaning.ACCEPTED) for number in (1, 3, 5))
    accepted = exchange(4, CREATE, Meaning.ACCEPTED, task="b")
    batch, both = replace(ONE_JOB, jobs=2), [task("a"), task("b")]
    plain = observed(
        "plain", declaration=batch, exchanges=[first, replace(accepted, task="a"), other, accepted], tasks=both
    )
    seen = [first, stale, other, accepted]
    gave_up = observed("detection_expires", declaration=batch, exchanges=seen, tasks=both[1:], plain=plain)
    assert verdict("D4", gave_up) == "warn"
    assert verdict("D4", replace(gave_up, exchanges=[*seen, anew])) == "pass"
    assert verdict("D4", replace(gave_up, tasks=both)) == "pass"


@pytest.mark.parametrize(("overlap", "at", "told"), [(0.0, 2.2, "warn"), (0.5, 2.2, "pass"), (0.5, 9.0, "warn")])
def test_a_batch_in_parallel_may_have_sent_the_next_job_before_it_read_the_402(overlap, at, told):
    first = exchange(1, Role.BALANCE, Meaning.READ, at=1.0, answered=2.0 + overlap)
    no_credits = exchange(2, CREATE, Meaning.REFUSED, refusal="402", at=2.05, body={"model": "m", "n": 1})
    after = exchange(3, CREATE, Meaning.REFUSED, refusal="402", at=at, body={"model": "m", "n": 2})
    seen = [first, no_credits, after]
    assert verdict("P3b", observed("no_credits", declaration=replace(ONE_JOB, jobs=2), exchanges=seen)) == told


@pytest.mark.parametrize(("rate", "first", "told"), [(1.0, 3.4, "info"), (40.0, 3.4, "pass"), (40.0, 9.0, "info")])
def test_intervals_that_only_the_machine_makes_shorter_do_not_grow_denser(rate, first, told):
    times = [*(number * first for number in range(6)), *(5 * first + number * 1.5 for number in range(1, 7))]
    polls = [exchange(n, POLL, Meaning.RUNNING, task="a", at=at) for n, at in enumerate(times, 1)]
    assert verdict("L3", observed("slow", exchanges=polls, tasks=[task("a")], rate=rate)) == told


def test_uploads_side_by_side_are_each_told_by_their_own_link():
    def link(number, kind, path):
        target = f"/upload-url?content_type={kind}"
        return exchange(
            number, Role.UPLOAD_LINK, Meaning.READ, target=target, answer_text=f'{{"url": "http://x{path}"}}'
        )

    def put(number, kind, path):
        return exchange(number, Role.UPLOAD, Meaning.READ, method="PUT", target=path, headers={"content-type": kind})

    links = [link(1, "image/png", "/u/1"), link(2, "video/mp4", "/u/2")]
    assert verdict("R4", observed("plain", exchanges=[*links, put(3, "image/png", "/u/1")])) == "pass"
    assert verdict("R4", observed("plain", exchanges=[*links, put(3, "video/mp4", "/u/1")])) == "fail"


def test_a_client_that_we_ended_is_not_said_to_have_lost_a_callback():
    seen = [exchange(1, CREATE, Meaning.ACCEPTED, task="a")]
    tasks = [task("a", callback_url="http://x/")]
    more: dict = {"exchanges": seen, "tasks": tasks}
    assert verdict("C8", observed("callback_never", **more)) == "warn"
    ended = [run(ended="timeout", status=None, finished=400.0)]
    for deadline, expected in ((3600.0, "not_exercised"), (None, "not_declared"), (100.0, "warn")):
        declared = replace(ONE_JOB, deadline=deadline)
        assert verdict("C8", observed("callback_never", declaration=declared, runs=ended, **more)) == expected


def test_a_new_id_of_its_own_makes_no_new_request():
    twice = [
        exchange(n, CREATE, Meaning.REFUSED, refusal="402", body={"businessTaskId": str(n), "a": 1}) for n in (1, 2)
    ]
    assert verdict("P3", observed("no_credits", "imgopen", exchanges=twice)) == "warn"


def test_the_same_id_that_makes_no_second_task_costs_nothing():
    seen = [doubtful(1, task="a", business_id="j"), exchange(2, CREATE, Meaning.ACCEPTED, task="a", business_id="j")]
    assert verdict("P1", observed("create_reset_after", "imgopen", exchanges=seen, tasks=[task("a")])) == "warn"
    second = [seen[0], replace(seen[1], task="b")]
    case = observed("create_reset_after", "imgopen", exchanges=second, tasks=[task("a"), task("b")])
    assert verdict("P1", case) == "fail"


@pytest.mark.parametrize(("case", "expected"), [("once_402", "pass"), ("no_credits", "fail")])
def test_a_balance_that_would_do_is_leave_to_send_again(case, expected):
    first, again = (exchange(n, CREATE, Meaning.REFUSED, refusal="402", body={"a": 1}) for n in (1, 3))
    seen = [first, exchange(2, Role.BALANCE, Meaning.READ), again]
    assert verdict("P3", observed(case, exchanges=seen)) == expected
    assert verdict("P3", observed(case, exchanges=[first, again])) == "fail"


@pytest.mark.parametrize(("finished", "expected"), [(60.0, "warn"), (280.0, "not_exercised")])
def test_a_job_that_ends_at_its_deadline_is_not_ended_by_its_last_poll(finished, expected):
    runs = [run(status=75, finished=finished)]
    page = [exchange(1, POLL, Meaning.AMBIGUOUS, task="a", status=502)]
    assert verdict("E8", observed("poll_html", exchanges=page, runs=runs)) == expected
    assert verdict("P6", observed("poll_html", exchanges=page, runs=runs)) == expected
    refusal = [exchange(1, POLL, Meaning.REFUSED, task="a", refusal="500")]
    assert verdict("L4", observed("poll_500_once", exchanges=refusal, runs=runs)) == expected
