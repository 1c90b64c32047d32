"""Sentences that explain an answer, the state of a task, and the result of a delivery."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.contracts.store import store_refusals
from swapmock.mock_server.admin.clock import words_of
from swapmock.mock_server.admin.masking import masked
from swapmock.mock_server.admin.records import readable
from swapmock.mock_server.admin.unmatched import nearest_anywhere
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.journal import PREFLIGHT, Breach, Exchange, Transfer
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.suggest import nearest
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine


#: The rule that a request breaks if it sends a credential to a host that needs none.
CREDENTIAL = "credential"


def exchange_summary(exchange: Exchange, contract: Contract, engine: Engine) -> str:
    """Return one sentence about `exchange`: the operation of `contract`, the answer, and the last thing that decided
    the answer."""
    name = exchange.operation or f"{exchange.method} {exchange.target}"
    reasons = [text for text in steps(exchange, contract, engine) if not text.startswith("matched ")]
    decided = f": {reasons[-1]}" if reasons else ""
    return f"{name} {answer_text(exchange)}{decided}"


def answer_text(exchange: Exchange) -> str:
    """Return the answer as text: status, code and delay."""
    if exchange.status == 0:
        return "got no answer: a fault cut the connection on purpose"
    code = "" if exchange.code is None else f", code {exchange.code}"
    delay = f", delayed by {exchange.delay:g} s" if exchange.delay else ""
    return f"answered HTTP {exchange.status}{code}{delay}"


def steps(exchange: Exchange, contract: Contract, engine: Engine) -> Iterator[str]:
    """Yield the decisions of the pipeline about `exchange`, in order."""
    if not exchange.operation:
        near = nearest_operation(exchange, contract)
        yield f"no operation at {exchange.method} {exchange.target}" + (f"; nearest: {near}" if near else "")
        return
    if exchange.operation == PREFLIGHT:
        method = exchange.headers.get("access-control-request-method", "")
        origin = exchange.headers.get("origin", "")
        yield f"a browser asked, for a page of {origin}, whether it may send {method[:20]} (CORS); it may"
        return
    yield f"matched {exchange.operation}"
    for violation in violations(exchange, contract, engine):
        yield violation["detail"]
    if exchange.fault:
        yield f"fault {exchange.fault} was applied"
    if exchange.transfer is not None:
        yield _transfer(exchange.transfer)
    if exchange.problem and all(breach.rule == CREDENTIAL for breach in exchange.violations):
        row = contract.behaviour.refusals.get(exchange.problem) or store_refusals().get(exchange.problem)
        told = "" if row is None else f" ({row.code} {row.message})"
        yield f"refused as {exchange.problem}{told}"
    if exchange.drift:
        yield f"the answer of swapmock breaks the contract in {len(exchange.drift)} place(s)"


def _transfer(transfer: Transfer) -> str:
    """Return what was transferred of a file, as text."""
    which = f", {transfer.range}" if transfer.range else ""
    digest = f", SHA-256 {transfer.digest}" if transfer.digest else ""
    return f"a file of {transfer.length} bytes{which}: {transfer.sent} bytes of a body went over the connection{digest}"


def drawn(task: Task, engine: Engine) -> str:
    """Return how large the first file of a task is drawn, and what limits that; "" if its input asks for no size."""
    asked = engine.providers[task.provider].shape(task, engine, 0)
    if asked is None:
        return ""
    side, seconds = engine.max_media_side, engine.max_media_seconds
    shape = asked.within(side, seconds)
    size = f"{shape.width} by {shape.height} pixels" if shape.width else ""
    length = f"{shape.seconds} s" if shape.seconds else ""
    bounds = f"at most {side} pixels a side (--max-media-side), {seconds} s (--max-media-seconds) and H.264 level 5.2"
    return f"its file is drawn with {', '.join(filter(None, (size, length)))}; {bounds}"


def nearest_operation(exchange: Exchange, contract: Contract) -> str | None:
    """Return the operation that the client probably meant: the same path with another method, else the most similar
    path."""
    path = exchange.target.partition("?")[0]
    here = [o for o in contract.operations.values() if o.pattern.fullmatch(path)]
    if here:
        return ", ".join(f"{o.method} {o.path}" for o in here)
    near = nearest_anywhere(exchange.method, path, {contract.name: contract})
    return None if near is None else f"{near.operation.method} {near.operation.path}"


def credential(exchange: Exchange, box: Box, contract: Contract) -> dict[str, Any]:
    """Return the credential of the request `exchange`, masked, and the sandbox that it belongs to; `box` is the open
    sandbox."""
    form = contract.behaviour.credential_form
    expected = () if form is None else form.headers
    shown = {name: masked(exchange.headers[name.lower()]) for name in expected if name.lower() in exchange.headers}
    keys = {c.key for c in box.sandbox.credentials if c.provider == exchange.provider}
    if exchange.problem != "key_unknown":  # an exchange from a snapshot has the masked key
        keys |= {masked(key) for key in keys}
    right = form is not None and form.key_in(exchange.headers) in keys
    return {
        "shown": shown,
        "expected": sorted(expected),
        "belongs_to": box.sandbox.id if right else None,
        "problem": exchange.problem if exchange.problem.startswith(("key_", "secret_")) else None,
    }


def violations(exchange: Exchange, contract: Contract, engine: Engine) -> list[dict[str, Any]]:
    """Return the violations of the contract, each with the nearest alternative among the sent or the known names."""
    body = readable(exchange.body, engine)
    return [_violation(breach, body, exchange, contract) for breach in exchange.violations]


def _violation(breach: Breach, body: Any, exchange: Exchange, contract: Contract) -> dict[str, Any]:
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in breach.place[1:])
    field = str(breach.place[-1])
    near = _nearest(breach, body, contract, exchange)
    found: dict[str, Any] = {"in": breach.place[0], "pointer": pointer, "rule": breach.rule, "nearest": near}
    if breach.rule == CREDENTIAL:
        found["detail"] = f"`{field}` was sent to another host than the vendor's API ({breach.expected}): leave it out"
    elif breach.rule == "required":
        found["detail"] = f"`{field}` is missing" + (f"; you sent `{near}`" if near else "")
    elif breach.rule == "additionalProperties":
        found["detail"] = f"`{field}` is not a known field" + (f"; did you mean `{near}`?" if near else "")
    elif breach.rule == "listed":
        found |= {"expected": breach.expected, "got": breach.got}
        found["detail"] = f"`{field}` is {_shown(breach.got)}, which no list has; it was taken all the same" + (
            f"; nearest: `{near}`" if near else ""
        )
    elif breach.rule == "discriminator":
        found["detail"] = f"`{field}` is {_shown(breach.got)}, which does not exist" + (
            f"; nearest: `{near}`" if near else ""
        )
    else:
        found |= {"expected": breach.expected, "got": breach.got}
        found["detail"] = f"`{field}` breaks {breach.rule} {_shown(breach.expected)}: {_shown(breach.got)}" + (
            f"; nearest: `{near}`" if near else ""
        )
    return found


def _nearest(breach: Breach, body: Any, contract: Contract, exchange: Exchange) -> str | None:
    field = str(breach.place[-1])
    if breach.rule == "required":
        parent = _at(body, breach.place[1:-1]) if breach.place[0] == "body" else _query_of(exchange)
        known = _known_fields(exchange, contract)
        sent = [name for name in parent if name not in known] if isinstance(parent, dict) else []
        return nearest(field, sent)
    if breach.rule == "additionalProperties":
        return nearest(field, _known_fields(exchange, contract))
    if breach.rule in ("enum", "discriminator", "listed") and isinstance(breach.got, str):
        return nearest(breach.got, map(str, breach.expected))
    return None


def _query_of(exchange: Exchange) -> dict[str, str]:
    pairs = exchange.target.partition("?")[2].split("&")
    return dict.fromkeys((pair.partition("=")[0] for pair in pairs if pair), "")


def _known_fields(exchange: Exchange, contract: Contract) -> set[str]:
    """Return the names of all fields and parameters of the operation's request, at any depth."""
    operation = contract.operations[exchange.operation]
    found = {str(parameter["name"]) for parameter in operation.parameters}
    if operation.takes_json:
        _collect(operation.body_schema, contract, found, 0)
    return found


