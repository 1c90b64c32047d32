"""How a request walks: match, open the sandbox, authenticate, fault, rate, parse, validate, handle, self-check, note.

Every door (WSGI, ASGI, Flask's views) makes a `Request`, asks for a `Target`, and writes the `Answer`. The order of the
stages between opening and answering is the provider's, from `order` in its behaviour.yaml.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from contracts import Contract, Operation, Violation
from mock_server import deliveries
from mock_server.adapters import jsontext
from mock_server.admin.secrets import Mask
from mock_server.core.call import Call, Lasting, Problem, Reply
from mock_server.core.faults import Moment
from mock_server.core.journal import Breach, Exchange
from mock_server.core.ports import Box
from mock_server.core.provider import Dressed, Identity, Provider
from mock_server.core.sandbox import retry_after
from mock_server.engine import Engine
from mock_server.web.faults import DRIBBLE_SECONDS, Spoilt, Strike, spoil_bytes, spoil_dressed, strike
from mock_server.web.recall import Kept, Recall

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


@dataclass(slots=True)
class Request:
    """A request as a door read it. Header names are in lower case; `path` is decoded, `query` is not; `cut` says why
    the body is not here, if it is not; `has_left`, where known, tells whether the client is still there."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    base_url: str
    cut: str = ""
    has_left: Callable[[], bool] | None = field(default=None, compare=False)


