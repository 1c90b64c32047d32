"""Every lifetime, window and limit: just before its edge, at it, and just after it."""

import json

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.adapters.clock import ManualTime
from tests.conftest import ImgOpenClient
from tests.control import PICTURE, SWAP
from tests.receivers import Receiver, refuse_first

#: Seconds on both sides of an edge. Times of today keep it exactly.
NEAR = 1 / 1024

SECONDS = {(name, row): load(name).behaviour.seconds(row) for name, row in
           (("crun", "detect_id"), ("crun", "face_links"), ("crun", "media_urls"), ("crun", "upload_link"),
            ("crun", "uploaded_file"), ("imgopen", "face_links"), ("imgopen", "media_urls"))}  # fmt: skip

PHOTO = "https://faces.invalid/1.png"


def data(answer):
    document = answer.json()
    assert document["code"] in (200, "200"), document
    return document["data"]


def task_of(box, provider, kind):
    (task,) = [
        task for task in box.ok("GET", "/tasks")["tasks"] if (task["provider"], task["kind"]) == (provider, kind)
    ]
    return task


def fetched(url):
    return requests.get(url, timeout=10).status_code == 200


# --- rows: make something, and return the moment of its edge and what is asked there


def crun_detection(box):
    made = data(box.crun("POST", "job/detect-face-image", {"image_url": PHOTO}))["detect_task_id"]
    box.advance(until="idle")
    return data(box.crun("GET", "job/detect-face-result", params={"detect_task_id": made}))["result"]


def a_detect_id(box):
    found = crun_detection(box)
    faces = [{"face_id": 0, "target": PICTURE}]
    body = {
        "model": "image-face-swap-multi",
        "input": {"detect_id": found["id"], "image_url": PHOTO, "faces": faces},
    }
    ended = task_of(box, "crun", "detection")["ends_at"]
    return ended + SECONDS["crun", "detect_id"], lambda: box.crun("POST", "job/CreateTask", body).json()["code"] == 200


def a_face_link_of_crun(box):
    link = crun_detection(box)["faces"][0]["link"]
    ended = task_of(box, "crun", "detection")["ends_at"]
    return ended + SECONDS["crun", "face_links"], lambda: fetched(link)


def a_result_of_crun(box):
    task = box.swapped()
    box.advance(until="idle")
    (link,) = box.info(task)["result"]["media_urls"]
    return task_of(box, "crun", "task")["ends_at"] + SECONDS["crun", "media_urls"], lambda: fetched(link)


def a_result_link_before_its_end(box):
    """A link follows from the task, so the same task of an equal sandbox tells it before it leads anywhere."""
    twin = box.admin.sandbox(seed=box.document["seed"], clock="frozen")
    for one in (twin, box):
        task = one.swapped()
    twin.advance(until="idle")
    (link,) = twin.info(task)["result"]["media_urls"]
    twin.ok("DELETE")
    box.info(task)
    return task_of(box, "crun", "task")["ends_at"], lambda: box.info(task)["status"] == "success" and fetched(link)


def a_start_of_a_task(box):
    task = box.swapped()
    return task_of(box, "crun", "task")["starts_at"], lambda: box.info(task)["status"] != "pending"


def img_open(box):
    keys = box.document["credentials"]["imgopen"]
    return ImgOpenClient(box.base_url, ManualTime(0.0), keys["key"], keys["secret"])


def a_face_link_of_img_open(box):
    (link,) = img_open(box).detect(PHOTO)["faceUrls"]
    ended = task_of(box, "imgopen", "detection")["ends_at"]
    return ended + SECONDS["imgopen", "face_links"], lambda: fetched(link)


def a_result_of_img_open(box):
    client = img_open(box)
    made = client.fuse([PICTURE], PHOTO)
    box.advance(until="idle")
    link = client.query("face/fusion", made["taskId"])["outputImageUrl"]
    (ended,) = [task["ends_at"] for task in box.ok("GET", "/tasks")["tasks"]]
    return ended + SECONDS["imgopen", "media_urls"], lambda: fetched(link)


def upload(box):
    return data(box.crun("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"}))


