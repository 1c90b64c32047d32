"""Snapshots: taken, restored, copied, restored on another server, and refused if they were changed."""

import copy
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from swapmock.contracts import load
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.control import PICTURE, Admin, Box
from tests.stories.imgopen_jobs import job

NOWHERE = "http://127.0.0.1:9/?token=hidden"


@pytest.fixture
def rich(box) -> Box:
    """A sandbox that holds something of every kind."""
    box.ok("PATCH", "", {"variants": {"crun": {"callback_ladder": "short"}}, "rate_limit": {"calls": 99, "seconds": 9}})
    box.swapped("https://errors.invalid/fails", callback_url=NOWHERE)
    box.crun("POST", "job/detect-face-image", {"image_url": PICTURE})
    box.advance(by="1h")
    box.info(box.swapped(callback_url=NOWHERE))
    box.advance(by="2s")
    link = box.crun("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"}).json()["data"]
    headers = {"content-type": "image/png"}
    requests.put(link["presigned_url"], data=b"\x89PNG", headers=headers, timeout=10).raise_for_status()
    body = {"imageUrl": PICTURE, "businessTaskId": "own/1"}
    box.imgopen("tool/face/detection", body)
    box.imgopen(
        "tool/face/fusion",
        {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "o", "callbackUrl": NOWHERE},
    )
    box.ok("POST", "/faults", {"match": {"body": {"$.model": {"matches": "^z"}}}, "effect": {"delay": [0, 0.01]}})
    box.ok(
        "POST",
        "/faults",
        {"effect": {"code": 429, "retry_after": {"seconds": 3, "form": "date"}}, "match": {"model": "m"}},
    )
    box.ok("POST", "/faults", {"effect": {"rate_limit": {"calls": 50, "seconds": 5}}, "match": {"provider": "crun"}})
    box.crun("GET", "account/balance")
    box.ok("POST", "/scenarios", {"scenario": "fails", "code": 501, "text": "no"})
    box.crun("POST", "job/CreateTask", {"model": "z-image", "inputs": {}})
    return box


def everything(box):
    """All that can be seen of a sandbox."""
    paths = ("", "/ledger", "/faults", "/scenarios", "/tasks", "/journal", "/deliveries", "/snapshot")
    return {path: box.ok("GET", path) for path in paths}


def test_back_and_forth(rich):
    before = everything(rich)
    assert before[""]["counts"]["due"]
    assert {row["type"] for row in before["/journal"]["records"]} == {"exchange", "transition", "delivery"}
    rich.ok("POST", "/reset")
    rich.swapped()
    rich.advance(by="1d")
    assert everything(rich) != before
    rich.ok("POST", "/restore", before["/snapshot"])
    assert everything(rich) == before


def test_tasks_of_every_kind_are_restored(box):
    for number, tool in enumerate(load("imgopen").tables["tools"]["tools"]):
        path, body = job(tool["operation"], f"job-{number}")
        box.imgopen(path, body).raise_for_status()
    for model in load("crun").tables["models"]["models"]:
        box.crun(
            "POST", "job/CreateTask", {"model": model["name"], "input": {"prompt": "a hat", "img_urls": [PICTURE]}}
        )
    before = everything(box)
    assert before[""]["counts"]["tasks"] > 80
    box.ok("POST", "/restore", before["/snapshot"])
    assert everything(box) == before


def test_life_goes_on_the_same_after_a_restore(rich):
    saved = rich.ok("POST", "/snapshot")
    fired = rich.advance(until="idle")
    after = rich.ok("GET", "/ledger", proof=1)
    rich.ok("POST", "/restore", saved)
    assert rich.advance(until="idle") == fired
    assert rich.ok("GET", "/ledger", proof=1) == after
    assert after["proof"]["holds"]


def test_id_credentials_and_life_stay(admin, rich):
    other = admin.sandbox(ttl=600, clock="real")
    document = other.ok("POST", "/restore", rich.ok("GET", "/snapshot"))
    for name in ("id", "credentials", "expires_at"):
        assert document[name] == other.document[name]
    assert document["clock"] == rich.ok("GET")["clock"]
    assert other.ok("GET", "/tasks") == rich.ok("GET", "/tasks")


