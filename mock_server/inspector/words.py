"""Short sentences about what is wrong, for each exchange, violation, delivery and task, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin import explanations
from swapmock.mock_server.core.delivery import Delivery, DeliveryState
from swapmock.mock_server.core.journal import PREFLIGHT, Exchange
from swapmock.mock_server.core.task import Phase, Task
from swapmock.mock_server.inspector.languages import N_, Translate
from swapmock.mock_server.inspector.sentences import translated

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine

#: The tones of a result, with the sign beside the colour.
SIGNS: Mapping[str, str] = {"good": "✓", "bad": "✗", "wait": "…", "note": "!", "fault": "⚡"}

#: The phase of a task -> its tone.
PHASE_TONES: Mapping[str, str] = {
    Phase.QUEUED: "wait",
    Phase.RUNNING: "wait",
    Phase.SUCCEEDED: "good",
    Phase.FAILED: "bad",
}

#: The state of a delivery -> its tone and its meaning.
DELIVERY_WORDS: Mapping[str, tuple[str, str]] = {
    DeliveryState.PENDING: ("wait", N_("another attempt is due")),
    DeliveryState.ACKNOWLEDGED: ("good", N_("the receiver acknowledged it")),
    DeliveryState.DEAD: ("bad", N_("no attempt is left; the receiver never acknowledged it")),
    DeliveryState.BLOCKED: ("bad", N_("nothing was sent: this receiver may not be called")),
    DeliveryState.WITHHELD: ("fault", N_("a callback fault withheld it on purpose")),
}


def exchange_tone(exchange: Exchange) -> str:
    """Return `good`, `bad`, or `fault` for an answer that a fault made."""
    if exchange.fault or exchange.status == 0:
        return "fault"
    code = str(exchange.code) if exchange.code is not None else str(exchange.status)
    return "good" if exchange.status < 400 and code[:1] in ("2", "3") else "bad"


def exchange_headline(exchange: Exchange, contract: Contract, engine: Engine, _: Translate) -> str:
    """Return what decided the answer to `exchange`; "" for a plain success. `contract` is that of its provider, `_`
    translates."""
    if exchange.status == 0:
        return _("No answer: the fault `%(fault)s` cut the connection on purpose.") % {"fault": exchange.fault}
    if not exchange.operation:
        near = explanations.nearest_operation(exchange, contract)
        if near is None:
            return _("No operation has this path.")
        return _("No operation has this path. The nearest is `%(near)s`.") % {"near": near}
    if exchange.operation == PREFLIGHT:
        return _("A browser asked whether a page of another origin may send this. It may.")
    if exchange.violations:
        found = explanations.violations(exchange, contract, engine)
        more = len(found) - 1
        text = violation_text(found[0], _)
        return text if not more else _("%(text)s And %(count)d more.") % {"text": text, "count": more}
    if exchange.fault:
        return _("The fault `%(fault)s` made this answer on purpose.") % {"fault": exchange.fault}
    if exchange.problem:
        row = contract.behaviour.refusals.get(exchange.problem)
        said = "" if row is None else f"{row.code} {row.message}"
        return _("Refused as %(problem)s: %(said)s") % {"problem": exchange.problem, "said": said}
    if exchange.drift:
        return _("This answer of swapmock breaks the contract. This is a bug in swapmock.")
    return ""


def violation_text(violation: Mapping[str, Any], _: Translate) -> str:
    """Return what is wrong with one value of a request. `violation` is an item of `explanations.violations`."""
    field = violation["pointer"].rpartition("/")[2] or violation["in"]
    near = violation.get("nearest")
    told = {"field": field, "near": near}
    if violation["rule"] == "required":
        if near:
            return _("`%(field)s` is missing. You sent `%(near)s`.") % told
        return _("`%(field)s` is missing.") % told
    if violation["rule"] == "additionalProperties":
        if near:
            return _("`%(field)s` is not a known field. Did you mean `%(near)s`?") % told
        return _("`%(field)s` is not a known field.") % told
    if violation["rule"] == "discriminator" and near:
        return _("`%(field)s` has a value that does not exist. Did you mean `%(near)s`?") % told
    return _("`%(field)s` is wrong: %(detail)s.") % {**told, "detail": translated(violation["detail"], _)}


def delivery_headline(delivery: Delivery, _: Translate) -> str:
    """Return the state of a delivery, with the reason of its last failure."""
    _tone, meaning = DELIVERY_WORDS[delivery.state]
    last = translated(delivery.attempts[-1].failure, _) if delivery.attempts else ""
    text = _(meaning)
    text = text[:1].upper() + text[1:]
    return f"{text} ({last})" if last and delivery.state is not DeliveryState.ACKNOWLEDGED else text


def task_headline(task: Task, now: float, _: Translate) -> str:
    """Return how a task ends, as text."""
    phase = task.phase(now)
    if task.ends_at is None:
        return _("The scenario %(scenario)s never ends this task.") % {"scenario": task.scenario}
    if phase is Phase.FAILED and task.failure is not None:
        told = {"code": task.failure.code, "message": task.failure.message, "scenario": task.scenario}
        return _("Failed with %(code)s “%(message)s”, as the scenario %(scenario)s says.") % told
    if phase is Phase.SUCCEEDED:
        return _("Succeeded.")
    told = {"scenario": task.scenario, "seconds": f"{task.ends_at - now:.3g}"}
    if task.failure is not None:
        return _("Fails in %(seconds)s s of sandbox time, as the scenario %(scenario)s says.") % told
    return _("Succeeds in %(seconds)s s of sandbox time.") % told
