"""Img Open calls back: only JSON whose `code` is 200 acknowledges, and retries follow the schedule of each variant."""

from itertools import accumulate

import pytest
import requests

from tests.receivers import Receiver, refuse_first

PHOTO = "https://faces.invalid/2.png"
INTERVALS = [3, 5, 15, 30, 60, 600, 3600]

#: Offsets of all attempts from the end of the task, by reading.
READINGS = {
    "A": [0, *accumulate([*INTERVALS, 3600, 3600, 3600])],
    "B": [0, *accumulate(INTERVALS)],
    "C": [0, *accumulate([*INTERVALS, 3, 5, 15])],
    "D": [0, *accumulate([*INTERVALS, 3600, 3600])],
}


def test_a_detection_whose_callback_is_refused_seven_times_and_then_accepted(account, receiver):
    receiver.plan = refuse_first(7)
    start = account.admin("GET", "clock")["now"]
    answered = account.imgopen.detect(PHOTO, own_id="10086996", callbackUrl=receiver.url("/cb?k=v"))
    assert account.advance(by="0s")[-1]["what"] == "delivery"
    for waited, interval in enumerate(INTERVALS, 1):
        account.advance(by=f"{interval - 0.001}s")
        assert len(receiver.got) == waited
        account.advance(by="0.001s")
        assert len(receiver.got) == waited + 1
    account.advance(by="1d")
    row = account.delivery()
    assert (row["state"], len(row["attempts"])) == ("acknowledged", 8)
    assert [attempt["due"] - start for attempt in row["attempts"]] == pytest.approx([0, 3, 8, 23, 53, 113, 713, 4313])
    assert [attempt["sent"] for attempt in row["attempts"]] == pytest.approx([a["due"] for a in row["attempts"]])
    assert [attempt["failure"] for attempt in row["attempts"]] == ["answered HTTP 500"] * 7 + [""]
    assert [got.path for got in receiver.got] == ["/cb?k=v"] * 8
    assert receiver.bodies() == [{"code": "200", "msg": "success", "data": answered}] * 8
    assert requests.get(answered["faceUrls"][1], timeout=10).content[:4] in (b"\x89PNG", b"\xff\xd8\xff\xe0")


@pytest.mark.parametrize("reading", READINGS)
def test_the_due_times_of_the_four_readings(make_account, receiver, reading):
    receiver.plan = lambda got: (200, {"code": "500"})
    account = make_account(variants={"imgopen": {"callback_ladder": reading}})
    account.imgopen.detect(PHOTO, callbackUrl=receiver.url())
    fired = account.advance(until="idle")
    row = account.delivery()
    assert row["state"] == "dead"
    assert [attempt["due"] - row["created_at"] for attempt in row["attempts"]] == READINGS[reading]
    assert [item["at"] - row["created_at"] for item in fired if item["what"] == "delivery"] == READINGS[reading]


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ((200, {"code": "200"}), ""),
        ((200, {"code": 200}), ""),
        ((200, b""), "the answer is not JSON"),
        ((200, b"OK"), "the answer is not JSON"),
        ((200, {"status": "ok"}), "the answer has no `code`"),
        ((200, {"code": "0"}), "the answer's `code` is '0', not '200'"),
        ((500, {"code": "200"}), "answered HTTP 500"),
        ((200, b'{"code":"200"}' + b" " * 40_000), ""),
        (
            (200, b'{"code":"200","x":"' + b"x" * 70_000 + b'"}'),
            "the answer is not JSON: only its first 65536 bytes are read",
        ),
    ],
)
def test_what_acknowledges(account, receiver, answer, failure):
    receiver.plan = lambda got: answer
    account.imgopen.detect(PHOTO, callbackUrl=receiver.url())
    account.advance(by="0s")
    assert account.delivery()["attempts"][0]["failure"] == failure


def test_an_asynchronous_swap_is_told_as_the_query_tells_it(account, receiver):
    made = account.imgopen.fuse(["https://example.com/a.png"], PHOTO, callbackUrl=receiver.url())
    account.advance(until="idle")
    (body,) = receiver.bodies()
    assert body == {"code": "200", "msg": "success", "data": account.imgopen.query("face/fusion", made["taskId"])}


def test_a_bare_body(make_account, receiver):
    account = make_account(variants={"imgopen": {"callback_body": "bare"}})
    answered = account.imgopen.detect(PHOTO, callbackUrl=receiver.url())
    account.advance(until="idle")
    assert receiver.bodies() == [answered]


@pytest.mark.parametrize(("choice", "count"), [("sent", 1), ("not_sent", 0)])
def test_whether_failures_are_told(make_account, receiver, choice, count):
    account = make_account(variants={"imgopen": {"callback_failures": choice}})
    account.imgopen.fuse(["https://errors.invalid/fails"], PHOTO, callbackUrl=receiver.url())
    account.advance(until="idle")
    assert len(receiver.got) == count


def test_both_providers_in_one_sandbox(account):
    """Each has its own idea of an acknowledgement: what does for one is refused by the other."""
    with Receiver(lambda got: (200, b"thanks")) as receiver:
        account.swap(receiver.url("/crun"))
        account.imgopen.detect(PHOTO, callbackUrl=receiver.url("/imgopen"))
        account.advance(by="60s")
    states = {row["provider"]: (row["state"], len(row["attempts"])) for row in account.deliveries()}
    assert states == {"crun": ("acknowledged", 1), "imgopen": ("pending", 5)}