def test_a_snapshot_gives_no_credentials_away(rich):
    text = json.dumps(rich.ok("GET", "/snapshot"))
    for provider in ("crun", "imgopen"):
        for secret in rich.headers(provider).values():
            assert secret not in text


def test_why_still_knows_whose_key_it_was(rich):
    before = rich.ok("GET", "/why/x1")["credential"]
    rich.ok("POST", "/restore", rich.ok("GET", "/snapshot"))
    assert rich.ok("GET", "/why/x1")["credential"] == before
    assert before["belongs_to"] == rich.id


def test_fork(admin, rich):
    before = everything(rich)
    made = admin.call("POST", f"{rich.path}/fork", {"id": "copy"})
    assert made.status_code == 201
    twin = Box(admin, made.json())
    assert twin.id == "copy"
    assert twin.headers() != rich.headers()
    assert twin.ok("GET", "/tasks") == before["/tasks"]
    assert twin.document["balance"] == before[""]["balance"]
    assert twin.advance(until="idle")
    twin.ok("DELETE")
    assert everything(rich) == before
    admin.refused(409, "POST", f"{rich.path}/fork", {"id": "default"})
    admin.refused(400, "POST", f"{rich.path}/fork", {"id": "a b"})


def test_links_outlive_the_copies_that_share_them(admin, box):
    task = box.swapped()
    box.advance(until="idle")
    link = box.info(task)["result"]["media_urls"][0]
    twin = Box(admin, box.ok("POST", "/fork"))
    assert twin.info(task)["result"]["media_urls"] == [link]
    content = requests.get(link, timeout=10).content
    twin.ok("DELETE")
    assert requests.get(link, timeout=10).content == content
    box.ok("DELETE")
    assert requests.get(link, timeout=10).status_code == 404


@pytest.fixture
def elsewhere() -> Iterator[Admin]:
    """Another emulator, at another time, with another seed."""
    with LiveServer(build(Settings(seed=99), ManualTime(2_000_000_000.0)).asgi_app) as server:
        yield Admin(server.url)


def test_to_another_server(rich, elsewhere):
    saved = json.loads(json.dumps(rich.ok("GET", "/snapshot")))
    there = elsewhere.sandbox(id=rich.id)
    there.ok("POST", "/restore", saved)
    assert there.headers() != rich.headers()
    copied = there.ok("GET", "/snapshot")
    assert {**copied["sandbox"], "created_at": 0} == {**saved["sandbox"], "created_at": 0}
    assert {**copied, "sandbox": None} == {**saved, "sandbox": None}
    assert there.advance(until="idle") == rich.advance(until="idle")
    task = rich.ok("GET", "/tasks", kind="task", status="success")["tasks"][0]["id"]
    here_link, there_link = (b.info(task)["result"]["media_urls"][0] for b in (rich, there))
    assert here_link.removeprefix(rich.base_url) == there_link.removeprefix(there.base_url)
    assert requests.get(here_link, timeout=10).content == requests.get(there_link, timeout=10).content
    name = next(iter(saved["files"]))
    assert requests.get(f"{there.base_url}/u/{name}", timeout=10).content == b"\x89PNG"


def put(*place):
    """A change of a snapshot: the last of `place` is put where the rest leads; `...` takes the first that is there."""
    *steps, last, value = place

    def change(document):
        here = document
        for step in steps:
            here = here[_first(here) if step is ... else step]
        step = _first(here) if last is ... else last
        if value is DROP:
            del here[step]
        elif isinstance(here, list) and step == len(here):
            here.append(value)
        else:
            here[step] = value(here[step]) if callable(value) else value

    return change


def _first(here):
    return next(iter(here)) if isinstance(here, dict) else 0


DROP = object()

