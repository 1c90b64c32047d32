"""Snapshots: a whole sandbox as one document, and back. Everything is checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, NamedTuple, get_type_hints

from swapmock import __version__
from swapmock.mock_server.admin.clock import FASTEST
from swapmock.mock_server.admin.consistency import Inconsistency, Snapshot, inconsistencies
from swapmock.mock_server.admin.consistency.report import is_moment
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import error
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.clock import END_OF_TIME, ClockMode, SandboxClock
from swapmock.mock_server.core.codec import BadRecord, Demand, decode, encode
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.sandbox import RATE_LIMITS, Sandbox
from swapmock.mock_server.core.state import State
from swapmock.mock_server.engine.sandboxes import UnknownVariant, choose_variants
from swapmock.mock_server.providers.store import digests_of

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The format of the documents that `to_document` writes, and the formats that `from_document` reads. The number
#: increases if an older version could not read the new documents, or would read them wrongly. A field that is added
#: without a new number is marked `AddedIn` and has a default.
FORMAT = 1
READABLE = (1,)

#: The most errors that one answer lists.
MOST_ERRORS = 100


class SavedClock(NamedTuple):
    """The mode and the rate of a clock, and the sandbox time that it shows, in epoch seconds."""

    mode: ClockMode
    rate: float
    shown: float


class Saved(NamedTuple):
    """The parts of a snapshot. `files` has the bytes of the uploaded files by their names."""

    sandbox: Sandbox
    clock: SavedClock
    state: State
    files: Mapping[str, bytes]


def take(box: Box, engine: Engine) -> Saved:
    """Return the whole content of a closed box. The box is opened only while its records are copied."""
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
    """Return the bytes of the files in `state`; None if one was replaced or removed since `state` was copied."""
    files = {}
    for name, file in state.files.items():
        if file.size is None:
            continue
        content = engine.blobs.get(f"{sandbox_id}/{name}")
        if content is None or len(content) != file.size:
            with engine.store.open(sandbox_id) as box:
                if box.file(name) == file:  # the file is not being replaced: its bytes were lost
                    continue
            return None
        files[name] = content
    return files


#: The levels of a snapshot that are written in pieces: the document, its state, a field of the state.
DEPTH = 3


def to_document(saved: Saved, engine: Engine) -> JsonText:
    """Return the JSON document of a snapshot. It contains no credentials: the sandbox into which it is restored has
    its own."""
    mask = Mask(engine, saved.sandbox)
    state = replace(saved.state, deliveries=_not_leased(saved.state.deliveries))

    def encoded(item: Any) -> Any:
        return encode(_masked(item, mask))

    document = {
        "swapmock_snapshot": FORMAT,
        "version": __version__,
        "sandbox": encode(replace(saved.sandbox, credentials=())),
        "clock": encode(saved.clock),
        "state": {name: getattr(state, name) for name in state.__slots__},
        "files": saved.files,
    }
    return engine.json.write_large(document, DEPTH, encoded)


def _not_leased(deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return deliveries without a lease: a restore ends every attempt in progress."""
    return [replace(delivery, leased_until=None) if delivery.leased_until else delivery for delivery in deliveries]


def _masked(item: Any, mask: Mask) -> Any:
    """A record whose headers and target show no secret; everything else as it is."""
    if isinstance(item, Exchange):
        headers, answer_headers = mask.headers(item.headers), mask.headers(item.answer_headers)
        target = mask.text(item.target)
        return replace(item, headers=dict(headers), answer_headers=tuple(answer_headers), target=target)
    if isinstance(item, Delivery):
        return replace(item, attempts=tuple(_masked(attempt, mask) for attempt in item.attempts))
    if isinstance(item, Attempt):
        return item._replace(request_head=mask.head(item.request_head), answer_head=mask.head(item.answer_head))
    return item


def from_document(document: Mapping[str, Any], engine: Engine) -> Saved:
    """Return the parts of a snapshot. Raises Problem `invalid` with the place of each mistake, at most MOST_ERRORS
    of them."""
    is_current = document.get("version") == __version__
    saved = _decoded(document, Demand.ALL if is_current else Demand.OLDER)
    sandbox, clock, state, files = saved
    sizes = {name: len(content) for name, content in files.items()}
    digests = {name: digests_of(files[name]) for name, file in state.files.items() if file.etag and name in files}
    snapshot = Snapshot(state, clock.shown, sandbox.seed, sizes, engine, is_current, digests)
    found = chain(_clock_faults(clock), _sandbox_faults(sandbox, engine), inconsistencies(snapshot))
    if is_current:
        found = chain(found, _missing_variants(sandbox, engine))
    errors = [error(place, detail) for place, detail in islice(found, MOST_ERRORS)]
    if errors:
        raise Problem("invalid", details={"errors": errors})
    return saved._replace(sandbox=replace(sandbox, variants=choose_variants(engine.contracts, sandbox.variants)))


