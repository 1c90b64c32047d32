"""Faults in the pipeline: which one applies to a call, and how it changes the answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from swapmock.contracts import Behaviour, Contract
from swapmock.contracts.patterns import search
from swapmock.contracts.rows import Envelope
from swapmock.contracts.store import refusal_by_code, refusal_by_status, store_refusals
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.core.call import Call, Problem, still_holds, texts
from swapmock.mock_server.core.credits import to_credits
from swapmock.mock_server.core.faults import (
    CODE_TYPES,
    Effect,
    FaultRule,
    Moment,
    TooMuchWork,
    Turns,
    drawn_delay,
    matches,
    merged,
    read_effect,
    takes_turn,
    usual_moment,
    with_value,
)
from swapmock.mock_server.core.provider import VendorResponse
from swapmock.mock_server.core.sandbox import retry_after
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.prefer import read_prefer

log = logging.getLogger("swapmock")

#: The seconds that a dribbled answer takes, unless its rule has a delay.
DRIBBLE_SECONDS = 1.0

#: Paths that search (`$..seed`) are applied only to bodies up to this size in bytes: there may be a thousand rules.
MOST_SEARCHED = 65_536


class FaultHit(NamedTuple):
    """A fault that applies to a call.

    `name` is the rule's name. `refusal` is the error response that replaces the answer, if any. `headers` are
    added to an answer that is not replaced. `delay` is in real seconds."""

    name: str
    moment: Moment
    effect: Effect
    refusal: Problem | None
    delay: float
    headers: tuple[tuple[str, str], ...] = ()


class ConnectionLost(Exception):
    """A fault ends the connection before the handler is reached."""


@dataclass
class Subject:
    """The view of the call that fault rules have."""

    call: Call
    params: Mapping[str, Any]
    contract: Contract
    request_path: str

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.call.provider

    @property
    def operation(self) -> str:
        """The operationId."""
        return self.call.operation

    @property
    def headers(self) -> Mapping[str, str]:
        """The request headers, with names in lower case."""
        return self.call.headers

    @cached_property
    def _parsed(self) -> Any:
        try:
            return jsontext.loads(self.call.raw) if self.call.raw else None
        except ValueError:
            return None

    def body(self) -> Any:
        """The parsed body; None if it is not JSON."""
        return self._parsed

    @property
    def path(self) -> str:
        """The path of the request."""
        return self.request_path

    @property
    def model(self) -> str | None:
        """The model that the body names; without one, the code of the operation's tool."""
        named = self._parsed.get("model") if isinstance(self._parsed, dict) else None
        if isinstance(named, str):
            return named
        return self.contract.models_by_operation.get(self.operation)


def match_fault(call: Call, engine: Engine, path: str, query: str) -> FaultHit | None:
    """Return the fault that applies to `call`, which came to `path` with `query`: from its `Prefer` header, from a
    magic value, or from the first rule that takes its turn. None if no fault applies."""
    rules = call.box.faults()
    asks = call.box.sandbox.prefer_header and "prefer" in call.headers
    # The bytes of a file are no body with magic values in it, and may be many.
    is_file = call.digests is not None
    call.may_be_magic = names_magic = not is_file and b".invalid" in call.raw.lower()
    if not (rules or asks or names_magic):
        return None
    params = {**dict(parse_qsl(query, keep_blank_values=True, errors="replace")), **call.params}
    subject = Subject(call, params, engine.contracts[call.provider], path)

    for name, moment, effect in _requested(call, engine, subject, asks, names_magic):
        return _hit(name, moment, effect, call, engine)
    bounded = engine.jsonquery.bounded()

    def find(path: str, document: Any) -> Sequence[Any]:
        is_too_long = len(call.raw) > MOST_SEARCHED and document is subject.body() and engine.jsonquery.searches(path)
        return () if is_too_long else bounded.find(path, document)

    is_told = False
    for rule in rules:
        try:
            is_match = matches(rule.match, subject, find, search, bounded.text)
        except TooMuchWork:
            is_match = False
            if not is_told:
                log.warning("sandbox %s: the conditions of its fault rules take too long; from rule %s on, those that "
                            "search the body match nothing", call.box.sandbox.id, rule.id)  # fmt: skip
                is_told = True
        if is_match:
            found = _take_turn(rule, call, engine)
            if found is not None:
                return found
    return None


def _requested(
    call: Call, engine: Engine, subject: Subject, asks: bool, names_magic: bool
) -> Iterator[tuple[str, Moment, Effect]]:
    if asks:
        raw = read_prefer(call.headers["prefer"])
        if raw:
            effect = read_effect(raw)
            yield "prefer", _moment(raw, effect), effect
    if names_magic:
        behaviour = engine.contracts[call.provider].behaviour
        for _, text in texts(subject.body(), engine.contracts[call.provider].callback_fields):
            try:
                row = behaviour.magic_for(text)
            except ValueError:
                continue  # the handler refuses a misspelt magic value
            if row is not None and row.fault is not None and still_holds(call.box, text, row.times):
                effect = read_effect(row.fault)
                yield f"magic {text}", _moment(row.fault, effect), effect


def _moment(raw: Mapping[str, Any], effect: Effect) -> Moment:
    return Moment(raw["moment"]) if "moment" in raw else usual_moment(effect)


def _take_turn(rule: FaultRule, call: Call, engine: Engine) -> FaultHit | None:
    """Count a call that matches `rule`, and return the fault if the rule applies to this call. The call is counted
    in both cases."""
    box = call.box
    turns = box.turns(rule.id)
    found = None
    if takes_turn(rule, turns, box.sandbox.seed):
        found = _hit(rule.id, rule.moment, rule.effect, call, engine, turns.matched)
    box.set_turns(rule.id, Turns(turns.matched + 1, turns.struck + (found is not None)))
    return found


