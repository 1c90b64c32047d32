"""A whole sandbox as one document, and back: everything is looked at before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from swapmock import __version__
from swapmock.mock_server.admin.clock import END_OF_TIME, FASTEST
from swapmock.mock_server.admin.consistency import Objection, objections
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import error
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.codec import BadRecord, decode, encode
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.engine.sandboxes import UnknownVariant, choose_variants

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

FORMAT = 1


class SavedClock(NamedTuple):
    mode: ClockMode
    rate: float
    shown: float


class Saved(NamedTuple):
    """What a snapshot says."""

    sandbox: Sandbox
    clock: SavedClock
    state: State
    files: Mapping[str, bytes]


def taken(box: Box, engine: Engine) -> Saved:
    """The whole content of a box that is not open. The box is open only while its records are copied."""
    engine.run_due_in_batches(box.sandbox.id)
    while True:
        with box:
            now = engine.now(box)
            engine.catch_up(box, now)
            sandbox, clock, finish = box.sandbox, box.clock, box.copy()
        state = finish()
        files = _files_of(sandbox.id, state, engine)
        if files is not None:
            return Saved(sandbox, SavedClock(clock.mode, clock.rate, now), state, files)


def _files_of(sandbox_id: str, state: State, engine: Engine) -> dict[str, bytes] | None:
    """The bytes of the files in `state`; None if one was replaced or removed since `state` was copied."""
    files = {}
    for name, file in state.files.items():
        if file.size is None:
            continue
        content = engine.blobs.get(f"{sandbox_id}/{name}")
        if content is None or len(content) != file.size:
            with engine.store.open(sandbox_id) as box:
                if box.file(name) == file:  # it is not being replaced: its bytes were lost
                    continue
            return None
        files[name] = content
    return files


#: The levels of a snapshot that are written in pieces: the document, its state, a field of the state.
DEPTH = 3


def written(saved: Saved, engine: Engine) -> JsonText:
    """The JSON document. It has no credentials: the sandbox that it is restored in has its own."""
    mask = Mask(engine, saved.sandbox)

    def encoded(item: Any) -> Any:
        return encode(_masked(item, mask) if isinstance(item, Exchange) else item)

    document = {
        "swapmock_snapshot": FORMAT,
        "version": __version__,
        "sandbox": encode(replace(saved.sandbox, credentials=())),
        "clock": encode(saved.clock),
        "state": {name: getattr(saved.state, name) for name in saved.state.__slots__},
        "files": saved.files,
    }
    return engine.json.write_large(document, DEPTH, encoded)


def _masked(exchange: Exchange, mask: Mask) -> Exchange:
    headers, answer_headers = mask.headers(exchange.headers), mask.headers(exchange.answer_headers)
    target = mask.text(exchange.target)
    return replace(exchange, headers=dict(headers), answer_headers=tuple(answer_headers), target=target)


def read(document: Mapping[str, Any], engine: Engine) -> Saved:
    """The parts of a snapshot, or the Problem `invalid` that names all that does not fit."""
    try:
        sandbox = decode(Sandbox, document["sandbox"], ("sandbox",))
        clock = decode(SavedClock, document["clock"], ("clock",))
        state = decode(State, document["state"], ("state",))
        files = decode(Mapping[str, bytes], document.get("files", {}), ("files",))
    except BadRecord as bad:
        raise Problem("invalid", details={"errors": [error(bad.place, bad.detail, "type")]}) from None
    found: list[Objection] = [*_of_clock(clock), *_of_sandbox(sandbox, engine)]
    found += objections(state, clock.shown, {name: len(content) for name, content in files.items()}, engine)
    if found:
        raise Problem("invalid", details={"errors": [error(place, detail) for place, detail in found[:100]]})
    variants = choose_variants(engine.contracts, sandbox.variants)
    return Saved(replace(sandbox, variants=variants), clock, state, files)


def _of_clock(clock: SavedClock) -> Iterator[Objection]:
    if not 0 <= clock.shown <= END_OF_TIME:
        yield ("clock", "shown"), "should be from 1970 to 9998"
    if clock.mode is ClockMode.SCALED and not 0 < clock.rate <= FASTEST:
        yield ("clock", "rate"), f"should be above 0 and at most {FASTEST:g}"


def _of_sandbox(sandbox: Sandbox, engine: Engine) -> Iterator[Objection]:
    try:
        choose_variants(engine.contracts, sandbox.variants)
    except UnknownVariant as unknown:
        yield ("sandbox", "variants", *unknown.place), str(unknown)
    if sandbox.scenario is not None:
        for name, contract in engine.contracts.items():
            if sandbox.scenario not in contract.behaviour.scenarios:
                yield ("sandbox", "scenario"), f"{name} has no scenario {sandbox.scenario[:60]!r}"
    judged = {"labels": ("Labels", sandbox.labels), "rate_limit": ("RateLimit", sandbox.rate_limit)}
    for name, (schema, value) in judged.items():
        validator = engine.admin_contract.validator({"$ref": f"#/components/schemas/{schema}"})
        for violation in validator.violations(encode(value), "body") if value is not None else ():
            yield ("sandbox", name, *map(str, violation.place[1:])), f"breaks {violation.rule}"
    if sandbox.grant < 0:
        yield ("sandbox", "grant"), "should not be negative"
    if sandbox.start is not None and not 0 <= sandbox.start <= END_OF_TIME:
        yield ("sandbox", "start"), "should be from 1970 to 9998"


def load(box: Box, engine: Engine, saved: Saved) -> None:
    """Make a box, which is not open, what a snapshot says. Its id, credentials and time to live stay."""
    own, change = box.sandbox, box.loader(saved.state)
    with box:
        _replace_files(engine, own.id, box.copy()().files, saved.files)
        engine.forget_links(box)
        box.sandbox = replace(
            saved.sandbox, id=own.id, credentials=own.credentials, created_at=own.created_at, expires_at=own.expires_at
        )
        change()
        mode, rate, shown = saved.clock
        box.clock = SandboxClock.make(mode, engine.time.now(), rate, shown)
        engine.clock_moved(box)
    for token in saved.state.tokens:
        before = engine.store.owner(token)
        engine.store.publish(token, own.id)
        if before is not None:  # the sandbox that published the link first stays the one that it leads to
            engine.store.publish(token, before)


def _replace_files(engine: Engine, sandbox_id: str, before: Mapping[str, Any], after: Mapping[str, bytes]) -> None:
    """All or nothing: where the new ones cannot be kept, the old ones stay."""
    kept = {name: engine.blobs.get(f"{sandbox_id}/{name}") for name in before}
    engine.blobs.drop(f"{sandbox_id}/")
    try:
        for name, content in after.items():
            engine.blobs.put(f"{sandbox_id}/{name}", content)
    except OSError:
        engine.blobs.drop(f"{sandbox_id}/")
        for name, old in kept.items():
            if old is not None:
                engine.blobs.put(f"{sandbox_id}/{name}", old)
        raise Problem(
            "server_error", message="the files of the snapshot could not be kept; nothing was changed"
        ) from None