class Answer(NamedTuple):
    """What a door writes. `delay` holds it back, in real seconds; `wire` is how it is spoilt on its way: "" not at all,
    "reset" (TCP RST in its place), "hang_up" (FIN in its place), "dribble" (the body in pieces, spread over `delay`).
    `first` is work to be done before anything is written; it may take its time, and needs the server to go on."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    delay: float = 0.0
    wire: str = ""
    first: Callable[[], object] | None = None


class Target(NamedTuple):
    """Where a request goes: an operation of a surface, or (None) nowhere in it."""

    surface: Surface
    operation: Operation | None
    params: dict[str, str]

    @property
    def limit(self) -> int:
        """The most bytes of a body that are read."""
        return self.surface.limit_of(self.operation)

    @property
    def too_long(self) -> str:
        """What is said of a body with more."""
        return f"larger than {self.limit} bytes{self.surface.allows_more(self.operation)}"


@dataclass(slots=True)
class Walk:
    """A request on its way."""

    request: Request
    operation: Operation
    call: Call
    identity: Identity
    exchange: Exchange
    struck: Strike | None = None
    lasting: Lasting | None = None
    kept: Kept | None = None


class Surface:
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
        self.recall = Recall(engine.store)
        self.engine = engine
        self.is_admin = is_admin
        self._json_limit = max_body or contract.behaviour.limit("body_bytes")
        self._upload_limit = max_upload or contract.behaviour.limit("upload_bytes")

    def match(self, method: str, path: str) -> Target | None:
        found = self.contract.find(method, path)
        if found is not None:
            return Target(self, *found)
        if path.startswith(self.prefix) or self.contract.knows_path(path):
            return Target(self, None, {})
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
        self, engine: Engine, surfaces: Sequence[Surface], default_sandbox: str, on_drift: Callable[[Exchange], None]
    ) -> None:
        self.engine = engine
        self.surfaces = tuple(surfaces)
        self._known = lru_cache(MOST_PATHS)(self._find)
        self._default = default_sandbox
        #: Where the vendors' surfaces are, if not where this pipeline is asked.
        self.vendor_url = ""
        self._on_drift = on_drift
        #: Answers that were found to keep the contract. It depends on their bytes alone, so any of them may be forgotten.
        self._proven: set[tuple[Operation, int, bytes]] = set()

    def match(self, method: str, path: str) -> Target | None:
        """Where a request goes; None if it is no business of any contract."""
        return self._known(method, path) if len(path) <= LONGEST_PATH else self._find(method, path)

    def _find(self, method: str, path: str) -> Target | None:
        for surface in self.surfaces:
            target = surface.match(method, path)
            if target is not None:
                return target
        return None

    def answer(self, target: Target, request: Request) -> Answer:
        if target.surface.is_admin:
            return self._administer(target, request)
        surface, operation, params = target
        provider, engine = surface.provider, self.engine
        began = engine.time.now()
        engine.sweep(began)
        is_public = operation is not None and operation.is_public
        shown = {**parsed_query(request), **params} if provider.reads_query and request.query else params
        identity = provider.identify(is_public, request.headers, shown, engine.store)
        with self._open(identity.sandbox) as box:
            now = engine.now(box)
            engine.settle(box, now)
            exchange = _exchange(box, now, provider.name, operation, request)
            # What is public is no part of the vendor's API (the store behind uploads): it speaks plain HTTP.
            variants = surface.contract.behaviour.defaults if is_public else box.sandbox.variants[provider.name]
            base_url = engine.public_url or request.base_url
            call = Call(
                exchange.operation, params, None, request.body, request.headers, box, now, variants, base_url,
                exchange.id, provider.name,
            )  # fmt: skip
            exchange.base_url = base_url
            if operation is None:
                exchange.problem = "endpoint_not_found"
                dressed = provider.refuse(Problem("endpoint_not_found"), variants)
                if box.sandbox.evidence_header:
                    dressed = _with_evidence(surface, exchange, {}, dressed)
                answer = _rendered(dressed)
            else:
                walk = Walk(request, operation, call, identity, exchange)
                answer = self._finished(surface, walk, self._walk(surface, operation, walk))
            exchange.answer, exchange.delay = answer.body[:KEPT_BYTES], answer.delay
            exchange.status = 0 if answer.wire in ("reset", "hang_up") else answer.status
            exchange.answer_headers, exchange.task = tuple(answer.headers), call.task
            box.record(exchange)
            early = deliveries.early(engine, box, call.task) if call.news_first else []
        if exchange.drift:
            self._on_drift(exchange)
        self._count(exchange, box, engine.time.now() - began)
        if early:
            return answer._replace(first=partial(engine.courier.deliver, engine, box.sandbox.id, early))
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

    def _finished(self, surface: Surface, walk: Walk, dressed: Dressed) -> Answer:
        """The answer as bytes: held to the contract if it is ours, spoilt if a fault struck."""
        exchange, struck = walk.exchange, walk.struck
        if struck is not None and struck.refusal is not None and struck.moment is not Moment.BEFORE:
            dressed = surface.provider.refuse(struck.refusal, walk.call.variants)
            exchange.problem = struck.refusal.name
        exchange.code = dressed.code
        if walk.call.box.sandbox.evidence_header:
            dressed = _with_evidence(surface, exchange, walk.operation.answer_evidence, dressed)
        if struck is None:
            if walk.kept is not None:
                return walk.kept.answer
            answer = _rendered(dressed)
            self._check(walk, dressed, answer.body)
            if walk.lasting is not None and not (exchange.drift or exchange.violations):
                surface.recall.keep(walk.operation, walk.request, walk.call, walk.lasting, dressed, answer)
            return answer
        answer = _rendered(spoil_dressed(struck, dressed))
        wire = struck.effect.connection or ""
        delay = struck.delay or (DRIBBLE_SECONDS if wire == "dribble" else 0.0)
        return Answer(answer.status, answer.headers, spoil_bytes(struck.effect, answer.body), delay, wire)

    def _check(self, walk: Walk, dressed: Dressed, body: bytes) -> None:
        """Hold an answer to the contract. Polls of a settled task give the same bytes again and again: the same bytes
        are checked once."""
        status = dressed.usual or dressed.status
        key = (walk.operation, status, body)
        is_repeatable = walk.request.method == "GET" and len(body) <= LONGEST_PROVEN and not dressed.headers
        if is_repeatable and key in self._proven:
            return
        broken = walk.operation.check_answer(status, dressed.body)
        if broken:
            walk.exchange.drift = _breaches(broken)
        elif is_repeatable:
            if len(self._proven) >= MOST_PROVEN:
                self._proven.clear()
            self._proven.add(key)

    def _administer(self, target: Target, request: Request) -> Answer:
        """A call to the admin API: in no sandbox's name, never subject to faults, not in the journal. Its handlers
        enter the sandbox themselves, for some of them must not hold it all the time."""
        surface, operation, params = target
        engine, provider = self.engine, surface.provider
        engine.sweep(engine.time.now())
        identity = provider.identify(operation is None, request.headers, params, engine.store)
        refusal = Problem(identity.problem) if identity.problem is not None else None
        if refusal is None and operation is None:
            is_here = surface.contract.knows_path(request.path)
            refusal = Problem("method_not_allowed" if is_here else "endpoint_not_found")
        try:
            box = engine.store.open(params.get("sandbox", self._default))
        except KeyError:
            box = engine.store.open(self._default)
            refusal = refusal or Problem("not_found", message=f"no sandbox {params['sandbox'][:100]!r} here")
        if operation is None or refusal is not None:
            return _rendered(provider.refuse(refusal or Problem("endpoint_not_found"), {}))
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
        dressed = self._walk(surface, operation, Walk(request, operation, call, identity, exchange))
        if not isinstance(dressed.body, str):
            exchange.drift = _breaches(operation.check_answer(dressed.status, dressed.body))
        exchange.status = dressed.status
        if exchange.drift:
            self._on_drift(exchange)
        return _rendered(dressed)

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

    def _walk(self, surface: Surface, operation: Operation, walk: Walk) -> Dressed:
        provider, variants = surface.provider, walk.call.variants
        try:
            for stage in surface.stages:
                reply = stage(surface, walk)
                if reply is None:
                    continue
                if isinstance(reply, Dressed):
                    return reply
                walk.lasting = reply.lasting
                return provider.dress(reply, variants)
            raise LookupError(f"{surface.contract.name}: the order of stages ends without an answer")
        except Problem as problem:
            walk.exchange.problem = problem.name
            return provider.refuse(problem, variants)
        except Spoilt:
            return provider.refuse(Problem("server_error"), variants)
        except OSError as error:  # the folder of uploads: the disk is full, or it is not ours to write
            log.error("%s failed: %s", operation.id, error, extra={"request": walk.exchange.id})
            walk.exchange.problem = "server_error"
            message = f"the file system refused it: {error.strerror or error}" if surface.is_admin else None
            return provider.refuse(Problem("server_error", message=message), variants)
        except Exception:
            log.exception("%s failed", operation.id, extra={"request": walk.exchange.id, "task": walk.call.task})
            walk.exchange.problem = "server_error"
            return provider.refuse(Problem("server_error"), variants)


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


def _with_evidence(surface: Surface, exchange: Exchange, usual: Mapping[str, str], dressed: Dressed) -> Dressed:
    """The answer with a header that says how far its behaviour can be trusted (as `usual`, unless it is a refusal), and
    under which id it is journalled."""
    refusal = surface.contract.behaviour.refusals.get(exchange.problem)
    trust = usual if refusal is None else {"level": refusal.evidence, "source": refusal.source}
    text = "".join(c for c in f'{trust["level"]}; source="{trust["source"]}"' if " " <= c <= "~")
    own = (("x-swapmock-evidence", text), ("x-swapmock-request", exchange.id))
    return dressed._replace(headers=(*dressed.headers, *own))


def _rendered(dressed: Dressed) -> Answer:
    if dressed.body is None or dressed.status in BODILESS:
        return Answer(dressed.status, list(dressed.headers), b"")
    if not dressed.headers:
        return Answer(dressed.status, JSON_HEADERS, jsontext.dumps(dressed.body))
    if any(name == "content-type" for name, _ in dressed.headers):
        text = dressed.body.encode() if isinstance(dressed.body, str) else jsontext.dumps(dressed.body)
        return Answer(dressed.status, list(dressed.headers), text)
    return Answer(dressed.status, [JSON_HEADER, *dressed.headers], jsontext.dumps(dressed.body))


def _authenticate(surface: Surface, walk: Walk) -> None:
    problem = walk.identity.problem
    if problem is None and not walk.operation.is_public:
        problem = surface.provider.permit(walk.request.headers, walk.call.variants)
    if problem is not None:
        raise Problem(problem)


def _fault(surface: Surface, walk: Walk) -> None:
    struck = strike(walk.call, surface.engine, walk.request.query)
    if struck is None:
        return
    walk.struck, walk.exchange.fault = struck, struck.name
    if struck.moment is Moment.BEFORE:
        if struck.refusal is not None:
            raise struck.refusal
        if struck.effect.replaces_the_answer:
            raise Spoilt


def _rate(surface: Surface, walk: Walk) -> None:
    limit = walk.call.box.sandbox.rate_limit
    if limit is None:
        return
    wait = walk.call.box.take_rate("calls", walk.call.now, limit)
    if wait > 0.0:
        raise Problem("rate_limited", headers=retry_after(limit.retry_after, wait, walk.call.now))


def _recall(surface: Surface, walk: Walk) -> Dressed | None:
    """The answer that this poll got before, if it would get it again."""
    if walk.request.method != "GET" or walk.struck is not None:
        return None
    kept = surface.recall.find(walk.operation, walk.request, walk.call)
    if kept is None:
        return None
    walk.kept = kept
    if kept.lasting.task is not None:
        walk.call.task = kept.lasting.task.id
    return kept.dressed


def _parse(surface: Surface, walk: Walk) -> None:
    request, operation, call = walk.request, walk.operation, walk.call
    if request.query or operation.parameters:
        _parse_parameters(surface, walk)
    if request.cut:
        raise Problem("too_large", errors=[f"body: {request.cut}"])
    if operation.takes_json:
        is_left_out = not request.body and not operation.needs_body
        call.body = {} if is_left_out else operation.spell_out(_json_body(walk))


def _parse_parameters(surface: Surface, walk: Walk) -> None:
    operation, call = walk.operation, walk.call
    query: dict[str, Any] = parsed_query(walk.request)
    if surface.is_admin:
        query = {operation.query_aliases.get(name, name): value for name, value in query.items()}
    path = dict(call.params)
    violations = operation.check_parameters({"path": path, "query": query})
    if surface.is_admin:
        known = {parameter["name"] for parameter in operation.parameters}
        unknown = [Violation(("query", name), "additionalProperties") for name in query if name not in known]
        violations = (*violations, *unknown)
    if violations:
        _object(surface, walk, violations)
    call.params = query | path


def parsed_query(request: Request) -> dict[str, str]:
    query = request.query
    if "%" not in query and "+" not in query:  # the usual case, in a fifth of the time
        return {name: value for part in query.split("&") if part for name, _, value in [part.partition("=")]}
    return dict(parse_qsl(query, keep_blank_values=True, errors="replace"))


def _json_body(walk: Walk) -> Any:
    kind = walk.request.headers.get("content-type")
    if kind is not None and not _is_json(kind):
        raise Problem("invalid", errors=[f"body: Content-Type should be application/json, not {kind[:100]}"])
    if not walk.request.body:
        raise Problem("invalid", errors=["body: Field required"])
    try:
        return jsontext.loads(walk.request.body)
    except ValueError as error:
        raise Problem("invalid", errors=[f"body: JSON decode error, {error}"]) from None


def _is_json(kind: str) -> bool:
    if kind == "application/json":
        return True
    essence = kind.split(";", 1)[0].strip().lower()
    return essence == "application/json" or (essence.startswith("application/") and essence.endswith("+json"))


def _validate(surface: Surface, walk: Walk) -> None:
    if walk.operation.takes_json:
        violations = walk.operation.check_body(walk.call.body)
        if violations:
            _object(surface, walk, violations)


def _object(surface: Surface, walk: Walk, violations: tuple[Violation, ...]) -> None:
    walk.exchange.violations = _breaches(violations)
    problem = surface.provider.object_to(walk.operation, walk.call.body, violations, walk.call.variants)
    if problem is not None:
        raise problem


def _handle(surface: Surface, walk: Walk) -> Reply:
    return surface.provider.handlers[walk.operation.id](walk.call, surface.engine)


Stage = Callable[[Surface, Walk], Reply | Dressed | None]

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
RECALLED = ("parse", "validate", "handle")


def _stages(order: Sequence[str]) -> Sequence[Stage]:
    stages: list[Stage] = [STAGES[name] for name in order]
    if tuple(order[-3:]) == RECALLED:
        stages.insert(-3, _recall)
    return tuple(stages)
