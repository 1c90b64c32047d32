"""Moves a sandbox from one worker to another: its whole content as a JSON value, and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from swapmock.mock_server.adapters.blobs import MemoryBlobs
from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.codec import decode, encode
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.engine.sandboxes import choose_variants
from swapmock.mock_server.stores.sharded import ShardedStore


def packed(sandbox_id: str, engine: Engine) -> dict[str, Any]:
    """Return the content of a sandbox. It includes the bytes of files only if each worker has its own
    (`MemoryBlobs`)."""
    with engine.store.open(sandbox_id) as box:
        sandbox, clock, finish = box.sandbox, box.clock, box.copy()
    state = finish()
    files = {}
    if isinstance(engine.blobs, MemoryBlobs):
        for name in state.files:
            content = engine.blobs.get(f"{sandbox_id}/{name}")
            if content is not None:
                files[name] = base64.b64encode(content).decode()
    return {"sandbox": encode(sandbox), "clock": encode(clock), "state": encode(state), "files": files}


def unpack(document: Mapping[str, Any], engine: Engine, store: ShardedStore) -> None:
    """Add a sandbox with the content `document`, which `packed` returned in another worker."""
    sandbox = unpack_sandbox(document["sandbox"], engine)
    clock: SandboxClock = decode(SandboxClock, document["clock"])
    state: State = decode(State, document["state"])
    for name, content in document["files"].items():
        engine.blobs.put(f"{sandbox.id}/{name}", base64.b64decode(content))
    store.take_over(sandbox, clock)
    if sandbox.expires_at is not None:
        store.expire(sandbox.id, sandbox.expires_at)
    with store.open(sandbox.id) as box:
        box.load(state)
        engine.clock_moved(box)
    for token in state.tokens:
        store.publish(token, sandbox.id, behind=True)


def unpack_sandbox(row: Any, engine: Engine) -> Sandbox:
    """Return the settings of a sandbox that `encode` has written."""
    sandbox: Sandbox = decode(Sandbox, row)
    return replace(sandbox, variants=choose_variants(engine.contracts, sandbox.variants))


def forget_packed(sandbox_id: str, engine: Engine, store: ShardedStore, process: int) -> None:
    """Remove a sandbox that `process` has unpacked."""
    if isinstance(engine.blobs, MemoryBlobs):
        engine.blobs.drop(f"{sandbox_id}/")
    store.hand_over(sandbox_id, process)


def take_records(sandbox_id: str, engine: Engine) -> list[Any]:
    """Return the exchanges in the journal of a sandbox, and empty the journal."""
    with engine.store.open(sandbox_id) as box:
        records = [encode(record) for record in box.records() if isinstance(record, Exchange)]
        box.forget_records()
    return records


def add_records(rows: list[Any], sandbox_id: str, engine: Engine) -> None:
    """Add exchanges of another worker, `rows`, to the journal of the sandbox `sandbox_id`, each with a new id."""
    records: list[Exchange] = [decode(Exchange, row) for row in rows]
    with engine.store.open(sandbox_id) as box:
        for record in sorted(records, key=lambda record: record.at):
            record.id = f"x{box.next_number('exchange')}"
            box.record(record)