def put(made, content=b"x"):
    return requests.put(made["presigned_url"], data=content, headers={"Content-Type": "image/png"}, timeout=10)


def an_upload_link(box):
    now = box.ok("GET", "/clock")["now"]
    made = upload(box)
    return now + SECONDS["crun", "upload_link"], lambda: put(made).status_code == 200


def an_uploaded_file(box):
    now = box.ok("GET", "/clock")["now"]
    made = upload(box)
    assert put(made).status_code == 200
    return now + SECONDS["crun", "uploaded_file"], lambda: fetched(made["file_url"])


def a_rate_window(box):
    box.ok("PATCH", "", {"rate_limit": {"calls": 2, "seconds": 10}})
    now = box.ok("GET", "/clock")["now"]
    assert [box.crun("GET", "account/balance").json()["code"] for _ in range(3)] == [200, 200, 429]
    return now + 10.0, lambda: box.crun("GET", "account/balance").json()["code"] == 200


def a_window_of_a_fault(box):
    box.ok("POST", "/faults", {"effect": {"rate_limit": {"calls": 1, "seconds": 10}}})
    now = box.ok("GET", "/clock")["now"]
    assert [box.crun("GET", "account/balance").json()["code"] for _ in range(2)] == [200, 429]
    return now + 10.0, lambda: box.crun("GET", "account/balance").json()["code"] == 200


def test_the_rows_name_every_lifetime_of_the_contracts():
    found = {(name, row) for name in ("crun", "imgopen") for row in load(name).behaviour.lifetimes}
    assert found == set(SECONDS)


#: What is asked just before, at and just after the edge is true or false.
WINDOWS = (
    (a_detect_id, (True, False, False)),
    (a_face_link_of_crun, (True, False, False)),
    (a_result_of_crun, (True, False, False)),
    (a_face_link_of_img_open, (True, False, False)),
    (a_result_of_img_open, (True, False, False)),
    (a_result_link_before_its_end, (False, True, True)),
    (a_start_of_a_task, (False, True, True)),
    (an_upload_link, (True, False, False)),
    (an_uploaded_file, (True, False, False)),
    (a_rate_window, (False, True, True)),
    (a_window_of_a_fault, (False, True, True)),
)


@pytest.mark.parametrize("side", [-1, 0, 1], ids=("before", "at", "after"))
@pytest.mark.parametrize(("arrange", "expected"), WINDOWS, ids=[row[0].__name__ for row in WINDOWS])
def test_windows(box, arrange, expected, side):
    edge, ask = arrange(box)
    box.advance(to=edge + side * NEAR)
    assert ask() is expected[side + 1]


@pytest.mark.parametrize("side", [-1, 0, 1], ids=("before", "at", "after"))
def test_the_end_of_a_sandbox(admin, time, side):
    made = admin.ok("POST", "/sandboxes", {"ttl": 60})
    time.advance(60 + side * NEAR)
    assert (made["id"] in [row["id"] for row in admin.ok("GET", "/sandboxes")["sandboxes"]]) is (side < 0)


@pytest.mark.parametrize("side", [-1, 0, 1], ids=("before", "at", "after"))
@pytest.mark.parametrize("retry", [0, 1, 2])
def test_the_times_of_retries(box, retry, side):
    with Receiver(refuse_first(9)) as receiver:
        box.swapped(callback_url=receiver.url())
        ended = task_of(box, "crun", "task")["ends_at"]
        box.advance(to=ended)
        assert len(receiver.got) == 1
        waits = box.ok("GET", "/deliveries")["deliveries"][0]["waits"]
        box.advance(to=ended + sum(waits[: retry + 1]) + side * NEAR)
        assert len(receiver.got) == 1 + retry + (side >= 0)


# --- limits: what one less, exactly as many, and one more come to

#: The bytes that a sandbox counts for one swap.
TASK_BYTES = len(json.dumps({"model": "image-face-swap", "input": SWAP}))


def tasks_taken(box, count):
    return [box.swap().json()["code"] == 200 for _ in range(count)]


@pytest.mark.parametrize("settings", [{"max_tasks": 2}], indirect=True)
def test_max_tasks(box):
    assert tasks_taken(box, 4) == [True, True, False, False]


