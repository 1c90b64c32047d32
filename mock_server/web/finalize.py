"""Makes the bytes of an answer from a response: evidence header, check against the contract, cache, fault."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapmock.contracts import Operation
from swapmock.contracts.rows import Envelope
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.core.faults import Effect, Moment, Stall
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.provider import VendorResponse
from swapmock.mock_server.core.source import Bytes
from swapmock.mock_server.web.conditional import Piece
from swapmock.mock_server.web.content import Content, Pace
from swapmock.mock_server.web.context import RequestContext
from swapmock.mock_server.web.faults import DRIBBLE_SECONDS, FaultHit, apply_to_bytes, apply_to_response
from swapmock.mock_server.web.messages import Answer, content_length
from swapmock.mock_server.web.mounting import MountedApi
from swapmock.mock_server.web.recording import breaches
from swapmock.mock_server.web.replacements import replacement

JSON_HEADER = ("content-type", "application/json")

#: Statuses without a body: clients would read a body as the next answer (RFC 9112 6.3).
BODILESS = (204, 304)

#: The headers of almost every answer. This list is shared: never add to it.
JSON_HEADERS = [JSON_HEADER]

#: The most checked answers that are remembered, and the most bytes of one.
MOST_PROVEN, LONGEST_PROVEN = 1024, 4096


class Finalizer:
    """Makes answers from responses, and remembers which bytes are known to match the contract."""

    def __init__(self) -> None:
        #: Whether an answer matches the contract depends only on its bytes, so any entry may be dropped.
        self._proven: set[tuple[Operation, int, bytes]] = set()

    def finalize(self, context: RequestContext, response: VendorResponse) -> Answer:
        """Return the answer for `response`, checked against the contract. A fault that applies to this request
        changes it."""
        exchange, hit = context.exchange, context.hit
        if hit is not None and hit.refusal is not None and hit.moment is not Moment.BEFORE:
            response = context.api.provider.render_problem(hit.refusal, context.call.variants)
            exchange.problem = hit.refusal.name
        exchange.code = None if hit is not None and hit.effect.replacement else response.code
        if context.call.box.sandbox.evidence_header:
            response = with_evidence(context.api, exchange, context.operation.answer_evidence, response)
        if hit is not None:
            return _with_fault(hit, response, context.api.contract.behaviour.envelope)
        answer = to_bytes(response)
        self._check(context, response, answer.body)
        if context.cacheable is not None and not (exchange.drift or exchange.violations):
            keep = context.api.cache.keep
            keep(context.operation, context.request, context.call, context.cacheable, response, answer)
        return answer

    def _check(self, context: RequestContext, response: VendorResponse, body: bytes) -> None:
        """Check an answer against the contract. Polls of a finished task get the same bytes again and again: the
        same bytes are checked once."""
        status = response.contract_status or response.status
        is_repeatable = context.request.method == "GET" and len(body) <= LONGEST_PROVEN and not response.headers
        key = (context.operation, status, body) if is_repeatable else None
        if key in self._proven:
            return
        broken = context.operation.check_answer(status, response.body)
        if broken:
            context.exchange.drift = breaches(broken)
        elif key is not None:
            if len(self._proven) >= MOST_PROVEN:
                self._proven.clear()
            self._proven.add(key)


def _with_fault(hit: FaultHit, response: VendorResponse, envelope: Envelope | None) -> Answer:
    effect = hit.effect
    answer = replacement(effect, hit.headers) or to_bytes(apply_to_response(hit, response, envelope))
    connection_fault = effect.connection or ("break_off" if effect.body == "truncated" else "")
    delay = hit.delay or (DRIBBLE_SECONDS if connection_fault == "dribble" else 0.0)
    headers = [*answer.headers, content_length(answer)] if connection_fault == "break_off" else answer.headers
    if effect.content_type is not None:
        headers = [*(pair for pair in headers if pair[0] != "content-type"), ("content-type", effect.content_type)]
    changed = Answer(answer.status, headers, apply_to_bytes(effect, answer.body), delay, connection_fault)
    return _paced(changed, effect) if effect.stall is not None or effect.bandwidth else changed


def _paced(answer: Answer, effect: Effect) -> Answer:
    """Return the same answer with its body sent slowly."""
    if effect.connection or effect.body == "truncated":
        return answer  # the connection is already closed
    after, seconds = effect.stall or Stall(0, 0.0)
    pace = Pace(effect.bandwidth or 0, after, seconds)
    content = Content(Bytes(answer.body), (Piece(0, len(answer.body)),), pace=pace)
    return answer._replace(headers=[*answer.headers, content_length(answer)], content=content)


def with_evidence(
    api: MountedApi, exchange: Exchange, success_evidence: Mapping[str, str], response: VendorResponse
) -> VendorResponse:
    """Return `response` with two more headers: how far its behaviour can be trusted, and the id of its `exchange` in
    the journal.

    `success_evidence` is for every response except an error, which has its own evidence in the contract of `api`."""
    refusal = api.contract.behaviour.refusals.get(exchange.problem)
    trust = success_evidence if refusal is None else {"level": refusal.evidence, "source": refusal.source}
    text = "".join(c for c in f'{trust["level"]}; source="{trust["source"]}"' if " " <= c <= "~")
    own = (("x-swapmock-evidence", text), ("x-swapmock-request", exchange.id))
    return response._replace(headers=(*response.headers, *own))


def to_bytes(response: VendorResponse) -> Answer:
    """Return the answer for `response`: its body as JSON, unless its headers name another content type."""
    if response.body is None or response.status in BODILESS:
        return Answer(response.status, list(response.headers), b"")
    if not response.headers:
        body = response.body
        return Answer(response.status, JSON_HEADERS, body.text if isinstance(body, JsonText) else jsontext.dumps(body))
    if any(name == "content-type" for name, _ in response.headers):
        text = response.body.encode() if isinstance(response.body, str) else jsontext.dumps(response.body)
        return Answer(response.status, list(response.headers), text)
    return Answer(response.status, [JSON_HEADER, *response.headers], _json(response.body))


def _json(body: Any) -> bytes:
    return body.text if isinstance(body, JsonText) else jsontext.dumps(body)
