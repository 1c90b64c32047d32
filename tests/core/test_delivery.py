"""Deliveries: retry schedules, what acknowledges, what an attempt changes."""

from itertools import accumulate

import pytest

from swapmock.contracts import load
from swapmock.contracts.behaviour import Acknowledgement, RetrySchedule
from swapmock.mock_server.core.callback_faults import CALLBACK_FAULTS, wrongly_typed
from swapmock.mock_server.core.delivery import (
    DELIVERIES_KEPT,
    KEPT_ANSWER,
    KEPT_HEAD,
    NO_JSON,
    Delivery,
    DeliveryState,
    SendResult,
    host_of,
    read_head,
    waits,
    why_not_acknowledged,
)

FAILED = SendResult(500)
BLOCKED = SendResult(None, error="not here", blocked=True)


def schedule(intervals, retries, then):
    return RetrySchedule("l", tuple(intervals), retries, then, "invented", "this test")


def delivery(**more):
    given = {
        "id": "d1",
        "number": 1,
        "task": "t1",
        "provider": "crun",
        "operation": "create_task",
        "event": "succeeded",
        "url": "http://127.0.0.1:9/cb",
        "host": "127.0.0.1:9",
        "body": b'{"task_id":"t1"}',
        "created_at": 100.0,
        "waits": (3.0, 5.0),
        "cause": "x1",
        "next_due": 100.0,
    }
    return Delivery(**{**given, **more})


@pytest.mark.parametrize(
    ("reading", "count", "last"),
    [("A", 10, 15113), ("B", 7, 4313), ("C", 10, 4336), ("D", 9, 11513)],
)
def test_the_four_retry_schedules_of_img_open(reading, count, last):
    callbacks = load("imgopen").behaviour.callbacks
    assert callbacks is not None
    times = list(accumulate(waits(callbacks.schedules[reading])))
    assert (len(times), times[-1]) == (count, last)
    assert times[:7] == [3, 8, 23, 53, 113, 713, 4313]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (schedule([1, 2], 5, "repeat"), (1, 2, 2, 2, 2)),
        (schedule([1, 2], 5, "restart"), (1, 2, 1, 2, 1)),
        (schedule([1, 2], 5, "stop"), (1, 2)),
        (schedule([1, 2, 3], 2, "repeat"), (1, 2)),
        (schedule([1, 2, 3], 2, "stop"), (1, 2)),
        (schedule([], 0, "stop"), ()),
        (schedule([], 3, "repeat"), ()),
    ],
)
def test_waits(row, expected):
    assert waits(row) == expected


@pytest.mark.parametrize("name", ["crun", "imgopen"])
def test_every_retry_schedule_can_be_chosen_and_every_callback_fault_has_a_row(name):
    behaviour = load(name).behaviour
    assert behaviour.callbacks is not None
    assert set(behaviour.variants["callback_ladder"].choices) == set(behaviour.callbacks.schedules)
    used = {scenario.delivery for scenario in behaviour.scenarios.values()}
    assert used == set(CALLBACK_FAULTS)
    assert all(
        f"https://errors.invalid/{row.name}" in behaviour.magic for row in behaviour.scenarios.values() if row.delivery
    )


ANY_2XX = Acknowledgement((200, 299), "documented", "this test")
ONLY_200 = Acknowledgement((200, 200), "documented", "this test")
CODE_200 = Acknowledgement((200, 299), "documented", "this test", ("200", 200))


@pytest.mark.parametrize(
    ("demand", "outcome", "document", "expected"),
    [
        (ANY_2XX, SendResult(200), NO_JSON, ""),
        (ANY_2XX, SendResult(204), NO_JSON, ""),
        (ANY_2XX, SendResult(299), {"code": 500}, ""),
        (ANY_2XX, SendResult(500), NO_JSON, "answered HTTP 500"),
        (ANY_2XX, SendResult(302), NO_JSON, "answered HTTP 302, and redirects are not followed"),
        (ANY_2XX, SendResult(300), NO_JSON, "answered HTTP 300, and redirects are not followed"),
        (ANY_2XX, SendResult(399), NO_JSON, "answered HTTP 399, and redirects are not followed"),
        (ANY_2XX, SendResult(400), NO_JSON, "answered HTTP 400"),
        (ANY_2XX, SendResult(199), NO_JSON, "answered HTTP 199"),
        (ONLY_200, SendResult(200), NO_JSON, ""),
        (ONLY_200, SendResult(299), NO_JSON, "answered HTTP 299"),
        (ANY_2XX, SendResult(None, error="no answer within 1 s"), NO_JSON, "no answer within 1 s"),
        (ANY_2XX, BLOCKED, NO_JSON, "blocked: not here"),
        (CODE_200, SendResult(200), {"code": "200"}, ""),
        (CODE_200, SendResult(200), {"code": 200, "msg": "ok"}, ""),
        (CODE_200, SendResult(200), {"code": 200.0}, "the answer's `code` is 200.0, not '200'"),
        (CODE_200, SendResult(200), {"code": True}, "the answer's `code` is True, not '200'"),
        (CODE_200, SendResult(200), {"code": "500"}, "the answer's `code` is '500', not '200'"),
        (CODE_200, SendResult(200), {}, "the answer has no `code`"),
        (CODE_200, SendResult(200), ["200"], "the answer has no `code`"),
        (CODE_200, SendResult(200), "200", "the answer has no `code`"),
        (CODE_200, SendResult(200), NO_JSON, "the answer is not JSON"),
        (CODE_200, SendResult(500), {"code": "200"}, "answered HTTP 500"),
    ],
)
def test_what_acknowledges(demand, outcome, document, expected):
    assert why_not_acknowledged(demand, outcome, document) == expected


