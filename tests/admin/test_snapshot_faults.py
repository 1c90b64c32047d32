"""A snapshot that was changed in one place: it is refused with that place, or it holds together and works.

The changes are made systematically: each record, field and key is dropped, each reference is changed, each number is moved.
"""

import copy
import re
from collections import Counter
from itertools import islice

import pytest
import requests

from tests.admin.snapshot_machine import answer_callback
from tests.control import Box
from tests.receivers import Receiver

PHOTO = "https://faces.invalid/2.png"


@pytest.fixture
def receiver():
    with Receiver(answer_callback) as made:
        yield made


@pytest.fixture
def full(box, receiver) -> Box:
    """A sandbox with tasks in every phase, callbacks of every kind, and something of everything else."""
    ok, bad = receiver.url("/ok"), receiver.url("/bad")
    box.ok("PATCH", "", {"rate_limit": {"calls": 99, "seconds": 9}, "variants": {"crun": {"callback_events": "all"}}})
    box.crun("POST", "job/detect-face-image", {"image_url": PHOTO})
    box.swapped("https://errors.invalid/callback_forged", callback_url=ok)
    box.swapped("https://errors.invalid/fails", callback_url=bad)
    fusion = {"sourceUrl": ["https://errors.invalid/callback_duplicate"], "targetUrl": PHOTO, "businessTaskId": "f1"}
    box.imgopen("tool/face/fusion", {**fusion, "callbackUrl": ok})
    box.imgopen("tool/face/detection", {"imageUrl": PHOTO, "businessTaskId": "own/1"})
    box.advance(by="60s")
    for task in box.ok("GET", "/tasks")["tasks"]:
        if task["kind"] == "task":
            box.info(task["id"])
        elif task["provider"] == "crun":
            box.crun("GET", "job/detect-face-result", params={"detect_task_id": task["id"]})
    finished = box.ok("GET", "/tasks")["tasks"][1]["id"]
    box.ok("POST", "/ledger/refund", {"task": finished, "amount": 0.5})
    link = box.crun("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"}).json()["data"]
    requests.put(link["presigned_url"], data=b"\x89PNG", headers={"content-type": "image/png"}, timeout=10)
    box.ok("POST", "/faults", {"effect": {"code": 429}, "match": {"operation": "get_account_balance", "nth": 2}})
    box.crun("GET", "account/balance")
    box.ok("POST", "/scenarios", {"scenario": "fails", "code": 501, "provider": "crun", "model": "z-image"})
    box.swapped(callback_url=bad)
    box.advance(by="2s")
    box.swapped("https://errors.invalid/stuck")
    box.imgopen("tool/roop", {"sourceUrl": PHOTO, "targetUrl": PHOTO, "businessTaskId": "r1"})
    return box


