"""How a request walks: match, open the sandbox, authenticate, fault, rate, parse, validate, handle, self-check, note.

Every asgi_app (WSGI, ASGI, Flask's views) makes a `Request`, asks for a `RouteMatch`, and writes the `Answer`. The order of the
stages between opening and answering is the provider's, from `order` in its behaviour.yaml.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from swapmock.contracts import Contract, Operation, Violation
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.core.call import Cacheable, Call, Problem, Reply
from swapmock.mock_server.core.faults import Moment
from swapmock.mock_server.core.journal import Breach, Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.provider import Identity, Provider, VendorResponse
from swapmock.mock_server.core.sandbox import retry_after
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.cache import CachedResponse, ResponseCache
from swapmock.mock_server.web.faults import (
    DRIBBLE_SECONDS,
    ConnectionLost,
    FaultHit,
    apply_to_bytes,
    apply_to_response,
    match_fault,
)
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.parsing import is_json, parsed_query

log = logging.getLogger("swapmock")

JSON_HEADER = ("content-type", "application/json")

#: Statuses that have no body: clients take one for the next answer (RFC 9112 6.3).
BODILESS = (204, 304)

#: The headers of almost every answer; never added to.
JSON_HEADERS = [JSON_HEADER]

#: How many answers are remembered as checked, and up to which length.
MOST_PROVEN, LONGEST_PROVEN = 1024, 4096

#: Of how many paths it is remembered where they lead, and up to which length, in characters.
MOST_PATHS, LONGEST_PATH = 1024, 200

#: Of a longer body the journal keeps the first bytes only.
KEPT_BYTES = 65_536

#: Of a longer value that breaks the contract the journal keeps the first bytes of its text only.
KEPT_VALUE = 1000


class RouteMatch(NamedTuple):
    """Where a request goes: an operation of a api, or (None) nowhere in it."""

    api: MountedApi
    operation: Operation | None
    params: dict[str, str]

    @property
    def limit(self) -> int:
        """The most bytes of a body that are read."""
        return self.api.limit_of(self.operation)

    @property
    def too_long(self) -> str:
        """What is said of a body with more."""
        return f"larger than {self.limit} bytes{self.api.allows_more(self.operation)}"


@dataclass(slots=True)
class RequestContext:
    """A request on its way."""

    request: Request
    operation: Operation
    call: Call
    identity: Identity
    exchange: Exchange
    hit: FaultHit | None = None
    cacheable: Cacheable | None = None
    cached: CachedResponse | None = None


class MountedApi:
    """A provider's contract and handlers, joined; building it fails if one of them lacks what the other has."""

    def __init__(
        self,
        contract: Contract,
        provider: Provider,
        engine: Engine,
        *,
        is_admin: bool = False,
        max_body: int | None = None,
        max_upload: int | None = None,
    ) -> None:
        missing = contract.operations.keys() - provider.handlers.keys()
        surplus = provider.handlers.keys() - contract.operations.keys()
        if missing or surplus:
            raise LookupError(f"{contract.name}: operations without a handler {sorted(missing)}, "
                              f"handlers without an operation {sorted(surplus)}")  # fmt: skip
        self.contract = contract
        self.provider = provider
        self.prefix = contract.behaviour.prefix
        self.stages = _stages(contract.behaviour.order)
        self.cache = ResponseCache(engine.store)
        self.engine = engine
        self.is_admin = is_admin
        self._json_limit = max_body or contract.behaviour.limit("body_bytes")
        self._upload_limit = max_upload or contract.behaviour.limit("upload_bytes")

    def match(self, method: str, path: str) -> RouteMatch | None:
        found = self.contract.find(method, path)
        if found is not None:
            return RouteMatch(self, *found)
        if path.startswith(self.prefix) or self.contract.knows_path(path):
            return RouteMatch(self, None, {})
        return None

    def limit_of(self, operation: Operation | None) -> int:
        return self._upload_limit if _is_upload(operation) else self._json_limit

    def allows_more(self, operation: Operation | None) -> str:
        """How to raise the limit of an operation, if it can be."""
        if self.is_admin:
            return ""
        return f"; {'--max-upload' if _is_upload(operation) else '--max-body'} allows more"