def test_a_delivery_follows_its_retry_schedule_and_dies():
    one, first = delivery().attempted(100.0, 100.25, FAILED, "answered HTTP 500")
    assert (first.attempt, first.due, first.sent, first.latency) == (1, 100.0, 100.0, 0.25)
    assert (first.status, first.failure, first.next_due) == (500, "answered HTTP 500", 103.0)
    assert (one.state, one.next_due) == (DeliveryState.PENDING, 103.0)
    two, _ = one.attempted(103.0, 103.0, FAILED, "answered HTTP 500")
    three, last = two.attempted(108.0, 108.0, FAILED, "answered HTTP 500")
    assert (two.next_due, last.next_due, three.state, three.is_over) == (108.0, None, DeliveryState.DEAD, True)
    assert [attempt.attempt for attempt in three.attempts] == [1, 2, 3]


def test_an_attempt_that_comes_late_does_not_shift_the_retry_schedule():
    after, attempt = delivery().attempted(101.7, 102.0, FAILED, "answered HTTP 500")
    assert (attempt.due, attempt.sent, after.next_due) == (100.0, 101.7, 103.0)


def test_an_acknowledged_delivery_is_over():
    after, attempt = delivery().attempted(100.0, 100.0, SendResult(200, b"x" * 5000), "")
    assert (after.state, after.next_due, attempt.failure) == (DeliveryState.ACKNOWLEDGED, None, "")
    assert attempt.answer == b"x" * KEPT_ANSWER


def test_a_blocked_one_is_not_tried_again():
    after, attempt = delivery().attempted(100.0, 100.0, BLOCKED, "blocked: not here")
    assert (after.state, after.next_due, attempt.status) == (DeliveryState.BLOCKED, None, None)


def test_redelivery_by_hand_stands_beside_the_retry_schedule():
    failing, _ = delivery().attempted(100.0, 100.0, FAILED, "answered HTTP 500")
    asked = failing.for_redelivery(101.0)
    assert asked.next_due == 101.0
    again, attempt = asked.attempted(101.0, 101.0, FAILED, "answered HTTP 500")
    assert (attempt.due, again.state, again.next_due, again.retries) == (
        101.0,
        DeliveryState.PENDING,
        103.0,
        failing.retries,
    )
    done, _ = again.for_redelivery(102.0).for_redelivery(102.5).attempted(102.5, 102.5, SendResult(200), "")
    assert (done.state, done.next_due) == (DeliveryState.ACKNOWLEDGED, None)
    # Refused after all: it was acknowledged once, and that stands.
    refused, _ = done.for_redelivery(200.0).attempted(200.0, 200.0, FAILED, "answered HTTP 500")
    assert (refused.state, refused.next_due, len(refused.attempts)) == (DeliveryState.ACKNOWLEDGED, None, 4)


def test_a_dead_one_that_is_refused_again_stays_dead():
    dead, _ = delivery(waits=()).attempted(100.0, 100.0, FAILED, "answered HTTP 500")
    again, _ = dead.for_redelivery(500.0).attempted(500.0, 500.0, FAILED, "answered HTTP 500")
    assert (dead.state, again.state, again.next_due) == (DeliveryState.DEAD, DeliveryState.DEAD, None)


def test_only_the_first_attempt_is_truncated():
    whole = delivery(corruption="truncated")
    assert whole.payload() == b'{"task_i'
    after, _ = whole.attempted(100.0, 100.0, FAILED, "answered HTTP 400")
    assert after.payload() == b'{"task_id":"t1"}'
    assert (after.payload(1), after.payload(2)) == (b'{"task_i', b'{"task_id":"t1"}')


def test_an_attempt_keeps_both_heads_within_bounds():
    long = b"HTTP/1.1 200 OK\r\nX: " + b"y" * 9000 + b"\r\n\r\n"
    _, attempt = delivery().attempted(
        100.0, 100.0, SendResult(200, request_head=b"POST / HTTP/1.1", answer_head=long), ""
    )
    assert (attempt.request_head, attempt.answer_head) == (b"POST / HTTP/1.1", long[:KEPT_HEAD])


