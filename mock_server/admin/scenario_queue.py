"""The queue of scenarios for the next tasks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.faults import check_known
from swapmock.mock_server.admin.wire import invalid
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.queue import Queued

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine


#: The most scenarios in the queue of a sandbox.
MAX_QUEUED = 10_000


def steps_of(name: str, providers: list[str], engine: Engine) -> tuple[str, ...]:
    """Return the scenarios that a name means for one of `providers`: a scenario, or the steps of a series. Raises
    Problem `invalid` with the known names."""
    plain = "_".join(name.lower().replace("-", " ").split())
    known: dict[str, tuple[str, ...]] = {}
    for provider in providers:
        rules = engine.contracts[provider].behaviour
        known |= {scenario: (scenario,) for scenario in rules.scenarios}
        known |= {series.name: series.steps for series in rules.series.values()}
    if plain not in known:
        raise invalid(("scenario",), f"no scenario {name[:60]!r}; known: {', '.join(sorted(known))}", "enum")
    return known[plain]


def queue_scenario(call: Call, engine: Engine) -> Reply:
    """Queue a scenario for the next matching tasks."""
    order: Mapping[str, Any] = call.body
    if "provider" in order:
        check_known(order["provider"], engine.contracts, ("provider",), "provider")
    providers = _providers(order, engine)
    names = [order["scenario"]] if isinstance(order["scenario"], str) else order["scenario"]
    steps = [step for name in names for step in steps_of(name, providers, engine)]
    if "model" in order:
        check_known(order["model"], {m for p in providers for m in models_of(engine.contracts[p])}, ("model",), "model")
    if "kind" in order:
        order = {**order, "kind": None, **_kind(order["kind"], providers, engine)}
    if "code" in order or "message" in order:
        _check_words(order, steps, providers, engine)
    chosen = {name: order.get(name) for name in ("provider", "kind", "operation", "model", "code", "message")}
    times = order.get("times", 1)
    with call.box as box:
        waiting = box.counts()["queue"]
        if waiting + times * len(steps) > MAX_QUEUED:
            message = f"the queue may hold {MAX_QUEUED} scenarios; {waiting} wait already, and this request adds {times * len(steps)}"
            raise Problem("conflict", message=message)
        for _ in range(times):
            for step in steps:
                box.enqueue(Queued(id=f"q{box.next_number('queue')}", scenario=step, **chosen))
        return Reply(_shown(box), status=201)


def check_queued(item: Queued, engine: Engine) -> None:
    """Raise Problem `invalid` unless `queue_scenario` could have queued `item`."""
    order = {name: value for name, value in item._asdict().items() if value is not None}
    if item.provider is not None:
        check_known(item.provider, engine.contracts, ("provider",), "provider")
    providers = _providers(order, engine)
    if steps_of(item.scenario, providers, engine) != (item.scenario,):
        raise invalid(("scenario",), "should be a scenario, not a series", "enum")
    contracts = [engine.contracts[provider] for provider in providers]
    if item.model is not None:
        check_known(item.model, {model for contract in contracts for model in models_of(contract)}, ("model",), "model")
    if item.kind is not None:
        check_known(
            item.kind, {kind for contract in contracts for kind in kinds_of(contract)}, ("kind",), "kind of task"
        )
    if "code" in order or "message" in order:
        _check_words(order, [item.scenario], providers, engine)


def kinds_of(contract: Contract) -> set[str]:
    """Return the kinds of tasks of a provider."""
    return set(contract.task_kinds)


def models_of(contract: Contract) -> set[str]:
    """Return the possible values of `Task.model` for a provider: the names of its models, or the codes of its tools."""
    return set(contract.models)


def _kind(name: str, providers: list[str], engine: Engine) -> dict[str, str]:
    """Return the field of the queue entry that a word for a kind of task means: `kind`, `operation` or `model`."""
    contracts = [engine.contracts[provider] for provider in providers]
    kinds = {kind for contract in contracts for kind in kinds_of(contract)}
    words = {provider: engine.contracts[provider].behaviour.kind_words.get(name) for provider in providers}
    if name in kinds:
        return {"kind": name}
    word = words[providers[0]]
    if len(providers) == 1 and word is not None:
        return {"kind": word}
    if any(name in contract.operations for contract in contracts):
        return {"operation": name}
    if any(name in models_of(contract) for contract in contracts):
        return {"model": name}
    if any(words.values()):
        meant = " and ".join(f"{word!r} of {provider}" for provider, word in words.items() if word)
        raise invalid(("kind",), f"{name!r} means {meant}: also give the `provider`, or use one of these kinds", "enum")
    check_known(name, kinds, ("kind",), "kind of task")
    return {"kind": name}


def _check_words(order: Mapping[str, Any], steps: Sequence[str], providers: list[str], engine: Engine) -> None:
    """Raise Problem `invalid` if no scenario fails (only a failure has code and message), or if no vendor has the
    code."""
    field = "code" if "code" in order else "message"
    rules = [engine.contracts[provider].behaviour for provider in providers]
    if not any(step in r.scenarios and r.scenarios[step].fails is not None for r in rules for step in steps):
        said = ", ".join(dict.fromkeys(steps))
        raise invalid((field,), f"{said} does not fail: only a failure has a code and a message")
    codes = {code for rule in rules for code in rule.codes}
    if "code" in order and str(order["code"]) not in codes:
        raise invalid(("code",), f"no body code {order['code']!r}; known: {', '.join(sorted(codes))}", "enum")


def _providers(order: Mapping[str, Any], engine: Engine) -> list[str]:
    """Return the providers that a queue entry can be for."""
    wanted = [order["provider"]] if "provider" in order else list(engine.contracts)
    if "operation" not in order:
        return wanted
    having = [name for name in wanted if order["operation"] in engine.contracts[name].operations]
    if not having:
        known = [operation for name in wanted for operation in engine.contracts[name].operations]
        check_known(order["operation"], known, ("operation",), "operation")
    return having


def _shown(box: Box) -> dict[str, Any]:
    return {"queue": [encode(item) for item in box.queue()]}


def list_queue(call: Call, engine: Engine) -> Reply:
    """Return the queued scenarios."""
    with call.box as box:
        return Reply(_shown(box))


def clear_queue(call: Call, engine: Engine) -> Reply:
    """Remove all queued scenarios."""
    with call.box as box:
        waiting = box.queue()
        for item in waiting:
            box.dequeue(item.id)
    return Reply({"cleared": {"queue": len(waiting)}})
