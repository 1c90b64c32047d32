"""One clock for a sandbox: its jumps, what fires on the way and why. Its modes: `tests/third_provider/test_every_provider.py`."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.control import PICTURE

NOWHERE = "http://127.0.0.1:9/"


def test_polls_of_a_detection_move_the_clock(admin, time):
    box = admin.sandbox(clock="on_poll")
    made = box.crun("POST", "job/detect-face-image", {"image_url": PICTURE}).json()["data"]
    polled = [box.crun("GET", "job/detect-face-result", params=made).json()["data"]["status"] for _ in range(20)]
    first = polled.index("succeeded")
    assert 1 <= first < 15
    assert polled[first:] == ["succeeded"] * (20 - first)
    assert time.now() == 1_748_433_600.0, "no real time went by"


def test_each_poll_moves_half_way(admin):
    box = admin.sandbox(clock={"mode": "on_poll", "start": 0})
    task = box.swapped()
    moments = []
    for _ in range(8):
        box.info(task)
        moments.append(box.ok("GET", "/clock")["now"])
    # It starts after 1 s and ends after 6 s: half-way, and half a second at least.
    assert moments == [0.5, 1, 3.5, 4.75, 5.375, 5.875, 6, 6]


def test_modes_follow_one_another_from_the_same_moment(box, time):
    def now():
        return box.ok("GET", "/clock")["now"]

    start = now()
    box.ok("PATCH", "/clock", {"mode": "real"})
    time.advance(10)
    assert now() == start + 10
    box.ok("PUT", "/clock", {"mode": "scaled", "rate": 60})
    time.advance(1)
    assert now() == start + 70
    box.ok("PATCH", "", {"clock": "frozen"})
    time.advance(100)
    assert now() == start + 70
    box.advance(by=30)
    box.ok("PATCH", "/clock", {"mode": "real"})
    time.advance(1)
    assert now() == start + 101
    assert box.pointers("PATCH", "/clock", {"mode": "frozen", "start": 0}) == ["/start"]
    assert box.pointers("PATCH", "/clock", {"mode": "warped"}) == ["/mode"]
    assert box.pointers("PATCH", "/clock", {}) == ["/mode"]


@pytest.mark.parametrize(
    ("how", "moved"),
    [({"by": 65}, 65), ({"by": "65s"}, 65), ({"by": "500ms"}, 0.5), ({"by": "2m"}, 120), ({"by": "1.5h"}, 5400),
     ({"by": "14d"}, 1_209_600), ({"to": "2026-01-01T00:01:05Z"}, 65), ({"to": 1_767_225_665}, 65), ({"by": 0}, 0)],
)  # fmt: skip
def test_spans_and_moments(box, how, moved):
    answer = box.ok("POST", "/clock/advance", how)
    assert answer["now"] - answer["before"] == moved
    assert answer["fired"] == []


@pytest.mark.parametrize(
    ("how", "pointers"),
    [
        ({}, [""]),
        ({"by": -1}, ["/by"]),
        ({"by": "soon"}, ["/by"]),
        ({"by": "1y"}, ["/by"]),
        ({"by": True}, ["/by"]),
        ({"by": 1e12}, ["/by"]),
        ({"by": "9" * 400}, ["/by"]),
        ({"by": "99999999999d"}, ["/by"]),
        ({"by": 1, "until": "idle"}, [""]),
        ({"to": "yesterday"}, ["/to"]),
        ({"to": 0}, ["/to"]),
        ({"to": 1e300}, ["/to"]),
        ({"until": "later"}, ["/until"]),
        ({"until": {"task": "nobody", "status": "success"}}, ["/until/task"]),
        ({"until": {"task": "nobody"}}, ["/until/status"]),
        ({"unless": 1}, ["/unless"]),
    ],
)
def test_what_cannot_be_done(box, how, pointers):
    before = box.ok("GET", "/clock")
    assert box.pointers("POST", "/clock/advance", how) == pointers
    assert box.ok("GET", "/clock") == before


def test_what_fired_is_listed_in_order_with_its_causes(box):
    first = box.swapped("https://errors.invalid/fails")
    box.advance(by=2)
    second = box.swapped()
    body = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1"}
    box.imgopen("tool/face/fusion", body)
    answer = box.ok("POST", "/clock/advance", {"by": "1m"})
    fired = answer["fired"]
    assert [row["at"] for row in fired] == sorted(row["at"] for row in fired)
    told = [(row["at"] - answer["before"], row["task"], row["before"], row["after"], row["cause"]) for row in fired]
    assert [row for row in told if row[1] in (first, second)] == [
        (1, second, "queued", "running", "x2"),
        (4, first, "running", "failed", "x1"),
        (6, second, "running", "succeeded", "x2"),
    ]
    assert {row["cause"] for row in fired} == {"x1", "x2", "x3"}
    journal = box.ok("GET", "/journal", type="transition", since=answer["before"])["records"]
    assert [(row["at"], row["task"], row["after"]) for row in journal] == [
        (row["at"], row["task"], row["after"]) for row in fired
    ]


@pytest.mark.parametrize("status", ["success", "succeeded"])
def test_until_a_task_has_a_status(box, status):
    task = box.swapped()
    fired = box.advance(until={"task": task, "status": status})
    assert [row["after"] for row in fired] == ["running", "succeeded"]
    assert box.info(task)["status"] == "success"
    assert box.advance(until={"task": task, "status": status}) == []


def test_until_a_task_of_the_other_vendor(box):
    body = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "1"}
    task = box.imgopen("tool/face/fusion", body).json()["data"]["taskId"]
    box.advance(until={"task": task, "status": "success"})
    assert box.ok("GET", f"/tasks/{task}")["phase"] == "succeeded"


def test_until_what_will_never_be(box):
    task = box.swapped("https://errors.invalid/stuck")
    before = box.ok("GET", "/clock")["now"]
    problem = box.refused(409, "POST", "/clock/advance", {"until": {"task": task, "status": "success"}})
    assert "never ends (scenario stuck)" in problem["detail"]
    assert box.ok("GET", "/clock")["now"] == before
    box.advance(until="idle")
    failed = box.swapped("https://errors.invalid/fails")
    problem = box.refused(409, "POST", "/clock/advance", {"until": {"task": failed, "status": "success"}})
    assert "is failed from" in problem["detail"]
    problem = box.refused(400, "POST", "/clock/advance", {"until": {"task": failed, "status": "cooked"}})
    assert "success" in problem["detail"]


def test_until_idle_sends_every_callback_to_its_end(box):
    task = box.swapped(callback_url=NOWHERE)
    box.swapped("https://errors.invalid/slow")
    fired = box.advance(until="idle")
    kinds = [(row["what"], row["after"]) for row in fired if row["task"] == task]
    assert kinds == [
        ("transition", "running"),
        ("transition", "succeeded"),
        *[("delivery", "pending")] * 3,
        ("delivery", "dead"),
    ]
    assert [row["attempt"] for row in fired if row["what"] == "delivery"] == [1, 2, 3, 4]
    assert box.ok("GET", "/clock")["next_due"] is None
    assert box.advance(until="idle") == []


def test_one_hour_of_a_detect_id_in_one_call(box):
    def detect():
        made = box.crun("POST", "job/detect-face-image", {"image_url": PICTURE}).json()["data"]
        box.advance(until="idle")
        return box.crun("GET", "job/detect-face-result", params=made).json()["data"]["result"]["id"]

    def swap(detect_id):
        face = {"face_id": 0, "target": "https://example.com/b.png"}
        given = {"image_url": PICTURE, "detect_id": detect_id, "faces": [face]}
        return box.crun("POST", "job/CreateTask", {"model": "image-face-swap-multi", "input": given}).json()

    detect_id = detect()
    box.advance(by=3599)
    assert swap(detect_id)["code"] == 200
    detect_id = detect()
    box.advance(by="1h")
    stale = swap(detect_id)
    assert stale["code"] == 422
    assert "expired" in str(stale["errors"])


def test_media_expire_on_the_same_clock(box):
    task = box.swapped()
    box.advance(until="idle")
    link = box.info(task)["result"]["media_urls"][0]
    assert requests.get(link, timeout=10).status_code == 200
    box.advance(by="14d")
    assert requests.get(link, timeout=10).status_code == 403


def test_rate_windows_run_on_the_same_clock(admin):
    box = admin.sandbox(clock="frozen", rate_limit={"calls": 2, "seconds": 60})
    codes = [box.crun("GET", "account/balance").json()["code"] for _ in range(3)]
    box.advance(by=60)
    assert [*codes, box.crun("GET", "account/balance").json()["code"]] == [200, 200, 429, 200]


def test_ledger_and_journal_are_stamped_by_it(box):
    box.advance(to="2030-06-01T00:00:00Z")
    box.swapped()
    box.advance(until="idle")
    stamps = [row["at_iso"] for row in box.ok("GET", "/ledger")["entries"]]
    assert stamps == ["2026-01-01T00:00:00.000Z", "2030-06-01T00:00:00.000Z", "2030-06-01T00:00:06.000Z"]
    assert {row["at_iso"][:4] for row in box.ok("GET", "/journal")["records"]} == {"2030"}


def test_a_thousand_million_seconds_with_callbacks_pending(box):
    for number in range(20):
        box.swapped(callback_url=f"http://127.0.0.1:9/{number}")
    answer = box.ok("POST", "/clock/advance", {"by": 1e9})
    assert answer["now"] - answer["before"] == 1e9
    assert len(answer["fired"]) == 20 * (2 + 4)
    assert box.ok("GET")["counts"]["due"] == 0
    box.refused(400, "POST", "/clock/advance", {"by": "9999d", "to": 1})
    for _ in range(3):
        box.ok("POST", "/clock/advance", {"to": "9990-01-01T00:00:00Z"})
    assert box.pointers("POST", "/clock/advance", {"by": "9999d"}) == ["/by"]


def test_many_hands_on_one_clock(box):
    tasks = [box.swapped() for _ in range(5)]
    with ThreadPoolExecutor(8) as pool:
        fired = [row for rows in pool.map(lambda _: box.advance(by=1), range(20)) for row in rows]
    assert sorted((row["task"], row["after"]) for row in fired) == sorted(
        (task, after) for task in tasks for after in ("running", "succeeded")
    )
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]