@pytest.mark.parametrize(
    ("head", "line", "headers"),
    [
        (b"", "", ()),
        (b"HTTP/1.1 200 OK\r\nA: b\r\nA:c : d\r\n\r\n", "HTTP/1.1 200 OK", (("A", "b"), ("A", "c : d"))),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n: x\r\nA", "HTTP/1.1 200 OK", (("no colon", ""), ("", "x"), ("A", ""))),
        ("GET /é HTTP/1.1\r\n\r\n".encode(), "GET /é HTTP/1.1", ()),
        ("GET /é HTTP/1.1\r\n\r\n".encode("latin-1"), "GET /é HTTP/1.1", ()),
    ],
)
def test_a_head_is_read(head, line, headers):
    assert read_head(head) == (line, headers)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": "200", "data": {"status": 2}}, {"code": 200, "data": {"status": 2}}),
        ({"result": {"code": 200, "media_urls": ["u"]}}, {"result": {"code": "200", "media_urls": ["u"]}}),
        ([{"code": "none"}, 1], [{"code": None}, 1]),
    ],
)
def test_codes_of_the_wrong_type(body, expected):
    assert wrongly_typed(body, "code") == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8080/a?b", "127.0.0.1:8080"),
        ("https://Example.com/a", "example.com:https"),
        ("http://[::1]:1/", "::1:1"),
        ("http://[::1", "http://[::1"),
        ("http://a:99999/", "http://a:99999/"),
    ],
)
def test_host_of(url, expected):
    assert host_of(url) == expected


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (199, "answered HTTP 199"),
        (200, ""),
        (299, ""),
        (300, "answered HTTP 300, and redirects are not followed"),
        (399, "answered HTTP 399, and redirects are not followed"),
        (400, "answered HTTP 400"),
    ],
)
def test_the_edges_of_the_statuses(status, said):
    assert why_not_acknowledged(ANY_2XX, SendResult(status), NO_JSON) == said


def test_each_claim_has_a_number_of_its_own():
    once = delivery().claimed(5.0)
    twice = once.claimed(7.0)
    assert [(one.claim, one.leased_until) for one in (delivery(), once, twice)] == [(0, None), (1, 5.0), (2, 7.0)]


def test_a_host_that_cannot_be_read_is_cut():
    url = "http://[" + "x" * 300
    assert host_of(url) == url[:200]
    assert (host_of("http://a/"), host_of("https://a:81/")) == ("a:http", "a:81")


def test_the_answer_is_cut():
    sent = SendResult(500, b"x" * (KEPT_ANSWER + 1))
    _, attempt = delivery().attempted(100.0, 100.5, sent, "no")
    assert (len(attempt.answer), attempt.latency, KEPT_ANSWER) == (2048, 0.5, 2048)
    _, attempt = delivery().attempted(100.0, 99.0, sent, "no")
    assert attempt.latency == 0.0


def test_a_fresh_delivery_and_result():
    fresh = delivery()
    assert (fresh.callback_fault, fresh.corruption, fresh.alone) == ("", "", False)
    assert (fresh.state, fresh.retries, fresh.attempts, fresh.before_redelivery) == ("pending", 0, (), None)
    assert SendResult(200) == (200, b"", "", False, False, b"", b"")


def test_every_second_half_is_cut():
    for length in (0, 1, 2, 7, 8):
        whole = delivery(corruption="truncated", body=b"x" * length)
        assert len(whole.payload()) == length // 2


@pytest.mark.parametrize("shown", ["200", "x" * 60])
def test_a_wrong_code_is_shown_up_to_a_length(shown):
    said = why_not_acknowledged(CODE_200, SendResult(200), {"code": [shown]})
    assert said == f"the answer's `code` is {str([shown])[:40]}, not {CODE_200.code[0]!r}"


@pytest.mark.parametrize("corruption", ["", "code_type", "other", "untouched"])
def test_only_the_truncated_are_cut(corruption):
    assert delivery(corruption=corruption).payload() == b'{"task_id":"t1"}'


def test_a_delivery_with_more_retries_than_its_schedule_is_dead():
    after, _ = delivery(retries=3).attempted(100.0, 100.0, FAILED, "answered HTTP 500")
    assert (after.state, after.next_due, after.retries) == (DeliveryState.DEAD, None, 3)


def test_an_attempt_is_noted_at_the_time_it_was_sent():
    _, attempt = delivery().attempted(101.5, 102.0, FAILED, "answered HTTP 500")
    assert attempt.at == attempt.sent == 101.5
    assert DELIVERIES_KEPT == 10_000