def _is_upload(operation: Operation | None) -> bool:
    return operation is not None and operation.body_spec is not None and not operation.takes_json


class Pipeline:
    """`on_drift` is told of every answer of ours that breaks the contract."""

    def __init__(
        self, engine: Engine, apis: Sequence[MountedApi], default_sandbox: str, on_drift: Callable[[Exchange], None]
    ) -> None:
        self.engine = engine
        self.apis = tuple(apis)
        self._known = lru_cache(MOST_PATHS)(self._find)
        self._default = default_sandbox
        #: Where the vendors' apis are, if not where this pipeline is asked.
        self.vendor_url = ""
        self._on_drift = on_drift
        #: Answers that were found to keep the contract. It depends on their bytes alone, so any of them may be forgotten.
        self._proven: set[tuple[Operation, int, bytes]] = set()

    def match(self, method: str, path: str) -> RouteMatch | None:
        """Where a request goes; None if it is no business of any contract."""
        return self._known(method, path) if len(path) <= LONGEST_PATH else self._find(method, path)

    def _find(self, method: str, path: str) -> RouteMatch | None:
        for api in self.apis:
            target = api.match(method, path)
            if target is not None:
                return target
        return None

    def answer(self, target: RouteMatch, request: Request) -> Answer:
        if target.api.is_admin:
            return self._administer(target, request)
        api, operation, params = target
        provider, engine = api.provider, self.engine
        began = engine.time.now()
        engine.sweep(began)
        is_public = operation is not None and operation.is_public
        shown = {**parsed_query(request), **params} if provider.reads_query and request.query else params
        identity = provider.authenticate(is_public, request.headers, shown, engine.store)
        with self._open(identity.sandbox) as box:
            now = engine.now(box)
            engine.run_due(box, now)
            exchange = _exchange(box, now, provider.name, operation, request)
            # What is public is no part of the vendor's API (the store behind uploads): it speaks plain HTTP.
            variants = api.contract.behaviour.defaults if is_public else box.sandbox.variants[provider.name]
            base_url = engine.public_url or request.base_url
            call = Call(
                exchange.operation, params, None, request.body, request.headers, box, now, variants, base_url,
                exchange.id, provider.name,
            )  # fmt: skip
            exchange.base_url = base_url
            if operation is None:
                exchange.problem = "endpoint_not_found"
                response = provider.render_problem(Problem("endpoint_not_found"), variants)
                if box.sandbox.evidence_header:
                    response = _with_evidence(api, exchange, {}, response)
                answer = _to_bytes(response)
            else:
                context = RequestContext(request, operation, call, identity, exchange)
                answer = self._finalize(api, context, self._run_stages(api, operation, context))
            exchange.answer, exchange.delay = answer.body[:KEPT_BYTES], answer.delay
            exchange.status = 0 if answer.wire in ("reset", "hang_up") else answer.status
            exchange.answer_headers, exchange.task = tuple(answer.headers), call.task
            box.record(exchange)
            before_send = engine.claim_before_reply(box, call.task) if call.callback_first else []
        if exchange.drift:
            self._on_drift(exchange)
        self._count(exchange, box, engine.time.now() - began)
        if before_send:
            return answer._replace(first=partial(engine.dispatcher.deliver, engine, box.sandbox.id, before_send))
        return answer

    def _count(self, exchange: Exchange, box: Box, seconds: float) -> None:
        code = exchange.status if exchange.code is None else exchange.code
        self.engine.meter.answered(exchange.provider, exchange.operation or "unmatched", str(code), seconds)
        if log.isEnabledFor(logging.INFO):
            facts = {
                "request": exchange.id,
                "task": exchange.task,
                "sandbox": box.sandbox.id,
                "operation": exchange.operation,
                "status": exchange.status,
                "code": exchange.code,
                "seconds": round(seconds, 6),
            }
            path = Mask(self.engine, box.sandbox).text(exchange.target.partition("?")[0])
            log.info("%s %s", exchange.method, path, extra=facts)

    def _finalize(self, api: MountedApi, context: RequestContext, response: VendorResponse) -> Answer:
        """The answer as bytes: held to the contract if it is ours, spoilt if a fault hit."""
        exchange, hit = context.exchange, context.hit
        if hit is not None and hit.refusal is not None and hit.moment is not Moment.BEFORE:
            response = api.provider.render_problem(hit.refusal, context.call.variants)
            exchange.problem = hit.refusal.name
        exchange.code = response.code
        if context.call.box.sandbox.evidence_header:
            response = _with_evidence(api, exchange, context.operation.answer_evidence, response)
        if hit is None:
            if context.cached is not None:
                return context.cached.answer
            answer = _to_bytes(response)
            self._check(context, response, answer.body)
            if context.cacheable is not None and not (exchange.drift or exchange.violations):
                api.cache.keep(context.operation, context.request, context.call, context.cacheable, response, answer)
            return answer
        answer = _to_bytes(apply_to_response(hit, response))
        wire = hit.effect.connection or ""
        delay = hit.delay or (DRIBBLE_SECONDS if wire == "dribble" else 0.0)
        return Answer(answer.status, answer.headers, apply_to_bytes(hit.effect, answer.body), delay, wire)

    def _check(self, context: RequestContext, response: VendorResponse, body: bytes) -> None:
        """Hold an answer to the contract. Polls of a settled task give the same bytes again and again: the same bytes
        are checked once."""
        status = response.contract_status or response.status
        key = (context.operation, status, body)
        is_repeatable = context.request.method == "GET" and len(body) <= LONGEST_PROVEN and not response.headers
        if is_repeatable and key in self._proven:
            return
        broken = context.operation.check_answer(status, response.body)
        if broken:
            context.exchange.drift = _breaches(broken)
        elif is_repeatable:
            if len(self._proven) >= MOST_PROVEN:
                self._proven.clear()
            self._proven.add(key)

    def _administer(self, target: RouteMatch, request: Request) -> Answer:
        """A call to the admin API: in no sandbox's name, never subject to faults, not in the journal. Its handlers
        enter the sandbox themselves, for some of them must not hold it all the time."""
        api, operation, params = target
        engine, provider = self.engine, api.provider
        engine.sweep(engine.time.now())
        identity = provider.authenticate(operation is None, request.headers, params, engine.store)
        refusal = Problem(identity.problem) if identity.problem is not None else None
        if refusal is None and operation is None:
            is_here = api.contract.knows_path(request.path)
            refusal = Problem("method_not_allowed" if is_here else "endpoint_not_found")
        try:
            box = engine.store.open(params.get("sandbox", self._default))
        except KeyError:
            box = engine.store.open(self._default)
            refusal = refusal or Problem("not_found", message=f"no sandbox {params['sandbox'][:100]!r} here")
        if operation is None or refusal is not None:
            return _to_bytes(provider.render_problem(refusal or Problem("endpoint_not_found"), {}))
        exchange = Exchange("", 0.0, provider.name, operation.id, request.method, request.path, request.headers, b"")
        call = Call(
            operation=operation.id,
            params=params,
            body=None,
            raw=request.body,
            headers=request.headers,
            box=box,
            now=0.0,
            variants={},
            base_url=engine.public_url or self._vendor_url(request),
            exchange="",
            provider=provider.name,
            own_url=request.base_url,
            has_left=request.has_left,
        )
        response = self._run_stages(api, operation, RequestContext(request, operation, call, identity, exchange))
        if not isinstance(response.body, str):
            exchange.drift = _breaches(operation.check_answer(response.status, response.body))
        exchange.status = response.status
        if exchange.drift:
            self._on_drift(exchange)
        return _to_bytes(response)

    def _vendor_url(self, request: Request) -> str:
        """Where the client of the admin API finds the vendors: what listens on every address, at the one it used."""
        for wildcard in ("//0.0.0.0:", "//[::]:"):
            if wildcard in self.vendor_url:
                host = urlsplit(request.base_url).hostname or "127.0.0.1"
                return self.vendor_url.replace(wildcard, f"//[{host}]:" if ":" in host else f"//{host}:")
        return self.vendor_url or request.base_url

    def _open(self, sandbox: str) -> Box:
        try:
            return self.engine.store.open(sandbox or self._default)
        except KeyError:
            return self.engine.store.open(self._default)

    def _run_stages(self, api: MountedApi, operation: Operation, context: RequestContext) -> VendorResponse:
        provider, variants = api.provider, context.call.variants
        try:
            for stage in api.stages:
                reply = stage(api, context)
                if reply is None:
                    continue
                if isinstance(reply, VendorResponse):
                    return reply
                context.cacheable = reply.cacheable
                return provider.render(reply, variants)
            raise LookupError(f"{api.contract.name}: the order of stages ends without an answer")
        except Problem as problem:
            context.exchange.problem = problem.name
            return provider.render_problem(problem, variants)
        except ConnectionLost:
            return provider.render_problem(Problem("server_error"), variants)
        except OSError as error:  # the folder of uploads: the disk is full, or it is not ours to write
            log.error("%s failed: %s", operation.id, error, extra={"request": context.exchange.id})
            context.exchange.problem = "server_error"
            message = f"the file system refused it: {error.strerror or error}" if api.is_admin else None
            return provider.render_problem(Problem("server_error", message=message), variants)
        except Exception:
            log.exception("%s failed", operation.id, extra={"request": context.exchange.id, "task": context.call.task})
            context.exchange.problem = "server_error"
            return provider.render_problem(Problem("server_error"), variants)