def values(value, place=()):
    """Every value of a document with its place, containers before what they hold."""
    if place:
        yield place, value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from values(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from values(item, (*place, index))


def changed(document, place, value):
    """A copy with `value` at `place`; without it for DROP."""
    made = copy.deepcopy(document)
    here = made
    for step in place[:-1]:
        here = here[step]
    if value is DROP:
        del here[place[-1]]
    else:
        here[place[-1]] = value
    return made


DROP = object()

#: Ids and other names that lead from one record to another.
REFERENCE = re.compile(r"[xdq]\d+|[0-9a-f-]{36}(\.png)?|d[0-9a-z]{17}|pre\d{22}|[0-9a-f]{20}|[A-Za-z0-9]{11}")

#: Whose order is part of the state.
LISTS = ("entries", "due", "deliveries", "journal", "queue", "tokens", "attempts", "waits")


def kind_of(place):
    """A place without its indexes and ids: `/state/tasks/*/kind`."""
    steps = ("*" if isinstance(step, int) or REFERENCE.fullmatch(step) else step for step in place)
    return "/" + "/".join(steps)


def mutations(document, most):
    """`(what, place, changed document)` for every systematic change, at most `most` of each kind of place."""
    seen: Counter[tuple[str, str]] = Counter()
    for what, place, value in every_mutation(document):
        seen[what, kind_of(place)] += 1
        if seen[what, kind_of(place)] <= most:
            yield what, place, changed(document, place, value)


def every_mutation(document):
    """`(what, place, value to put there)`."""
    names = sorted({v for _, v in values(document["state"]) if isinstance(v, str) and REFERENCE.fullmatch(v)})
    for place, value in values(document):
        if place[0] == "version" or "body" in place or "answer" in place:
            continue
        yield "drop", place, DROP
        if isinstance(value, bool) or value is None:
            continue
        if isinstance(value, int | float):
            for other in (value + 1, value - 1, -1, 0):
                if other != value:
                    yield "number", place, other
        elif isinstance(value, str) and REFERENCE.fullmatch(value):
            kin = [name for name in names if name != value and len(name) == len(value)]
            for stranger in (*kin[:1], *kin[-1:], "nobody"):
                yield "reference", place, stranger
        elif isinstance(value, list) and place[-1] in LISTS and value:
            yield "twice", place, [*value, value[-1]]
            if len(value) > 1:
                yield "order", place, value[::-1]


#: What may differ, for nothing else in the document follows from it: kind of change, kind of place, and why.
FREE = [
    ("number", r"/sandbox/(created_at|start|grant|rate_limit/\w+)", "settings of the sandbox"),
    ("number", r"/state/(recorded|scheduled)", "counts that may be higher"),
    ("number|drop", r"/state/numbers/[\w ]+", "a higher number; ids that are taken are passed over"),
    ("number|drop|order", r"/state/(queue|rates)/.*", "what waits for the next calls"),
    ("number|drop", r"/state/turns/.*", "how often a fault rule matched"),
    ("number", r"/state/faults/.*", "what a fault rule does"),
    ("number", r"/state/entries/\*/(at|amount)", "when and how much was granted"),
    ("number", r"/state/deliveries/\*/claim", "how often the delivery was claimed"),
    ("number|reference", r"/state/files/\*/(cause|expires_at|link_expires_at|stored_at)", "when a file expires"),
    ("drop", r"/state/journal/\*", "the journal is a log, and bounded"),
    (
        "number|drop|reference",
        r"/state/journal/\*/(at|code|status|delay|task|headers/.*|answer_headers/.*|transfer/.*)",
        "a log, too",
    ),
    ("number", r"/sandbox/variants/(crun|imgopen)/expired_media", "another choice of a variant"),
    ("number", r"/state/tasks/\*/(created_at|failure/code)", "no other record says it"),
    ("number|drop", r"/state/tasks/\*/facts/.*", "which faces a result shows"),
]


def is_free(what, place):
    return any(re.fullmatch(kinds, what) and re.fullmatch(pattern, kind_of(place)) for kinds, pattern, _ in FREE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("step", [6, pytest.param(1, marks=pytest.mark.long)])
def test_every_change_is_refused_with_its_place_or_works(full, admin, step):
    """Each change, or every sixth of them."""
    saved = full.ok("GET", "/snapshot")
    target = admin.sandbox(clock="frozen")
    before = target.ok("GET", "/snapshot")
    count = 0
    for what, place, document in islice(mutations(saved, most=1), 0, None, step):
        count += 1
        pointer = "".join(f"/{step}" for step in place)
        answer = admin.call("POST", f"{target.path}/restore", document)
        assert answer.status_code in (200, 400), (what, pointer, answer.text)
        if answer.status_code == 200:
            assert is_free(what, place), (what, pointer)
            assert works(target, document), (what, pointer)
            admin.ok("POST", f"{target.path}/restore", before)
            continue
        assert all(error["pointer"].startswith("/") for error in answer.json()["errors"]), (what, pointer)
    assert count > 300 // step
    assert target.ok("GET", "/snapshot") == before


def works(box, document) -> bool:
    """Whether an accepted snapshot is held as it came, can be read in every way, and runs to its end."""
    held = box.ok("GET", "/snapshot")
    for name in ("clock", "state", "files"):
        assert held[name] == document.get(name, {}), name
    for path in ("", "/tasks", "/journal", "/deliveries", "/faults", "/scenarios", "/har", "/clock"):
        box.ok("GET", path)
    for record in box.ok("GET", "/requests")["requests"]:
        box.ok("GET", f"/why/{record['id']}")
    box.ok("PATCH", "", {"rate_limit": None})
    box.ok("DELETE", "/faults")
    box.advance(until="idle")
    ledger = box.ok("GET", "/ledger", proof=1)
    tasks = box.ok("GET", "/tasks")["tasks"]
    for task in tasks:
        assert box.info(task["id"]) is None or task["kind"] == "task"
    made = box.swap(PHOTO).json()
    return bool(ledger["proof"]["holds"]) and made["code"] in (200, 402)