@pytest.mark.parametrize(
    ("settings", "taken"),
    [
        ({"max_tasks_bytes": 2 * TASK_BYTES - 1}, 1),
        ({"max_tasks_bytes": 2 * TASK_BYTES}, 2),
        ({"max_tasks_bytes": 2 * TASK_BYTES + 1}, 2),
    ],
    indirect=["settings"],
)
def test_max_tasks_bytes(box, taken):
    assert sum(tasks_taken(box, 3)) == taken


@pytest.mark.parametrize("settings", [{"max_files": 2}], indirect=True)
def test_max_files(box):
    codes = [
        box.crun("GET", "files/upload-url", params={"content_type": "image/png", "ext": ".png"}).json()["code"]
        for _ in range(3)
    ]
    assert codes == [200, 200, 429]


@pytest.mark.parametrize("settings", [{"max_files_bytes": 1000}], indirect=True)
@pytest.mark.parametrize(("size", "status"), [(399, 200), (400, 200), (401, 403)])
def test_max_files_bytes(box, size, status):
    assert put(upload(box), b"x" * 600).status_code == 200
    assert put(upload(box), b"x" * size).status_code == status


@pytest.mark.parametrize("settings", [{"max_upload": 1000}], indirect=True)
@pytest.mark.parametrize(("size", "status"), [(999, 200), (1000, 200), (1001, 400)])
def test_max_upload(box, size, status):
    assert put(upload(box), b"x" * size).status_code == status


@pytest.mark.parametrize("settings", [{"max_body": 2000}], indirect=True)
@pytest.mark.parametrize(("size", "status"), [(1999, 200), (2000, 200), (2001, 413)])
def test_max_body(box, size, status):
    body = b'{"model":"image-face-swap","input":{"image_url":"https://a.example/1.png","new_face":"https://a.example/2.png"}'
    padded = body + b" " * (size - len(body) - 1) + b"}"
    headers = {**box.headers(), "content-type": "application/json"}
    url = f"{box.base_url}/api/v1/client/job/CreateTask"
    assert requests.post(url, data=padded, headers=headers, timeout=10).status_code == status


@pytest.mark.parametrize("settings", [{"max_sandboxes": 5}], indirect=True)
def test_max_sandboxes(admin):
    standing = len(admin.ok("GET", "/sandboxes")["sandboxes"])
    statuses = [admin.call("POST", "/sandboxes").status_code for _ in range(5 - standing + 2)]
    assert statuses == [201] * (5 - standing) + [409, 409]


@pytest.mark.parametrize("settings", [{"journal_size": 3}], indirect=True)
@pytest.mark.parametrize(("count", "held"), [(2, 2), (3, 3), (4, 3)])
def test_journal_size(box, count, held):
    for _ in range(count):
        box.crun("GET", "account/balance")
    page = box.ok("GET", "/journal")
    assert (page["total"], page["dropped"]) == (held, count - held)


@pytest.mark.parametrize(
    ("limit", "path", "body"),
    [
        ("faults.MAX_RULES", "/faults", {"effect": {"code": 500}}),
        ("scenario_queue.MAX_QUEUED", "/scenarios", {"scenario": "fails"}),
        ("ledger.MAX_MANUAL_ENTRIES", "/ledger/grant", {"amount": 1}),
    ],
)
def test_bounds_of_the_admin_api(box, monkeypatch, limit, path, body):
    monkeypatch.setattr(f"swapmock.mock_server.admin.{limit}", 2)
    statuses = [box.admin.call("POST", box.path + path, body).status_code for _ in range(4)]
    assert [status < 300 for status in statuses] == [True, True, False, False]
    assert set(statuses[2:]) == {409}


@pytest.mark.parametrize(("size", "code"), [(49, 200), (50, 200), (51, 422)])
def test_page_size(box, size, code):
    paths = {
        operation.path.removeprefix("/api/v1/client/")
        for operation in load("crun").operations.values()
        if "page_size" in {parameter["name"] for parameter in operation.parameters}
    }
    codes = {path: box.crun("GET", path, params={"page_size": size}).json()["code"] for path in paths}
    assert codes == dict.fromkeys(paths, code)
    assert codes