def _exchange(box: Box, now: float, provider: str, operation: Operation | None, request: Request) -> Exchange:
    target = f"{request.path}?{request.query}" if request.query else request.path
    return Exchange(
        f"x{box.next_number('exchange')}", now, provider, "" if operation is None else operation.id,
        request.method, target, request.headers, request.body[:KEPT_BYTES],
    )  # fmt: skip


def _breaches(violations: tuple[Violation, ...]) -> tuple[Breach, ...]:
    return tuple(Breach(v.place, v.rule, v.expected, _noted(v.got)) for v in violations)


def _noted(got: Any) -> Any:
    """A value as the journal keeps it: of a long one, the beginning of its text."""
    if isinstance(got, str | list | dict) and len(text := jsontext.dumps(got)) > KEPT_VALUE:
        return text[:KEPT_VALUE].decode("utf-8", "ignore") + "…"
    return got


def _with_evidence(
    api: MountedApi, exchange: Exchange, success_evidence: Mapping[str, str], response: VendorResponse
) -> VendorResponse:
    """The answer with a header that says how far its behaviour can be trusted (as `success_evidence`, unless it is a refusal), and
    under which id it is journalled."""
    refusal = api.contract.behaviour.refusals.get(exchange.problem)
    trust = success_evidence if refusal is None else {"level": refusal.evidence, "source": refusal.source}
    text = "".join(c for c in f'{trust["level"]}; source="{trust["source"]}"' if " " <= c <= "~")
    own = (("x-swapmock-evidence", text), ("x-swapmock-request", exchange.id))
    return response._replace(headers=(*response.headers, *own))


