"""Effects of fault rules on what goes over the wire: values set in an answer, other bodies, gateways, answers that break off."""

import base64
import http.client
import socket
from urllib.parse import urlsplit

import pytest
import requests

from tests.admin.test_faults import detect


def rule(box, effect, **more):
    return box.ok("POST", "/faults", {"effect": effect, **more})


def over_a_socket(box, path="/api/v1/client/account/balance"):
    """Every byte that comes in answer to a GET."""
    place = urlsplit(box.base_url)
    with socket.create_connection((place.hostname, place.port), timeout=10) as client:
        key = box.headers()["x-api-key"]
        head = f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nx-api-key: {key}\r\n\r\n"
        client.sendall(head.encode())
        found = b""
        while chunk := client.recv(65536):
            found += chunk
        return found


def test_a_status_word_that_nobody_knows(box):
    task = box.swap().json()["data"]["task_id"]
    rule(box, {"set": {"/data/status": "aborted", "/data/result": None}}, match={"operation": "get_task_info"})
    found = box.crun("GET", f"job/TaskInfo?task_id={task}").json()
    assert (found["code"], found["data"]["status"], found["data"]["task_id"]) == (200, "aborted", task)


@pytest.mark.parametrize(
    ("set_", "place", "expected"),
    [
        ({"/data/new": 1}, "new", 1),
        ({"/data/deep/er/still": True}, "deep", {"er": {"still": True}}),
        ({"/data/a~1b~0": "x"}, "a/b~", "x"),
        ({"/data/balance/inside": 1}, "balance", 1000),
    ],
)
def test_values_at_any_place(box, set_, place, expected):
    rule(box, {"set": set_})
    assert box.crun("GET", "account/balance").json()["data"][place] == expected


def test_the_whole_answer_may_be_set(box):
    rule(box, {"set": {"": ["nothing"]}})
    assert box.crun("GET", "account/balance").json() == ["nothing"]


def test_extra_fields_replace_nothing(box):
    task = box.swap().json()["data"]["task_id"]
    rule(box, {"extra_fields": {"data": {"status": "aborted", "x": 1}, "code": 7, "y": 2}})
    found = box.crun("GET", f"job/TaskInfo?task_id={task}").json()
    assert (found["code"], found["y"], found["data"]["x"]) == (200, 2, 1)
    assert found["data"]["status"] != "aborted"
    assert found["data"]["task_id"] == task


def test_a_raw_body(box):
    rule(box, {"raw": "<html>", "status": 502})
    found = box.crun("GET", "account/balance")
    assert (found.status_code, found.text, found.headers["content-type"]) == (502, "<html>", "text/html; charset=utf-8")


def test_a_raw_body_of_bytes(box):
    rule(box, {"raw": {"base64": base64.b64encode(b"\x00\xff").decode(), "content_type": "image/png"}})
    found = box.crun("GET", "account/balance")
    assert (found.status_code, found.content, found.headers["content-type"]) == (200, b"\x00\xff", "image/png")


@pytest.mark.parametrize(("status", "expected"), [({}, 302), ({"status": 307}, 307)])
def test_a_redirect(box, status, expected):
    rule(box, {"redirect": "https://elsewhere.example/x?a=b", **status})
    found = box.crun("GET", "account/balance", allow_redirects=False)
    assert (found.status_code, found.headers["location"], found.content) == (
        expected,
        "https://elsewhere.example/x?a=b",
        b"",
    )


@pytest.mark.parametrize("status", [502, 503, 504, 520, 522, 524])
@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_the_gateway_in_front_fails(box, provider, status):
    rule(box, {"gateway": status})
    found = detect(box, provider)
    assert (found.status_code, found.text.count(f">{status}")) == (status, 2)
    assert found.headers["content-type"] == "text/html; charset=UTF-8"
    assert box.ok("GET", "/tasks")["total"] == 0
    row = box.ok("GET", "/requests")["requests"][0]
    assert (row["status"], row["fault"]) == (status, "fault-1")


def test_behind_the_gateway_the_task_may_have_been_made(box):
    rule(box, {"gateway": 524}, moment="after")
    assert box.swap().status_code == 524
    assert box.ok("GET", "/tasks")["total"] == 1


def test_truncated_breaks_off_under_the_full_length(box):
    whole = box.crun("GET", "account/balance").content
    rule(box, {"body": "truncated"})
    head, _, body = over_a_socket(box).partition(b"\r\n\r\n")
    assert f"content-length: {len(whole)}".encode() in head.lower()
    assert body == whole[: len(whole) // 2]


def test_cut_has_the_length_of_what_comes(box):
    rule(box, {"body": "cut"})
    found = box.crun("GET", "account/balance")
    assert int(found.headers["content-length"]) == len(found.content) > 0


def test_garbage_is_no_http(box):
    rule(box, {"connection": "garbage"})
    with pytest.raises((requests.ConnectionError, http.client.BadStatusLine)):
        box.crun("GET", "account/balance")
    assert len(over_a_socket(box)) > 100
    assert not over_a_socket(box).startswith(b"HTTP")
    assert box.ok("GET", "/requests")["requests"][0]["status"] == 0


def test_by_path(box):
    rule(box, {"gateway": 502}, match={"path": {"contains": "balance"}})
    assert box.crun("GET", "account/balance").status_code == 502
    assert detect(box, "crun").status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"effect": {"raw": {"base64": "===="}}}, "/effect/raw/base64"),
        ({"effect": {"gateway": 500}}, "/effect/gateway"),
        ({"effect": {"redirect": "with space"}}, "/effect/redirect"),
        ({"effect": {"set": {"data": 1}}}, "/effect/set"),
        ({"effect": {"set": {}}}, "/effect"),
        ({"effect": {"gateway": 502}, "match": {"path": {"matches": "(a+)+$("}}}, "/match/path"),
    ],
)
def test_what_is_wrong_is_told(box, body, pointer):
    assert box.pointers("POST", "/faults", body)[0].startswith(pointer)


def test_all_of_it_survives_snapshot_and_restore(box, admin):
    effects = [
        {"set": {"/a": [1, {"b": None}]}},
        {"raw": "x"},
        {"redirect": "https://a.example/"},
        {"gateway": 520},
        {"connection": "garbage"},
    ]
    for effect in effects:
        rule(box, effect, match={"path": {"contains": "nowhere"}})
    before = box.ok("GET", "/faults")
    other = admin.sandbox()
    other.ok("POST", "/restore", box.ok("GET", "/snapshot"))
    assert other.ok("GET", "/faults") == before
