"""Why: one causal chain behind a request, a task, a delivery; the same as a Mermaid sequence; the exchanges as HAR."""

import json
import re
from datetime import datetime

import pytest
import requests
from jsonschema import Draft202012Validator

from tests.control import CRUN, PICTURE


def last(box):
    """The explanation of the newest request."""
    row = box.ok("GET", "/requests")["requests"][-1]
    return box.ok("GET", f"/why/{row['id']}")


def test_a_misspelt_field(box):
    box.crun("POST", "job/detect-face-image", {"imageUrl": PICTURE})
    why = last(box)
    assert why["subject"] == {"type": "request", "id": "x1"}
    assert why["operation"]["id"] == "detect_face_image"
    (violation,) = [v for v in why["violations"] if v["rule"] == "required"]
    assert violation["detail"] == "`image_url` is missing; you sent `imageUrl`"
    assert (violation["pointer"], violation["nearest"]) == ("/image_url", "imageUrl")
    assert "`image_url` is missing; you sent `imageUrl`" in why["summary"]
    assert "`image_url` is missing; you sent `imageUrl`" in [event["text"] for event in why["chain"]]


def test_a_misspelt_field_of_the_other_vendor(box):
    box.imgopen("tool/face/detection", {"image_url": PICTURE, "businessTaskId": "1"})
    assert "`imageUrl` is missing; you sent `image_url`" in last(box)["summary"]


def test_a_misspelt_field_deep_inside(box):
    box.crun(
        "POST", "job/CreateTask", {"model": "image-face-swap", "input": {"image_url": PICTURE, "newFace": PICTURE}}
    )
    assert "`new_face` is missing; you sent `newFace`" in last(box)["summary"]


def test_a_misspelt_parameter(box):
    box.crun("GET", "job/TaskInfo", params={"taskId": "1"})
    assert "`task_id` is missing; you sent `taskId`" in last(box)["summary"]


def test_a_value_of_the_wrong_kind(box):
    box.crun("POST", "job/detect-face-image", {"image_url": 5})
    (violation,) = last(box)["violations"]
    assert (violation["rule"], violation["expected"], violation["got"]) == ("type", "string", 5)


def test_an_unknown_model(box):
    box.crun("POST", "job/CreateTask", {"model": "image-face-swop", "input": {}})
    why = last(box)
    assert why["violations"][0]["nearest"] == "image-face-swap"
    assert "image-face-swop" in why["summary"]


def test_an_unmatched_path(box):
    box.crun("POST", "job/CreateTsk", {})
    why = last(box)
    assert why["operation"] is None
    assert why["nearest_operation"] == f"POST {CRUN}job/CreateTask"
    box.crun("GET", "job/CreateTask")
    assert last(box)["nearest_operation"] == f"POST {CRUN}job/CreateTask"


def test_a_wrong_secret(box):
    box.imgopen(
        "tool/face/detection",
        {"imageUrl": PICTURE, "businessTaskId": "1"},
        headers={"X-Request-req-accessKeySecret": "wrong"},
    )
    why = last(box)
    assert why["credential"]["problem"] == "secret_wrong"
    assert why["credential"]["belongs_to"] == box.id
    assert "accessKeySecret is wrong" in why["summary"]


def test_a_fault_that_was_applied(box):
    box.ok("POST", "/faults", {"id": "flaky", "effect": {"code": 455}})
    box.swap()
    why = last(box)
    assert why["fault"] == "flaky"
    assert "fault flaky was applied" in [event["text"] for event in why["chain"]]
    assert why["ledger"] == []


def test_a_request_that_made_a_task(box):
    task = box.swapped("https://errors.invalid/fails")
    box.advance(until="idle")
    why = box.ok("GET", "/why/x1")
    assert why["scenario"] == "fails"
    assert why["task"]["id"] == task
    assert why["state"]["before"]["balance"] == {"available": 1000, "reserved": 0, "spent": 0}
    assert why["state"]["after"]["balance"] == {"available": 997, "reserved": 3, "spent": 0}
    assert (why["state"]["before"]["task"], why["state"]["after"]["task"]) == (None, "queued")
    assert [entry["move"] for entry in why["ledger"]] == ["reserve", "release"]