def _to_bytes(response: VendorResponse) -> Answer:
    if response.body is None or response.status in BODILESS:
        return Answer(response.status, list(response.headers), b"")
    if not response.headers:
        return Answer(response.status, JSON_HEADERS, jsontext.dumps(response.body))
    if any(name == "content-type" for name, _ in response.headers):
        text = response.body.encode() if isinstance(response.body, str) else jsontext.dumps(response.body)
        return Answer(response.status, list(response.headers), text)
    return Answer(response.status, [JSON_HEADER, *response.headers], jsontext.dumps(response.body))


def _authenticate(api: MountedApi, context: RequestContext) -> None:
    problem = context.identity.problem
    if problem is None and not context.operation.is_public:
        problem = api.provider.authorize(context.request.headers, context.call.variants)
    if problem is not None:
        raise Problem(problem)


def _fault(api: MountedApi, context: RequestContext) -> None:
    hit = match_fault(context.call, api.engine, context.request.query)
    if hit is None:
        return
    context.hit, context.exchange.fault = hit, hit.name
    if hit.moment is Moment.BEFORE:
        if hit.refusal is not None:
            raise hit.refusal
        if hit.effect.replaces_the_answer:
            raise ConnectionLost


def _rate(api: MountedApi, context: RequestContext) -> None:
    limit = context.call.box.sandbox.rate_limit
    if limit is None:
        return
    wait = context.call.box.take_rate("calls", context.call.now, limit)
    if wait > 0.0:
        raise Problem("rate_limited", headers=retry_after(limit.retry_after, wait, context.call.now))


