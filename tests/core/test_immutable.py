"""Facts: frozen as far as a type checker sees, for nothing at run time."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from swapmock.mock_server.core.call import Reply
from swapmock.mock_server.core.delivery import Delivery
from swapmock.mock_server.core.journal import File
from swapmock.mock_server.core.ledger import Entry, Invariant, Move
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.core.task import Failure, Task


@pytest.mark.long
def test_a_type_checker_lets_nobody_change_a_fact(tmp_path):
    code = tmp_path / "changes.py"
    code.write_text(
        "from swapmock.mock_server.core.call import Reply\n"
        "from swapmock.mock_server.core.task import Task\n\n"
        "def change(task: Task, reply: Reply) -> None:\n"
        "    task.charge = 1\n"
        "    reply.code = 1\n"
    )
    # In a process of its own: mypy raises the recursion limit of the one that it runs in.
    checker = [sys.executable, "-m", "mypy", "--config-file=", f"--cache-dir={tmp_path}", str(code)]
    ran = subprocess.run(checker, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert '"charge" defined in "Task" is read-only' in ran.stdout
    assert '"code" defined in "Reply" is read-only' in ran.stdout


RECORDS: tuple[tuple[Any, tuple[Any, ...]], ...] = (
    (Failure, ("code", "message")),
    (Invariant, ("name", True)),
    (Sandbox, ("id", 1, (), {}, 0, 0.0)),
    (File, ("n", "t", "s", 1.0, 2.0, "x1")),
    (Delivery, ("d", 1, "t", "p", "o", "e", "u", "h", b"", 0.0, (), "x")),
)


@pytest.mark.parametrize(("kind", "given"), RECORDS, ids=[row[0].__name__ for row in RECORDS])
def test_records_are_frozen_and_have_no_dictionary(kind, given):
    record = kind(*given)
    assert not hasattr(record, "__dict__")
    with pytest.raises(FrozenInstanceError):
        record.__setattr__(kind.__slots__[0], "other")


def test_what_records_hold_unless_told():
    failure, invariant, file = Failure("c", "m"), Invariant("n", True), File("n", "t", "s", 1.0, 2.0, "x1")
    assert (failure.reason, failure.result, invariant.detail, file.size) == (None, True, "", None)
    sandbox = Sandbox("id", 1, (), {}, 0, 0.0)
    assert (sandbox.scenario, sandbox.rate_limit, sandbox.expires_at, sandbox.start) == (None, None, None, None)
    assert (sandbox.evidence_header, sandbox.prefer_header, sandbox.labels) == (False, False, {})
    task = Task("i", "k", "p", "o", "m", b"", 0.0, 1.0, 2.0)
    assert (task.failure, task.reserved, task.charge, task.scenario) == (None, 0, 0, "fine")
    assert (task.callback_url, task.base_url, task.cause, task.facts) == (None, "", "", {})
    assert Entry(0.0, Move.GRANT, 1) == (0.0, Move.GRANT, 1, "", "")


@pytest.mark.parametrize("record", [Reply(), Task("i", "k", "p", "o", "m", b"", 0.0, 1.0, 2.0)], ids=["Reply", "Task"])
def test_records_that_are_made_for_every_request_have_no_dictionary(record):
    assert not hasattr(record, "__dict__")
