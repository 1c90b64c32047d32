"""Fault rules: adds, lists and removes them."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.contracts import patterns
from swapmock.contracts.store import store_refusals
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import invalid, not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.faults import Effect, FaultRule, Match, Moment, read_effect, usual_moment, written_effect
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.suggest import nearest

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


#: The most fault rules of a sandbox (every call is compared with every rule), and the most bytes of a request to add
#: one.
MAX_RULES, MAX_RULE_BYTES = 1000, 65_536


def add_fault(call: Call, engine: Engine) -> Reply:
    """Add a fault rule."""
    given = call.body
    if len(call.raw) > MAX_RULE_BYTES:
        raise Problem("too_large", message=f"a fault rule may have at most {MAX_RULE_BYTES} bytes")
    match = read_match(given.get("match", {}), engine)
    check_effect(given["effect"], match.provider, engine)
    effect = read_effect(given["effect"])
    moment = Moment(given["moment"]) if "moment" in given else usual_moment(effect)
    with call.box as box:
        if box.counts()["faults"] >= MAX_RULES:
            raise Problem("conflict", message=f"there are {MAX_RULES} faults already; delete some first")
        rule_id = given.get("id") or _free_id(box)
        if any(rule.id == rule_id for rule in box.faults()):
            raise Problem("conflict", message=f"there is a fault {rule_id!r} already; delete it first")
        times = given.get("times", given.get("match", {}).get("times"))
        rule = FaultRule(rule_id, effect, match, moment, times)
        box.put_fault(rule)
        return Reply(fault_row(rule, box, Mask(engine, box.sandbox)), status=201)


def _free_id(box: Box) -> str:
    taken = {rule.id for rule in box.faults()}
    while True:
        made = f"fault-{box.next_number('fault')}"
        if made not in taken:
            return made


def read_match(given: Mapping[str, Any], engine: Engine) -> Match:
    """Return the match of a rule. Raises Problem `invalid` if it names something that does not exist, because it
    could never match."""
    contracts = engine.contracts
    if "provider" in given:
        check_known(given["provider"], contracts, ("match", "provider"), "provider")
    providers = [given["provider"]] if "provider" in given else list(contracts)
    if "operation" in given:
        operations = [name for provider in providers for name in contracts[provider].operations]
        check_known(given["operation"], operations, ("match", "operation"), "operation")
    for part in ("body", "headers", "params"):
        for path, condition in given.get(part, {}).items():
            try:
                if path[:1] in ("$", "/"):
                    engine.jsonquery.check(path)
                _check_condition(condition)
            except ValueError as error:
                raise invalid(("match", part, path), str(error)) from None
    try:
        _check_condition(given.get("path"))
    except ValueError as error:
        raise invalid(("match", "path"), str(error)) from None
    values = {name: value for name, value in given.items() if name != "times"}
    if "headers" in values:
        values["headers"] = {
            name if name[:1] in ("$", "/") else name.lower(): value for name, value in values["headers"].items()
        }
    return Match(**values)


def _check_condition(condition: Any) -> None:
    """Raise ValueError for a pattern that is not a regular expression with limited cost."""
    if isinstance(condition, Mapping) and condition.keys() == {"matches"}:
        patterns.check(str(condition["matches"]))


def check_known(name: str, known: Any, place: tuple[str, ...], what: str) -> None:
    """Raise Problem `invalid` at `place` unless `name` is one of `known`; `what` says what kind of name it is."""
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}?" if near is not None else f"known: {', '.join(sorted(known))}"
        raise invalid(place, f"no {what} {name[:60]!r}; {hint}", "enum")


#: The error codes of the file stores.
STORE_CODES = frozenset(row.code for row in store_refusals().values())

#: The longest delay or stall, in real seconds.
MAX_DELAY = 600.0


def check_effect(effect: Mapping[str, Any], provider: str | None, engine: Engine) -> None:
    """Raise Problem `invalid` if an effect names something that does not exist, or has no effect."""
    contracts = [engine.contracts[provider]] if provider is not None else list(engine.contracts.values())
    has_store = any(contract.behaviour.uploads for contract in contracts)
    if "code" in effect and "message" not in effect:
        own = {code for contract in contracts for code in contract.behaviour.codes}
        codes = sorted(own | (STORE_CODES if has_store else frozenset()))
        if str(effect["code"]) not in codes:
            listed = f"known: {', '.join(codes)}; an unknown code needs a `message`"
            raise invalid(("effect", "code"), f"no body code {effect['code']!r}; {listed}", "enum")
    refuse = effect.get("refuse")
    if refuse is not None and not any(refuse in contract.behaviour.refusals for contract in contracts):
        known = {name for c in contracts for name in c.behaviour.refusals}
        known |= set(store_refusals() if has_store else ())
        check_known(refuse, known, ("effect", "refuse"), "refusal")
    try:
        read = read_effect(effect)
    except binascii.Error as error:
        raise invalid(("effect", "raw", "base64"), f"is not base64: {error}") from None
    if read.delay[0] > read.delay[1]:
        raise invalid(("effect", "delay"), "the first number of the range should not be above the second")
    if read.delay[1] > MAX_DELAY:
        raise invalid(("effect", "delay"), f"should be at most {MAX_DELAY:g} seconds", "maximum")
    if read.stall is not None and read.stall.seconds > MAX_DELAY:
        raise invalid(("effect", "stall"), f"should be at most {MAX_DELAY:g} seconds", "maximum")
    if read._replace(message=None) == Effect():
        raise invalid(("effect",), "does nothing")


def fault_row(rule: FaultRule, box: Box, mask: Mask) -> dict[str, Any]:
    """Return a rule of an open box as answers show it."""
    matched, struck = box.turns(rule.id)
    match = {name: value for name, value in encode(rule.match).items() if value not in (None, {})}
    return {
        "id": rule.id,
        "match": mask.value(match),
        "moment": rule.moment.value,
        "times": rule.times,
        "effect": written_effect(rule.effect),
        "matched": matched,
        "struck": struck,
    }


def list_faults(call: Call, engine: Engine) -> Reply:
    """Return all fault rules."""
    with call.box as box:
        return Reply({"faults": [fault_row(rule, box, Mask(engine, box.sandbox)) for rule in box.faults()]})


def get_fault(call: Call, engine: Engine) -> Reply:
    """Return one fault rule."""
    with call.box as box:
        for rule in box.faults():
            if rule.id == call.params["fault"]:
                return Reply(fault_row(rule, box, Mask(engine, box.sandbox)))
    raise not_found("fault", call.params["fault"])


def delete_fault(call: Call, engine: Engine) -> Reply:
    """Remove one fault rule."""
    with call.box as box:
        if not box.drop_fault(call.params["fault"]):
            raise not_found("fault", call.params["fault"])
    return Reply({"deleted": call.params["fault"]})


def clear_faults(call: Call, engine: Engine) -> Reply:
    """Remove all fault rules."""
    with call.box as box:
        rules = box.faults()
        for rule in rules:
            box.drop_fault(rule.id)
    return Reply({"cleared": {"faults": len(rules)}})