@pytest.fixture
def told(box):
    """A task with a callback that nobody took."""
    box.ok("POST", "/scenarios", {"scenario": "fails", "message": "semi;colon #1"})
    task = box.swapped(callback_url="http://127.0.0.1:9/hook")
    box.advance(until="idle")
    return task


@pytest.mark.parametrize("prefix", ["", "task/"])
def test_a_task(box, told, prefix):
    why = box.ok("GET", f"/why/{prefix}{told}")
    assert why["subject"] == {"type": "task", "id": told}
    assert "semi;colon #1" in why["summary"]
    assert [event["what"] for event in why["chain"]] == [
        "request", "step", "ledger", "answer", "transition", "transition", "ledger", *["delivery"] * 4,
    ]  # fmt: skip
    assert [event["at"] for event in why["chain"]] == sorted(event["at"] for event in why["chain"])
    assert {event.get("cause", "x1") for event in why["chain"]} == {"x1"}
    assert len(why["deliveries"][0]["attempts"]) == 4


@pytest.mark.parametrize("prefix", ["", "delivery/"])
def test_a_delivery(box, told, prefix):
    why = box.ok("GET", f"/why/{prefix}d1")
    assert why["subject"] == {"type": "delivery", "id": "d1"}
    assert "dead after 4 attempt(s): the connection was refused" in why["summary"]
    assert why["task"]["id"] == told


@pytest.mark.parametrize(
    ("scenario", "summary"),
    [
        ("callback_never", "is withheld after 0 attempt(s): no attempt was made (callback fault: never)"),
        ("callback_late", "is pending after 0 attempt(s): no attempt was made (callback fault: late); next due at"),
    ],
)
def test_a_delivery_with_a_callback_fault(box, scenario, summary):
    box.ok("POST", "/scenarios", {"scenario": scenario})
    box.swapped(callback_url="http://127.0.0.1:9/")
    box.advance(by="60s")
    assert summary in box.ok("GET", "/why/d1")["summary"]


def test_nobody(box):
    for subject in ("nobody", "x99", "task/x", "request/none"):
        box.refused(404, "GET", f"/why/{subject}")
    assert box.pointers("GET", "/why/x1", format="tea") == ["/query/format"]


ARROW = re.compile(r"    (C->>S|S-->>C|S->>R): [^#;\n]*(?:#\d+;[^#;\n]*)*")
NOTE = re.compile(r"    Note over S: [^#;\n]*(?:#\d+;[^#;\n]*)*")


def test_mermaid(box, told):
    box.crun("GET", "job/TaskInfo;x#y", params={"a": "b;c#d\n"})
    for subject in (told, "d1", "x1", "x2"):
        answer = box.admin.call("GET", f"{box.path}/why/{subject}", format="mermaid")
        assert answer.headers["content-type"].startswith("text/plain")
        lines = answer.text.splitlines()
        assert lines[0] == "sequenceDiagram"
        assert lines[1:4] == [f"    participant {name}" for name in ("C as client", "S as swapmock", "R as receiver")]
        assert len(lines) > 4
        for line in lines[4:]:
            assert ARROW.fullmatch(line) or NOTE.fullmatch(line), line
        assert box.ok("GET", f"/why/{subject}")["mermaid"] == answer.text


PAIR = {
    "type": "object",
    "required": ["name", "value"],
    "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
}
PAIRS = {"type": "array", "items": PAIR}
COUNT = {"type": "integer", "minimum": -1}
MESSAGE = {
    "httpVersion": {"type": "string"},
    "cookies": PAIRS,
    "headers": PAIRS,
    "headersSize": COUNT,
    "bodySize": COUNT,
}