def _decoded(document: Mapping[str, Any], demand: Demand) -> Saved:
    """Return the parts of a document by their types. Raises Problem `invalid` with the place of each value of a
    wrong type."""
    parts: dict[str, Any] = {}
    errors = []
    for name, kind in get_type_hints(Saved).items():
        try:
            parts[name] = decode(kind, document.get(name, {}), (name,), demand=demand)
        except BadRecord as bad:
            errors += [error(place, detail, "type") for place, detail in bad.faults]
    if errors:
        raise Problem("invalid", details={"errors": errors[:MOST_ERRORS]})
    return Saved(**parts)


def _clock_faults(clock: SavedClock) -> Iterator[Inconsistency]:
    if not 0 <= clock.shown <= END_OF_TIME:
        yield ("clock", "shown"), "should be from 1970 to 9998"
    if clock.mode is ClockMode.SCALED and not 0 < clock.rate <= FASTEST:
        yield ("clock", "rate"), f"should be above 0 and at most {FASTEST:g}"
    fixed = {ClockMode.REAL: 1.0, ClockMode.FROZEN: 0.0, ClockMode.ON_POLL: 0.0}
    if clock.rate != fixed.get(clock.mode, clock.rate):
        yield ("clock", "rate"), f"should be {fixed[clock.mode]:g} for a clock in mode {clock.mode}"


def _sandbox_faults(sandbox: Sandbox, engine: Engine) -> Iterator[Inconsistency]:
    options = engine.admin_contract.validator({"$ref": "#/components/schemas/SandboxOptions"})
    chosen = {name: getattr(sandbox, name) for name in ("id", "seed", "client_clock", "max_in_flight")}
    for violation in options.violations(chosen, "body"):
        yield ("sandbox", *map(str, violation.place[1:])), f"breaks {violation.rule}"
    if sandbox.credentials:
        yield ("sandbox", "credentials"), "should be empty: a snapshot holds no credentials"
    try:
        choose_variants(engine.contracts, sandbox.variants)
    except UnknownVariant as unknown:
        yield ("sandbox", "variants", *unknown.place), str(unknown)
    known = {scenario for contract in engine.contracts.values() for scenario in contract.behaviour.scenarios}
    if sandbox.scenario is not None and sandbox.scenario not in known:
        yield ("sandbox", "scenario"), f"no provider has a scenario {sandbox.scenario[:60]!r}"
    judged: dict[str, tuple[str, Any]] = {
        "labels": ("Labels", sandbox.labels),
        "parallel_posts": ("ParallelPosts", sandbox.parallel_posts),
    }
    judged |= {name: ("RateLimit", getattr(sandbox, name)) for name in RATE_LIMITS}
    for name, (schema, value) in judged.items():
        validator = engine.admin_contract.validator({"$ref": f"#/components/schemas/{schema}"})
        for violation in validator.violations(encode(value), "body") if value is not None else ():
            yield ("sandbox", name, *map(str, violation.place[1:])), f"breaks {violation.rule}"
    if sandbox.grant < 0:
        yield ("sandbox", "grant"), "should not be negative"
    for name in ("start", "created_at", "expires_at"):
        if not is_moment(getattr(sandbox, name)):
            yield ("sandbox", name), "should be from 1970 to 9998"


def _missing_variants(sandbox: Sandbox, engine: Engine) -> Iterator[Inconsistency]:
    """Yield the variants without a choice. A document of an older version may lack those that were added since."""
    for provider, contract in engine.contracts.items():
        for name in sorted(contract.behaviour.variants.keys() - sandbox.variants.get(provider, {}).keys()):
            yield ("sandbox", "variants", provider, name), "is missing"


def load(box: Box, engine: Engine, saved: Saved) -> None:
    """Replace the content of a closed box by a snapshot. The id, the credentials and the time to live of the sandbox
    stay."""
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
            # A link still leads to the sandbox that published it first.
            engine.store.publish(token, own.id, behind=True)


def _replace_files(engine: Engine, sandbox_id: str, before: Mapping[str, Any], after: Mapping[str, bytes]) -> None:
    """Replace all files of a sandbox. If the new files cannot be stored, the old files stay."""
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
            "server_error", message="the files of the snapshot could not be stored; nothing was changed"
        ) from None