HOSTILE = {
    "no state": put("state", DROP),
    "format": put("swapmock_snapshot", 2),
    "state a list": put("state", []),
    "unknown part": put("state", "colour", 1),
    "clock mode": put("clock", "mode", "warped"),
    "clock beyond time": put("clock", "shown", 1e15),
    "clock before time": put("clock", "shown", -1),
    "clock moved": put("clock", "shown", lambda shown: shown + 1e6),
    "scenario": put("sandbox", "scenario", "perfect"),
    "variant": put("sandbox", "variants", "crun", "bearer", "perhaps"),
    "variants of nobody": put("sandbox", "variants", "acme", {}),
    "rate limit": put("sandbox", "rate_limit", {"calls": -1, "seconds": 0, "retry_after": "soon"}),
    "grant": put("sandbox", "grant", -5),
    "task of nobody": put("state", "tasks", ..., "provider", "acme"),
    "task without operation": put("state", "tasks", ..., "operation", "nothing"),
    "task under another id": put("state", "tasks", ..., "id", "someone"),
    "task without facts": put("state", "tasks", ..., "facts", {}),
    "task with a million faces": put("state", "tasks", ..., "facts", "faces", 1_000_000),
    "task ends before its start": put("state", "tasks", ..., "ends_at", 5.0),
    "task charged too much": put("state", "tasks", ..., "charge", 10**12),
    "task request no base64": put("state", "tasks", ..., "request", "%%%"),
    "task huge number": put("state", "tasks", ..., "created_at", 10**300),
    "task request of another model": put("state", "tasks", ..., "request", "eyJtb2RlbCI6ICJ6LWltYWdlIn0="),
    "task request without its fields": put("state", "tasks", ..., "request", "e30="),
    "task with another callback": put("state", "tasks", ..., "callback_url", "http://127.0.0.1:9/\r\nX: y"),
    "due work of no task": put("state", "due", 0, "subject", "someone"),
    "due work unknown": put("state", "due", 0, "work", "explode"),
    "due work lost": put("state", "due", []),
    "due number": put("state", "due", 0, "number", 10**6),
    "alias of no task": put("state", "aliases", ..., "someone"),
    "token": put("state", "tokens", 0, "someone"),
    "entries lost": put("state", "entries", []),
    "entry of no task": put("state", "entries", 1, "task", "someone"),
    "entry negative": put("state", "entries", 0, "amount", -5),
    "entry too large": put("state", "entries", 1, "amount", 10**12),
    "entry cause": put("state", "entries", 1, "cause", "y"),
    "entry text": put("state", "entries", 0, "amount", "5"),
    "entry true": put("state", "entries", 0, "amount", True),
    "journal of nobody": put("state", "journal", 0, "provider", "acme"),
    "journal operation": put("state", "journal", 0, "operation", "nothing"),
    "journal id": put("state", "journal", 0, "id", "xyz"),
    "journal at": put("state", "journal", 0, "at", 1e14),
    "journal count": put("state", "recorded", 0),
    "journal foreign": put("state", "journal", 0, {"at": 1}),
    "rates": put("state", "rates", "calls", [5.0, 1.0]),
    "numbers": put("state", "numbers", "exchange", -1),
    "file lost": put("files", {}),
    "file unknown": put("files", "../../evil", "AAAA"),
    "file no base64": put("files", ..., "%%%"),
    "file of another size": put("state", "files", ..., "size", 1),
    "fault pattern": put("state", "faults", "fault-1", "match", "body", "$.model", {"matches": "(?=a)b"}),
    "fault path": put("state", "faults", "fault-1", "match", "body", {"$[": 1}),
    "fault effect": put("state", "faults", "fault-1", "effect", "connection", "explode"),
    "fault delay": put("state", "faults", "fault-1", "effect", "delay", [5.0, 1.0]),
    "fault code": put("state", "faults", "fault-2", "effect", "code", 999),
    "turns of no fault": put("state", "turns", "someone", {"matched": 1, "struck": 0}),
    "turns": put("state", "turns", ..., {"matched": 0, "struck": 1}),
    "queue": put("state", "queue", 0, "scenario", "perfect"),
    "delivery of no task": put("state", "deliveries", 0, "task", "someone"),
    "delivery elsewhere": put("state", "deliveries", 0, "host", "example.com:80"),
    "delivery of nobody": put("state", "deliveries", 0, "provider", "acme"),
    "delivery due and over": put("state", "deliveries", 0, "next_due", 1767225600.0),
    "delivery rung": put("state", "deliveries", 0, "rung", 99),
    "delivery twice": lambda document: document["state"]["deliveries"].append(document["state"]["deliveries"][0]),
    "delivery attempt": put("state", "deliveries", 0, "attempts", 0, "sent", 1e14),
}


