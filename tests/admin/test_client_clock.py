"""Dates in answers count from the answer's own Date: the machine's clock, or the sandbox's where a client's clock is moved with it."""

from email.utils import parsedate_to_datetime

import pytest

BALANCE = "account/balance"
DATE_429 = {"effect": {"code": 429, "retry_after": {"seconds": 5, "form": "date"}}}


def dates(answer):
    assert len(answer.raw.headers.getlist("date")) == 1
    return [
        parsedate_to_datetime(answer.headers[name]).timestamp()
        for name in ("date", "retry-after")
        if name in answer.headers
    ]


@pytest.mark.parametrize("clock", ["real", "scaled(20)", "frozen"])
def test_a_date_to_retry_after_counts_from_the_machines_clock(admin, clock, time):
    box = admin.sandbox(clock=clock)
    if clock == "frozen":
        box.advance(by="3h")
    box.ok("POST", "/faults", DATE_429)
    answer = box.crun("GET", BALANCE)
    _, later = dates(answer)
    assert later == int(time.now()) + 5


def test_a_rate_limit_does_the_same(admin, time):
    box = admin.sandbox(clock="frozen", rate_limit={"calls": 1, "seconds": 30, "retry_after": "date"})
    box.advance(by="3h")
    box.crun("GET", BALANCE)
    assert dates(box.crun("GET", BALANCE))[1] == int(time.now()) + 30


def test_a_client_whose_clock_is_the_sandboxs(admin):
    box = admin.sandbox(clock="frozen", client_clock="sandbox")
    assert box.ok("GET")["client_clock"] == "sandbox"
    box.advance(by="3h")
    now = int(box.ok("GET", "/clock")["now"])
    assert dates(box.crun("GET", BALANCE)) == [now]
    box.ok("POST", "/faults", DATE_429)
    assert dates(box.crun("GET", BALANCE)) == [now, now + 5]
    box.ok("PATCH", "", {"client_clock": "machine"})
    assert dates(box.crun("GET", BALANCE))[0] != now


def test_polls_have_the_date_of_their_own_time(admin):
    box = admin.sandbox(clock="frozen", client_clock="sandbox")
    task = box.swapped()
    box.advance(until="idle")
    first = dates(box.crun("GET", "job/TaskInfo", params={"task_id": task}))
    box.advance(by=60)
    assert dates(box.crun("GET", "job/TaskInfo", params={"task_id": task})) == [first[0] + 60]


def test_another_word_is_refused(admin):
    assert admin.pointers("POST", "/sandboxes", {"client_clock": "wall"}) == ["/client_clock"]
