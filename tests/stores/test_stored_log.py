"""A log that was stored by the first version of the format is opened by this one and gives the same bytes.

`python -m tests.stores.test_stored_log` writes the files anew. That is right only together with a new FORMAT: a store of
somebody else looks like the old ones.
"""

import json
import shutil
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from swapmock import Emulator
from swapmock.mock_server.control import Sandbox
from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.stores import facts
from swapmock.mock_server.stores.facts import FORMAT
from tests.stores.test_sqlite import do_everything, held, opened
from tests.stores.test_store import CLOCK, sandbox

FOLDER = Path(__file__).parent / "stored"
URL = "http://emulator.example"
INPUT = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}


def call(emu: Emulator, box: Sandbox, method: str, path: str, body=None, provider="crun") -> str:
    data = None if body is None else json.dumps(body).encode()
    headers = {**box.headers(provider), "content-type": "application/json"}
    with urlopen(Request(emu.url + path, data, headers, method=method), timeout=10) as answer:
        return str(answer.read().decode())


def fill(emu: Emulator) -> list[str]:
    """Tasks of both vendors in each phase, a callback with failed attempts, credits, a queue, a fault. The crun tasks' ids."""
    box = emu.sandbox(id="kept", seed=7, clock="frozen", labels={"team": "a"})
    job = "/api/v1/client/job"
    box.queue("fails", provider="crun")
    tasks = []
    for more in ({}, {"callback_url": "http://127.0.0.1:9/hook"}, {}):
        body = {"model": "image-face-swap", "input": INPUT, **more}
        tasks.append(json.loads(call(emu, box, "POST", f"{job}/CreateTask", body))["data"]["task_id"])
        box.advance(by=20)
    box.grant(5)
    box.queue("slow")
    box.add_fault({"status": 503}, match={"operation": "list_models"}, times=2)
    return [*tasks, json.loads(call(emu, box, "POST", f"{job}/CreateTask", body))["data"]["task_id"]]


def answers(emu: Emulator, tasks: list[str]) -> dict[str, object]:
    """What the emulator says of the sandbox, by what was asked."""
    box = emu.get("kept")
    job = "/api/v1/client/job"
    found: dict[str, object] = {task: call(emu, box, "GET", f"{job}/TaskInfo?task_id={task}") for task in tasks}
    admin = {
        "clock": box.clock(), "ledger": box.ledger(proof=True), "deliveries": box.deliveries(), "faults": box.faults(),
        "queue": box.queued(), "tasks": box.tasks(),
        "journal": [row for row in box.journal(limit=1000) if row.get("method") != "GET"],
    }  # fmt: skip
    return {**found, **json.loads(json.dumps(admin))}


def settings(folder: Path) -> dict[str, Any]:
    return {"store": f"sqlite:{folder / 'answers.db'}", "public_url": URL}


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(FOLDER, tmp_path / "stored")
    return tmp_path / "stored"


def test_every_fact_is_read_as_it_was_written(folder):
    (folder / "facts.db").rename(folder / "store.db")
    store = opened(folder)
    expected = json.loads((FOLDER / "facts.json").read_text())
    assert (FOLDER / "FORMAT").read_text() == f"{FORMAT}\n"
    for name, before in expected.items():
        assert without_additions(held(store, name), before) == before
    store.close()


def test_the_answers_are_the_same(folder):
    expected = json.loads((FOLDER / "answers.json").read_text())
    with Emulator(**settings(folder)) as emu:
        found = answers(emu, [name for name in expected if "-" in name])
        assert without_additions(found, expected) == expected


@pytest.mark.parametrize(
    ("record", "names"), [(Task, facts._TASK), (Exchange, facts._EXCHANGE), (Delivery, facts._DELIVERY)]
)
def test_no_field_of_a_record_is_left_out(record, names):
    """A new field goes to the end of its tuple in facts.py, and has a default: else a restart would lose it."""
    assert sorted(names) == sorted(field.name for field in fields(record))


def without_additions(found: Any, before: Any) -> Any:
    """`found` without the members of objects that `before` lacks: fields that were added since."""
    if isinstance(found, dict) and isinstance(before, dict):
        return {name: without_additions(value, before[name]) for name, value in found.items() if name in before}
    if isinstance(found, list) and isinstance(before, list) and len(found) == len(before):
        return [without_additions(*pair) for pair in zip(found, before, strict=True)]
    return found


def write() -> None:
    """The files of the present FORMAT."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    store = opened(FOLDER)
    for name in ("log", "snapshot"):
        store.add(sandbox(name), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
        do_everything(store.open(name))
        store.publish("token", name)
    store.open("snapshot").snapshot()
    with store.open("snapshot") as box:
        box.next_number("after")
    facts = {name: held(store, name) for name in ("log", "snapshot")}
    store.close()
    (FOLDER / "store.db").rename(FOLDER / "facts.db")
    (FOLDER / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    with Emulator(**settings(FOLDER)) as emu:
        tasks = fill(emu)
        found = answers(emu, tasks)
    (FOLDER / "answers.json").write_text(json.dumps(found, indent=1) + "\n")
    for path in FOLDER.glob("*-*"):
        path.unlink()
    (FOLDER / "FORMAT").write_text(f"{FORMAT}\n")


if __name__ == "__main__":
    write()