def _hit(name: str, moment: Moment, effect: Effect, call: Call, engine: Engine, number: int = 0) -> FaultHit | None:
    headers: tuple[tuple[str, str], ...] = ()
    if effect.rate_limit is not None:
        wait = call.box.take_rate(f"fault {name}", call.now, effect.rate_limit)
        if wait <= 0.0:
            return None
        headers = retry_after(effect.rate_limit.retry_after, wait, date_of(call, engine))
    elif effect.retry_after is not None:
        headers = retry_after(effect.retry_after[1], effect.retry_after[0], date_of(call, engine))
    refusal = _refusal(name, effect, call, engine, headers)
    delay = drawn_delay(effect, call.box.sandbox.seed, name, number)
    return FaultHit(name, moment, effect, refusal, delay, headers)


def _refusal(
    name: str, effect: Effect, call: Call, engine: Engine, headers: tuple[tuple[str, str], ...]
) -> Problem | None:
    """Return the error response that a fault asks for, if any. A code that the contract does not list is sent
    unchanged."""
    contract = engine.contracts[call.provider]
    behaviour = contract.behaviour
    if not effect.refuses or is_success(effect, behaviour):
        return None
    operation = contract.operations.get(call.operation)
    if operation is not None and operation.files:
        return _store_refusal(effect, headers)
    wanted = effect.refuse or ("rate_limited" if effect.rate_limit is not None and effect.code is None else "")
    code = effect.status if effect.code is None else effect.code
    row = behaviour.refusals.get(wanted) if wanted else behaviour.refusal_for(code or 0, call.operation)
    return Problem(
        "server_error" if row is None else row.problem,
        errors=[f"refused because of the fault {name}"],
        details={"balance": to_credits(engine.available(call.box))},
        headers=headers,
        code=effect.code if row is None else None,
        message=effect.message,
        http=effect.status if behaviour.envelope is None else None,
    )


def _store_refusal(effect: Effect, headers: tuple[tuple[str, str], ...]) -> Problem:
    """Return the error response of a file store that a fault asks for: by its name, its error code, or an HTTP
    status."""
    if effect.refuse is not None:
        name = effect.refuse if effect.refuse in store_refusals() else "unavailable"
        return Problem(name, message=effect.message, headers=headers)
    code = str(effect.code) if effect.code is not None else ""
    if code and not code.isdigit():
        row = refusal_by_code(code)
        name, unknown = ("server_error", code) if row is None else (row.name, None)
        return Problem(name, code=unknown, message=effect.message, headers=headers, http=effect.status)
    usual = 429 if effect.rate_limit is not None else 500
    status = effect.status or (int(code) if code and 300 <= int(code[:4]) <= 599 else usual)
    return Problem(refusal_by_status(status).name, message=effect.message, headers=headers, http=status)


def hit_by(name: str, raw: Mapping[str, Any], call: Call, engine: Engine) -> FaultHit | None:
    """Return the fault that a row of the contract defines; `raw` is the effect of a fault rule. None if its effect
    changes nothing."""
    effect = read_effect(raw)
    return _hit(name, _moment(raw, effect), effect, call, engine)


def date_of(call: Call, engine: Engine) -> float:
    """Return the Date of the answer, in epoch seconds: the machine's time, or the sandbox's if its `client_clock`
    says so."""
    return call.now if call.box.sandbox.client_clock == "sandbox" else engine.time.now()


def is_success(effect: Effect, behaviour: Behaviour) -> bool:
    """Return whether `effect` asks for the success code of the envelope, which changes nothing."""
    envelope = behaviour.envelope
    return effect.code is not None and envelope is not None and str(effect.code) == str(envelope.success)


def apply_to_response(hit: FaultHit, response: VendorResponse, envelope: Envelope | None) -> VendorResponse:
    """Return `response` with another status, another type of its code, or undocumented fields, as the fault says.
    `envelope` is that of the provider; without one there is no code to change."""
    effect, body = hit.effect, response.body
    if isinstance(body, dict):
        if effect.code_type is not None and envelope is not None and envelope.code in body:
            code = CODE_TYPES[effect.code_type](body[envelope.code], envelope.success)
            body = {**body, envelope.code: code}
        if effect.extra_fields is not None:
            body = _with_extra_fields(body, effect.extra_fields, envelope)
    for pointer, value in (effect.set or {}).items():
        body = with_value(body, pointer, value)
    headers = (*response.headers, *hit.headers) if hit.refusal is None else response.headers
    return VendorResponse(effect.status or response.status, body, response.code, headers)


def _with_extra_fields(body: Mapping[str, Any], extra: Mapping[str, Any], envelope: Envelope | None) -> dict[str, Any]:
    """Return `body` with undocumented fields at its top, and in the data of its `envelope` unless `extra` defines
    those."""
    found: dict[str, Any] = merged(body, extra)
    member = "" if envelope is None else envelope.data
    if isinstance(found.get(member), dict) and member not in extra:
        found[member] = merged(found[member], extra)
    return found


def apply_to_bytes(effect: Effect, body: bytes) -> bytes:
    """Return `body` made empty, shorter, or invalid JSON, as the fault says."""
    if effect.body == "empty" or not body:
        return b""
    if effect.body in ("truncated", "cut"):
        return body[: len(body) // 2]
    if effect.body == "malformed":
        return b"<" + body + b"}"
    return body