def test_hostile_snapshots_change_nothing(rich):
    saved = rich.ok("GET", "/snapshot")
    before = everything(rich)
    for name, change in HOSTILE.items():
        garbled = copy.deepcopy(saved)
        change(garbled)
        assert garbled != saved, name
        answer = rich.admin.call("POST", f"{rich.path}/restore", garbled)
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["errors"], name
        for error in answer.json()["errors"]:
            assert error["pointer"] == "" or error["pointer"].startswith("/"), name
        assert everything(rich) == before, name
    rich.ok("POST", "/restore", saved)
    assert everything(rich) == before


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        ("alias of no task", "/state/aliases/"),
        ("due work unknown", "/state/due/0"),
        ("entry text", "/state/entries/0/amount"),
        ("clock mode", "/clock/mode"),
        ("variant", "/sandbox/variants/crun/bearer"),
        ("file no base64", "/files/"),
    ],
)
def test_the_pointer_leads_to_the_place(rich, name, pointer):
    garbled = rich.ok("GET", "/snapshot")
    HOSTILE[name](garbled)
    pointers = rich.pointers("POST", "/restore", garbled)
    assert [p for p in pointers if p.startswith(pointer)] == pointers[:1]


def test_snapshots_of_equal_lives_are_equal_but_for_name_and_key(admin, time):
    saved = []
    for _ in range(2):
        box = admin.sandbox(seed=7, clock="frozen")
        box.swapped()
        box.advance(by="1h")
        text = json.dumps(box.ok("POST", "/snapshot"), ensure_ascii=False)
        saved.append(re.sub(r"ak_\w+…\w+", "KEY", text.replace(box.id, "NAME")))
        time.pause(5)
    assert saved[0] == saved[1]


def test_what_is_missing_is_named(rich):
    saved = rich.ok("POST", "/snapshot")
    problem = rich.refused(400, "POST", "/restore", {**saved, "sandbox": {}})
    assert problem["errors"][0] == {"pointer": "/sandbox/id", "rule": "type", "detail": "is missing"}
    assert {error["pointer"] for error in problem["errors"]} == {f"/sandbox/{name}" for name in saved["sandbox"]}


def test_every_byte_of_a_snapshot_can_be_wrong(rich):
    """Each leaf is replaced by things of other kinds: an answer is 200 or 400, and the sandbox can be used after it.
    What was refused has changed nothing, so that one look is enough then."""
    shown = ("", "/tasks", "/journal", "/deliveries", "/faults", "/scenarios", "/har", "/why/x1")
    saved = rich.ok("GET", "/snapshot")
    leaves = [place for place in _leaves(saved, ()) if place[0] != "version"]
    step = max(1, len(leaves) // 150)
    for index, place in enumerate(leaves[::step]):
        garbled = copy.deepcopy(saved)
        put(*place, [None, -1, "", [], {}, 10**18, "x" * 100][index % 7])(garbled)
        answer = rich.admin.call("POST", f"{rich.path}/restore", garbled)
        assert answer.status_code in (200, 400), (place, answer.text)
        for path in shown if answer.status_code == 200 else shown[:1]:
            assert rich.admin.call("GET", rich.path + path).status_code == 200, (place, path)
        assert rich.crun("GET", "account/balance").status_code != 500, place
    rich.ok("POST", "/restore", saved)
    assert rich.ok("GET", "/snapshot") == saved


def _leaves(value, place):
    if isinstance(value, dict | list) and value:
        for step in value if isinstance(value, dict) else range(len(value)):
            yield from _leaves(value[step], (*place, step))
    else:
        yield place


def test_while_requests_run(rich):
    """Each answer is that of the sandbox before or after, and the money is right at the end."""
    saved = rich.ok("GET", "/snapshot")

    def use(_):
        return rich.crun("GET", "account/balance").json()["code"], rich.swap().json()["code"]

    with ThreadPoolExecutor(8) as pool:
        used = [pool.submit(use, number) for number in range(40)]
        restored = [pool.submit(rich.ok, "POST", "/restore", saved) for _ in range(10)]
        assert {code for future in used for code in future.result()} <= {200, 429}
        assert all(future.result()["id"] == rich.id for future in restored)
    rich.advance(until="idle")
    assert rich.ok("GET", "/ledger", proof=1)["proof"]["holds"]
