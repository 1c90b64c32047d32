"""`swapmock store`: what it says about a store, and what it writes of one."""

import json

import pytest
from click.testing import CliRunner

from swapmock import Emulator
from swapmock.mock_server.cli.store import store
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.stores.box import MemoryBox
from tests.stores.test_sqlite import opened
from tests.stores.test_store import CLOCK, sandbox


def run(*arguments):
    return CliRunner().invoke(store, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A store with a sandbox that has a task and an uploaded file."""
    path = tmp_path_factory.mktemp("store") / "store.db"
    with Emulator(store=f"sqlite:{path}", balance=77) as emu:
        team = emu.sandbox(id="team", clock="frozen", seed=5)
        team.queue("fails")
        before = team.snapshot()
    path.with_suffix(".json").write_text(json.dumps(before))
    return path


def test_check_counts_what_is_there(path):
    found = run("check", f"sqlite:{path}", "--format", "json")
    assert found.exit_code == 0
    document = json.loads(found.output)
    assert document["ok"]
    assert document["sandboxes"]["team"]["counts"]["queue"] == 1
    assert all(rule["holds"] for rule in document["sandboxes"]["team"]["ledger"].values())
    text = run("check", path).output
    assert "team: " in text
    assert text.endswith("ok\n")


def test_export_writes_snapshots_that_can_be_restored(path):
    lines = run("export", path).output.splitlines()
    assert [json.loads(line)["sandbox"]["id"] for line in lines] == ["default", "other", "team"]
    (line,) = run("export", path, "--sandbox", "team").output.splitlines()
    assert json.loads(line) == json.loads(path.with_suffix(".json").read_text())
    with Emulator() as emu:
        made = emu.sandbox(clock="frozen")
        made.restore(json.loads(line))
        assert made.balance() == 77


def test_a_sandbox_that_is_not_there(path):
    found = run("export", path, "--sandbox", "tim")
    assert found.exit_code == 2
    assert "there are: default, other, team" in found.output


@pytest.mark.parametrize("command", ["check", "export"])
def test_no_store_and_a_store_in_use(command, path, tmp_path):
    assert "there is no such store" in run(command, tmp_path / "none").output
    with Emulator(store=f"sqlite:{path}"):
        found = run(command, path)
    assert found.exit_code == 2
    assert "another process has this store open" in found.output


def test_damage_is_a_problem(tmp_path):
    kept = opened(tmp_path)
    kept.add(sandbox("a"), CLOCK)
    kept.close()
    path = tmp_path / "store.db"
    raw = bytearray(path.read_bytes())
    at = raw.rindex(b"key of a")
    raw[at] ^= 1
    path.write_bytes(raw)
    found = run("check", path)
    assert found.exit_code == 1
    assert "not whole" in found.output
    assert path.read_bytes() == raw
    assert run("export", path).exit_code == 2


def test_a_ledger_that_does_not_balance_is_a_problem(tmp_path, monkeypatch):
    kept = opened(tmp_path)
    kept.add(sandbox("a"), CLOCK, [Entry(0.0, Move.GRANT, 10)])
    with kept.open("a") as box:
        MemoryBox.post(box, Entry(0.0, Move.SETTLE, 0, "nobody"))
        box._fact("post", Entry(0.0, Move.SETTLE, 0, "nobody"))
    kept.close()
    found = run("check", tmp_path / "store.db")
    assert found.exit_code == 1
    assert "one_capture_per_task does not hold" in found.output