def _collect(schema: Any, contract: Contract, found: set[str], depth: int) -> None:
    schema = contract.resolve(schema)
    if depth > 4 or not isinstance(schema, Mapping):
        return
    found.update(schema.get("properties", ()))
    for part in (*schema.get("properties", {}).values(), *schema.get("oneOf", ()), schema.get("items")):
        _collect(part, contract, found, depth + 1)


def _at(value: Any, place: tuple[str | int, ...]) -> Any:
    for step in place:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def task_summary(task: Task, now: float, engine: Engine) -> str:
    """Return one sentence about a task: state, scenario, failure and times."""
    word = words_of(task, engine).get(task.phase(now), task.phase(now))
    end = "it never ends" if task.ends_at is None else f"it ends at {format_timestamp(task.ends_at)}"
    why = "" if task.failure is None else f" with {task.failure.code} {task.failure.message!r}"
    return f"task {task.id} is {word}: scenario {task.scenario}{why}; created at {format_timestamp(task.created_at)} by {task.cause}, {end}"


def delivery_summary(delivery: Delivery) -> str:
    """Return one sentence about a delivery: state, attempts and last failure."""
    last = delivery.attempts[-1].failure if delivery.attempts else "no attempt was made"
    then = "" if delivery.next_due is None else f"; next due at {format_timestamp(delivery.next_due)}"
    why = f": {last}" if last else ""
    if delivery.callback_fault:
        why += f" (callback fault: {delivery.callback_fault})"
    return f"delivery {delivery.id} of task {delivery.task} is {delivery.state} after {len(delivery.attempts)} attempt(s){why}{then}"


def attempt_text(attempt: Attempt) -> str:
    """Return one attempt as text."""
    result = attempt.failure or "acknowledged"
    then = "" if attempt.next_due is None else f"; next due at {format_timestamp(attempt.next_due)}"
    return f"callback attempt {attempt.attempt} to {attempt.url}: {result}{then}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
