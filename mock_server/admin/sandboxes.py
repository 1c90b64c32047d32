"""Sandboxes: creates, changes, resets, snapshots, restores, forks and deletes them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin import snapshots
from swapmock.mock_server.admin.clock import clock_row, read_clock
from swapmock.mock_server.admin.ledger import balance, count_manual_entry, set_available
from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.credits import from_credits
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.sandbox import RATE_LIMITS, ParallelPosts, RateLimit, Sandbox
from swapmock.mock_server.core.seeded import hexadecimal, integer
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.timetext import parse_duration
from swapmock.mock_server.engine.sandboxes import (
    DEFAULT_SANDBOX,
    UnknownVariant,
    choose_variants,
    credential_headers,
    credentials_for,
    open_account,
)

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

log = logging.getLogger("swapmock")

#: The sequence in which the default sandbox counts the created sandboxes. It never goes back, so that two sandboxes
#: never get the same key.
SANDBOX_SEQUENCE = "sandbox"

#: The longest time to live, in real seconds.
MAX_TTL = 1e9


def describe(box: Box, engine: Engine, call: Call) -> dict[str, Any]:
    """Return the open sandbox `box` as answers to `call` show it."""
    with box:
        sandbox, now = box.sandbox, engine.now(box)
        engine.catch_up(box, now)
        return {
            "id": sandbox.id,
            "base_url": call.base_url,
            "admin_url": f"{call.own_url}/__admin/sandboxes/{sandbox.id}",
            "seed": sandbox.seed,
            "credentials": _credentials(sandbox, engine),
            "clock": clock_row(box.clock, now, box.next_due()),
            "balance": balance(box),
            "variants": encode(sandbox.variants),
            "scenario": sandbox.scenario,
            **{name: None if (limit := getattr(sandbox, name)) is None else encode(limit) for name in RATE_LIMITS},
            "expires_at": sandbox.expires_at,
            "evidence_header": sandbox.evidence_header,
            "prefer_header": sandbox.prefer_header,
            "client_clock": sandbox.client_clock,
            "max_in_flight": sandbox.max_in_flight,
            "parallel_posts": None if sandbox.parallel_posts is None else encode(sandbox.parallel_posts),
            "labels": sandbox.labels,
            "counts": counts(box),
        }


def counts(box: Box) -> dict[str, int]:
    """Return how many records of each kind an open box has."""
    return dict(box.counts())


def _credentials(sandbox: Sandbox, engine: Engine) -> dict[str, Any]:
    """Return the first usable credential of each provider."""
    found: dict[str, Any] = {}
    for credential in sandbox.credentials:
        if credential.disabled or credential.provider in found:
            continue
        headers = credential_headers(engine.contracts[credential.provider], credential)
        found[credential.provider] = {"key": credential.key, "headers": headers}
        if credential.secret:
            found[credential.provider]["secret"] = credential.secret
    return found


def list_sandboxes(call: Call, engine: Engine) -> Reply:
    """Return all sandboxes."""
    found = []
    for sandbox_id in engine.store.ids():
        try:
            found.append(describe(engine.store.open(sandbox_id), engine, call))
        except KeyError:
            continue  # another request deleted it
        except Exception:
            # The sandbox's own page shows the error. The other sandboxes must still be listed.
            log.exception("sandbox %s cannot be described and is left out of the list", sandbox_id)
    return Reply({"sandboxes": found})


def get_sandbox(call: Call, engine: Engine) -> Reply:
    """Return one sandbox."""
    return Reply(describe(call.box, engine, call))


def create_sandbox(call: Call, engine: Engine) -> Reply:
    """Create a sandbox."""
    options, real = call.body, engine.time.now()
    sandbox_id = options.get("id") or _free_id(engine)
    default = engine.store.open(DEFAULT_SANDBOX).sandbox
    start = Sandbox(
        id=sandbox_id,
        seed=options.get("seed", integer(0, 2**31 - 1, engine.seed, "seed of", sandbox_id)),
        credentials=credentials_for(engine.contracts, engine.draw_key_seed()),
        variants=default.variants,
        grant=default.grant,
        created_at=real,
        max_in_flight=default.max_in_flight,
        parallel_posts=default.parallel_posts,
    )
    sandbox = with_options(start, options, engine, real)
    if "balance" in options:
        sandbox = replace(sandbox, grant=from_credits(options["balance"]))
    clock = read_clock(options.get("clock", "real"), real)
    made = _open(
        engine, replace(sandbox, created_at=clock.shown, start=clock.shown if clock.rate == 0.0 else None), clock
    )
    return Reply(describe(made, engine, call), status=201)


def id_number(number: int, engine: Engine) -> str:
    """Return the id of the sandbox that is created as number `number` without a given id."""
    return "sb-" + hexadecimal(12, engine.seed, "sandbox", number)


def _free_id(engine: Engine) -> str:
    with engine.store.open(DEFAULT_SANDBOX) as box:
        while True:
            made = id_number(box.next_number(SANDBOX_SEQUENCE), engine)
            try:
                engine.store.open(made)
            except KeyError:
                return made


def _open(engine: Engine, sandbox: Sandbox, clock: SandboxClock) -> Box:
    if len(engine.store.ids()) >= engine.max_sandboxes:
        raise Problem(
            "conflict",
            message=f"there are {engine.max_sandboxes} sandboxes already; delete some, or allow more with --max-sandboxes",
        )
    try:
        open_account(engine, sandbox, clock)
        return engine.store.open(sandbox.id)
    except ValueError as error:
        raise Problem("conflict", message=str(error)) from None
    except KeyError:
        raise Problem("conflict", message=f"sandbox {sandbox.id} has ended already") from None


def with_options(sandbox: Sandbox, options: Mapping[str, Any], engine: Engine, real: float) -> Sandbox:
    """Return `sandbox` with those of `options` that can be changed at any time. `real` is the current real time.
    Raises Problem `invalid` for a wrong value."""
    changes: dict[str, Any] = {
        name: options[name]
        for name in ("evidence_header", "prefer_header", "client_clock", "max_in_flight", "labels")
        if name in options
    }
    if "variants" in options:
        try:
            changes["variants"] = choose_variants(
                engine.contracts, _nested(options["variants"], engine), sandbox.variants
            )
        except UnknownVariant as error:
            raise invalid(("variants", *error.place), str(error)) from None
    if "scenario" in options:
        changes["scenario"] = check_scenario(options["scenario"], engine, ("scenario",))
    for name in RATE_LIMITS:
        if name in options:
            changes[name] = None if options[name] is None else RateLimit.read(options[name])
    if "parallel_posts" in options:
        posts = options["parallel_posts"]
        changes["parallel_posts"] = None if posts is None else ParallelPosts.read(posts)
    if "ttl" in options:
        changes["expires_at"] = None if options["ttl"] is None else real + _span(options["ttl"])
    return replace(sandbox, **changes)


def _nested(given: Mapping[str, Any], engine: Engine) -> dict[str, dict[str, Any]]:
    """Return the choices by provider and variant. `given` has them in this form, or under names such as
    `PROVIDER.VARIANT`."""
    made: dict[str, dict[str, Any]] = {}
    for name, choice in given.items():
        provider, dot, variant = name.partition(".")
        if dot:
            made.setdefault(provider, {})[variant] = choice
        elif isinstance(choice, Mapping):
            made.setdefault(provider, {}).update(choice)
        else:
            having = [at for at, contract in engine.contracts.items() if name in contract.behaviour.variants]
            ways = " or ".join(f"'{at}.{name}'" for at in having)
            known = f"known providers: {', '.join(sorted(engine.contracts))}"
            raise invalid(("variants", name), f"should be given under its provider: {ways or known}", "type")
    return made


def _span(given: Any) -> float:
    try:
        span = parse_duration(given)
    except ValueError as error:
        raise invalid(("ttl",), str(error)) from None
    if span > MAX_TTL:
        raise invalid(("ttl",), f"should be at most {MAX_TTL:g} seconds", "maximum")
    return span


def check_scenario(name: str | None, engine: Engine, place: tuple[str, ...]) -> str | None:
    """Return `name` if a provider has that scenario, None for None. Otherwise raise Problem `invalid` at `place`
    with the list.

    Tasks of a provider without this scenario have their usual one."""
    if name is None:
        return None
    known = {scenario for contract in engine.contracts.values() for scenario in contract.behaviour.scenarios}
    if name not in known:
        raise invalid(place, f"no scenario {name[:60]!r}; known: {', '.join(sorted(known))}", "enum")
    return name


def change_sandbox(call: Call, engine: Engine) -> Reply:
    """Change options of a sandbox."""
    options, real = call.body, engine.time.now()
    if call.box.sandbox.id == DEFAULT_SANDBOX and options.get("ttl") is not None:
        raise invalid(("ttl",), "the default sandbox has no time to live")
    with call.box as box:
        changed = with_options(box.sandbox, options, engine, real)
        clock = read_clock(options["clock"], real) if "clock" in options else None
        if isinstance(options.get("clock"), Mapping) and "start" in options["clock"]:
            raise invalid(
                ("clock", "start"), "only the clock of a new sandbox has a start; POST clock/advance moves this clock"
            )
        if "balance" in options:
            count_manual_entry(box)
        now = engine.now(box)
        engine.catch_up(box, now)
        box.sandbox = changed
        if clock is not None:
            box.clock = box.clock.switched(real, clock.mode, clock.rate)
            engine.clock_moved(box)
        if "balance" in options:
            set_available(box, now, from_credits(options["balance"]))
        if changed.expires_at is not None:
            engine.store.expire(changed.id, changed.expires_at)
    return get_sandbox(call, engine)


def delete_sandbox(call: Call, engine: Engine) -> Reply:
    """Delete a sandbox."""
    sandbox_id = call.box.sandbox.id
    if sandbox_id == DEFAULT_SANDBOX:
        raise Problem("conflict", message="the default sandbox cannot be deleted; reset it instead")
    if not engine.drop(sandbox_id):
        raise not_found("sandbox", sandbox_id)
    return Reply({"deleted": sandbox_id})


def reset_sandbox(call: Call, engine: Engine) -> Reply:
    """Remove tasks, files, faults, queue and journal, grant the first credits again, and set a frozen clock to its start."""
    with call.box as box:
        cleared, sandbox = counts(box), box.sandbox
        engine.blobs.drop(f"{sandbox.id}/")
        engine.forget_links(box)
        made = box.copy()().numbers.get(SANDBOX_SEQUENCE)
        box.inbox.clear()
        box.load(State(numbers={} if made is None else {SANDBOX_SEQUENCE: made}))
        start = sandbox.start if box.clock.rate == 0.0 else None
        box.clock = SandboxClock.make(box.clock.mode, engine.time.now(), box.clock.rate, start)
        if sandbox.grant:
            box.post(Entry(engine.now(box), Move.GRANT, sandbox.grant))
    return Reply({"cleared": cleared})


def take_snapshot(call: Call, engine: Engine) -> Reply:
    """Return the snapshot of a sandbox."""
    return Reply(snapshots.to_document(snapshots.take(call.box, engine), engine))


def restore_snapshot(call: Call, engine: Engine) -> Reply:
    """Replace the content of a sandbox by that of a snapshot."""
    saved = snapshots.from_document(call.body, engine)
    with call.box as box:
        copied = box.copy()
    made = copied().numbers.get(SANDBOX_SEQUENCE)
    if made is not None:
        saved.state.numbers[SANDBOX_SEQUENCE] = made
    snapshots.load(call.box, engine, saved)
    return get_sandbox(call, engine)


def fork_sandbox(call: Call, engine: Engine) -> Reply:
    """Create a sandbox with the content of another one."""
    saved = snapshots.take(call.box, engine)
    sandbox_id, real = call.body.get("id") or _free_id(engine), engine.time.now()
    copy = replace(
        saved.sandbox,
        id=sandbox_id,
        credentials=credentials_for(engine.contracts, engine.draw_key_seed()),
        grant=0,
        created_at=saved.clock.shown,
        expires_at=None,
    )
    saved.state.numbers.pop(SANDBOX_SEQUENCE, None)
    made = _open(engine, copy, SandboxClock.make(saved.clock.mode, real))
    snapshots.load(made, engine, saved)
    return Reply(describe(made, engine, call), status=201)
