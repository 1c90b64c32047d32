"""Limits that are off by default: tasks in flight, and POSTs in progress."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from swapmock.mock_server.settings import SettingError, Settings

SWAP = {
    "model": "image-face-swap",
    "input": {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"},
}
DETECT = {"image_url": "https://example.com/a.png"}


def create(box):
    return box.crun("POST", "job/CreateTask", SWAP)


def test_a_task_beyond_the_limit_is_refused_until_one_has_ended(admin):
    box = admin.sandbox(clock="frozen", max_in_flight=2)
    before = box.ok("GET", "/ledger")["balance"]
    assert [create(box).status_code for _ in range(3)] == [200, 200, 429]
    refused = create(box)
    assert refused.json() == {"code": 429, "message": "Too many requests", "data": None}
    assert box.crun("POST", "job/detect-face-image", DETECT).status_code == 429
    asked = box.imgopen(
        "tool/roop",
        {"sourceUrl": "https://example.com/a.png", "targetUrl": "https://example.com/a.png", "businessTaskId": "1"},
    )
    assert asked.json()["code"] == "429"
    assert before != box.ok("GET", "/ledger")["balance"]
    assert box.ok("GET", "/tasks")["total"] == 2
    assert box.crun("POST", "job/estimate-credits", SWAP).status_code == 200
    box.ok("POST", "/clock/advance", {"by": 100})
    assert create(box).status_code == 200


def test_the_journal_says_what_refused(admin):
    box = admin.sandbox(clock="frozen", max_in_flight=0)
    create(box)
    row = box.ok("GET", "/requests")["requests"][0]
    assert row["fault"] == "max_in_flight (0)"
    assert "max_in_flight (0)" in str(box.ok("GET", f"/why/{row['id']}"))


def test_a_stuck_task_stays_in_flight(admin):
    box = admin.sandbox(clock="frozen", max_in_flight=1, scenario="stuck")
    assert create(box).status_code == 200
    box.ok("POST", "/clock/advance", {"by": 100_000})
    assert create(box).status_code == 429
    box.ok("PATCH", "", {"max_in_flight": None})
    assert create(box).status_code == 200


def together(box, count, path="job/detect-face-image", body=DETECT):
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: box.crun("POST", path, body), range(count)))


def test_parallel_posts_beyond_the_limit_get_the_page_of_the_gateway(admin):
    box = admin.sandbox(clock="frozen", parallel_posts={"limit": 3, "seconds": 0.3})
    answers = together(box, 8)
    told = sorted(answer.status_code for answer in answers)
    assert told.count(200) == 3
    assert told.count(522) == 5
    for answer in answers:
        if answer.status_code == 522:
            assert answer.headers["content-type"].startswith("text/html")
            assert answer.headers["server"] == "cloudflare"
        else:
            assert answer.elapsed.total_seconds() >= 0.25
    assert box.ok("GET", "/tasks")["total"] == 3
    faults = [row["fault"] for row in box.ok("GET", "/requests")["requests"] if row["status"] == 522]
    assert faults == ["parallel_posts (3)"] * 5


def test_posts_one_after_another_and_polls_are_not_limited(admin, time):
    box = admin.sandbox(parallel_posts={"limit": 1, "seconds": "20ms"})
    for _ in range(4):
        assert create(box).status_code == 200
        assert box.crun("GET", "account/balance").status_code == 200
        time.advance(0.02)


def test_each_vendor_has_a_gateway_of_its_own(admin):
    box = admin.sandbox(clock="frozen", parallel_posts=1)
    assert create(box).status_code == 200
    assert create(box).status_code == 522
    other = box.imgopen("tool/face/detection", {"imageUrl": "https://example.com/a.png", "businessTaskId": "1"})
    assert other.json()["code"] == "200"


@pytest.mark.parametrize(
    ("options", "pointer"),
    [
        ({"max_in_flight": -1}, "/max_in_flight"),
        ({"max_in_flight": "many"}, "/max_in_flight"),
        ({"parallel_posts": 0}, "/parallel_posts/limit"),
        ({"parallel_posts": {"limit": 1, "seconds": 0}}, "/parallel_posts/seconds"),
        ({"parallel_posts": {"limit": 1, "seconds": "1h"}}, "/parallel_posts/seconds"),
        ({"parallel_posts": {"seconds": 1}}, "/parallel_posts/limit"),
    ],
)
def test_wrong_limits_are_refused(admin, options, pointer):
    answer = admin.session.post(f"{admin.url}/__admin/sandboxes", json=options)
    assert answer.status_code == 400
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_they_are_shown_kept_in_snapshots_and_off_by_default(admin):
    assert admin.sandbox().document["max_in_flight"] is None
    box = admin.sandbox(max_in_flight=7, parallel_posts={"limit": 2, "seconds": "1s"})
    assert box.document["max_in_flight"] == 7
    assert box.document["parallel_posts"] == {"limit": 2, "seconds": 1.0}
    saved = box.ok("POST", "/snapshot")
    other = admin.sandbox()
    other.ok("POST", "/restore", saved)
    shown = other.ok("GET", "")
    assert (shown["max_in_flight"], shown["parallel_posts"]) == (7, {"limit": 2, "seconds": 1.0})
    saved["sandbox"]["parallel_posts"]["limit"] = 0
    refused = admin.session.post(f"{admin.url}/__admin{other.path}/restore", json=saved)
    assert refused.status_code == 400


@pytest.mark.parametrize("settings", [{"max_in_flight": 1, "parallel_posts": 5}], indirect=True)
def test_the_settings_hold_for_standing_and_new_sandboxes(server):
    made = requests.post(f"{server.url}/__admin/sandboxes", json={}, timeout=10).json()
    standing = requests.get(f"{server.url}/__admin/sandboxes/default", timeout=10).json()
    for document in (made, standing):
        assert (document["max_in_flight"], document["parallel_posts"]) == (1, {"limit": 5, "seconds": 0.5})


@pytest.mark.parametrize("wrong", [{"max_in_flight": -1}, {"parallel_posts": 0}, {"parallel_posts": 2.5}])
def test_wrong_settings_are_told(wrong):
    with pytest.raises(SettingError):
        Settings.of(**wrong)