#: HAR 1.2, as http://www.softwareishard.com/blog/har-12-spec/ demands it.
HAR = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {
                    "type": "object",
                    "required": ["name", "version"],
                    "properties": {"name": {"type": "string"}, "version": {"type": "string"}},
                },
                "comment": {"type": "string"},
                "entries": {"type": "array", "items": {"$ref": "#/$defs/entry"}},
            },
        }
    },
    "$defs": {
        "entry": {
            "type": "object",
            "required": ["startedDateTime", "time", "request", "response", "cache", "timings"],
            "properties": {
                "startedDateTime": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"},
                "time": {"type": "number", "minimum": 0},
                "cache": {"type": "object"},
                "timings": {
                    "type": "object",
                    "required": ["send", "wait", "receive"],
                    "additionalProperties": {"type": ["number", "string"], "minimum": -1},
                },
                "request": {
                    "type": "object",
                    "required": ["method", "url", "queryString", *MESSAGE],
                    "properties": {
                        **MESSAGE,
                        "method": {"type": "string"},
                        "url": {"type": "string", "pattern": r"^https?://[!-~]+$"},
                        "queryString": PAIRS,
                        "postData": {
                            "type": "object",
                            "required": ["mimeType"],
                            "properties": {"mimeType": {"type": "string"}, "text": {"type": "string"}},
                        },
                    },
                },
                "response": {
                    "type": "object",
                    "required": ["status", "statusText", "content", "redirectURL", *MESSAGE],
                    "properties": {
                        **MESSAGE,
                        "status": {"type": "integer"},
                        "statusText": {"type": "string"},
                        "redirectURL": {"type": "string"},
                        "content": {
                            "type": "object",
                            "required": ["size", "mimeType"],
                            "properties": {"size": COUNT, "mimeType": {"type": "string"}, "text": {"type": "string"}},
                        },
                    },
                },
            },
        }
    },
}


def test_har(box):
    box.crun("POST", "job/CreateTask", {"model": "z-image", "input": {"prompt": "Möwe"}})
    box.crun("GET", "job/TaskInfo", params={"task_id": "é ü", "x": ""})
    box.crun("GET", "Models/google/näno banana")
    requests.post(f"{box.base_url}{CRUN}job/CreateTask", data=b"\xff\x00", headers=box.headers(), timeout=10)
    box.ok("POST", "/faults", {"effect": {"connection": "hang_up"}, "times": 1})
    with pytest.raises(requests.ConnectionError):
        box.swap()
    box.ok("POST", "/faults", {"effect": {"delay": 0.05}, "times": 1})
    box.swap()
    document = box.ok("GET", "/har")
    Draft202012Validator.check_schema(HAR)
    assert [error.message for error in Draft202012Validator(HAR).iter_errors(document)] == []
    entries = document["log"]["entries"]
    assert [entry["response"]["status"] for entry in entries] == [200, 404, 404, 422, 0, 200]
    assert entries[5]["time"] == 50
    assert entries[0]["comment"].startswith("x1, operation create_task, task ")
    assert {"name": "task_id", "value": "é ü"} in entries[1]["request"]["queryString"]
    assert json.loads(entries[0]["request"]["postData"]["text"])["input"]["prompt"] == "Möwe"
    started = datetime.fromisoformat(entries[0]["startedDateTime"])
    assert started.timestamp() == box.document["clock"]["now"]
    assert len(box.ok("GET", "/har", operation="create_task", limit=2)["log"]["entries"]) == 2


def test_the_schema_of_the_test_can_fail(box):
    box.swapped()
    for removed in ("version", "entries"):
        document = box.ok("GET", "/har")
        del document["log"][removed]
        assert not Draft202012Validator(HAR).is_valid(document)
    document = box.ok("GET", "/har")
    del document["log"]["entries"][0]["response"]["content"]
    assert not Draft202012Validator(HAR).is_valid(document)