def _from_cache(api: MountedApi, context: RequestContext) -> VendorResponse | None:
    """The answer that this poll got before, if it would get it again."""
    if context.request.method != "GET" or context.hit is not None:
        return None
    cached = api.cache.find(context.operation, context.request, context.call)
    if cached is None:
        return None
    context.cached = cached
    if cached.cacheable.task is not None:
        context.call.task = cached.cacheable.task.id
    return cached.response


def _parse(api: MountedApi, context: RequestContext) -> None:
    request, operation, call = context.request, context.operation, context.call
    if request.query or operation.parameters:
        _parse_parameters(api, context)
    if request.cut:
        raise Problem("too_large", errors=[f"body: {request.cut}"])
    if operation.takes_json:
        is_left_out = not request.body and not operation.needs_body
        call.body = {} if is_left_out else operation.normalize(_json_body(context))


def _parse_parameters(api: MountedApi, context: RequestContext) -> None:
    operation, call = context.operation, context.call
    query: dict[str, Any] = parsed_query(context.request)
    if api.is_admin:
        query = {operation.query_aliases.get(name, name): value for name, value in query.items()}
    path = dict(call.params)
    violations = operation.check_parameters({"path": path, "query": query})
    if api.is_admin:
        known = {parameter["name"] for parameter in operation.parameters}
        unknown = [Violation(("query", name), "additionalProperties") for name in query if name not in known]
        violations = (*violations, *unknown)
    if violations:
        _object(api, context, violations)
    call.params = query | path


def _json_body(context: RequestContext) -> Any:
    kind = context.request.headers.get("content-type")
    if kind is not None and not is_json(kind):
        raise Problem("invalid", errors=[f"body: Content-Type should be application/json, not {kind[:100]}"])
    if not context.request.body:
        raise Problem("invalid", errors=["body: Field required"])
    try:
        return jsontext.loads(context.request.body)
    except ValueError as error:
        raise Problem("invalid", errors=[f"body: JSON decode error, {error}"]) from None


def _validate(api: MountedApi, context: RequestContext) -> None:
    if context.operation.takes_json:
        violations = context.operation.check_body(context.call.body)
        if violations:
            _object(api, context, violations)


def _object(api: MountedApi, context: RequestContext, violations: tuple[Violation, ...]) -> None:
    context.exchange.violations = _breaches(violations)
    problem = api.provider.explain_violations(context.operation, context.call.body, violations, context.call.variants)
    if problem is not None:
        raise problem


def _handle(api: MountedApi, context: RequestContext) -> Reply:
    return api.provider.handlers[context.operation.id](context.call, api.engine)


Stage = Callable[[MountedApi, RequestContext], Reply | VendorResponse | None]

#: The stages that a provider may put in order.
STAGES: Mapping[str, Stage] = {
    "authenticate": _authenticate,
    "fault": _fault,
    "rate": _rate,
    "parse": _parse,
    "validate": _validate,
    "handle": _handle,
}


#: The stages that an answer known from before makes unnecessary.
CACHED = ("parse", "validate", "handle")


def _stages(order: Sequence[str]) -> Sequence[Stage]:
    stages: list[Stage] = [STAGES[name] for name in order]
    if tuple(order[-3:]) == CACHED:
        stages.insert(-3, _from_cache)
    return tuple(stages)
