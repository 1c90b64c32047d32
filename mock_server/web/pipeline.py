"""The lifecycle of a request.

1. `match`: path and method to an operation of a mounted API.
   `serve` refuses what the request filter refuses, and answers preflights of CORS.
2. Authenticate, and open the sandbox of the credential.
3. `begin_exchange`: the record for the journal, and the Call that the handler gets.
   A poll whose answer is in the cache gets it here, if nothing in the sandbox could make it another one.
4. `run_stages`: authenticate, fault, rate, parse, validate, handle, in the order of the provider.
5. `finalize`: the bytes of the answer, checked against the contract; a fault may change them.
6. `end_exchange`: the record goes into the journal.
7. Report: drift, metrics, log line. Callbacks that must come before the answer are claimed for it.

Every application (ASGI, WSGI, Flask's views) makes a `Request`, asks `match` for a `RouteMatch`, and writes the `Answer` of
`serve`. A caller in this process is trusted and calls `answer`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Protocol

from swapmock.mock_server.admin.habits import problem_for
from swapmock.mock_server.admin.unmatched import hint, nearest_anywhere
from swapmock.mock_server.core.call import Call, Problem
from swapmock.mock_server.core.journal import PREFLIGHT, Exchange
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import Box, Store, StoreError
from swapmock.mock_server.core.provider import Identity
from swapmock.mock_server.core.sandbox import http_date
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.admin_calls import AdminCalls
from swapmock.mock_server.web.cache import CachedResponse
from swapmock.mock_server.web.context import RequestContext
from swapmock.mock_server.web.cors import Cors
from swapmock.mock_server.web.file_calls import FileCalls
from swapmock.mock_server.web.finalize import Finalizer, to_bytes, with_evidence
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.long_bodies import is_long, shorten
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.mounting import MountedApi, RouteMatch
from swapmock.mock_server.web.parsing import parsed_query
from swapmock.mock_server.web.recording import begin_exchange, count_and_log, end_exchange
from swapmock.mock_server.web.request_filter import ADMIN_HEADERS, Policy, Refusal, RequestFilter, Zone, refused
from swapmock.mock_server.web.stages import run_stages, stages_in_order

log = logging.getLogger("swapmock")

#: The HTTP status for a request whose body did not arrive -> the upload store's name for this error.
BROKEN_UPLOADS = {400: "body_incomplete", 408: "body_too_slow"}

#: The most paths whose route is cached, and the most characters of such a path.
MOST_PATHS, LONGEST_PATH = 1024, 200


class Pages(Protocol):
    """Pages for browsers, at paths of the admin API."""

    def takes(self, request: Request) -> bool:
        """Whether `request` wants a page, and not JSON."""

    def answer(self, request: Request) -> Answer:
        """Return the answer to `request`."""


class Pipeline:
    """Answers requests to the mounted `apis`.

    `on_drift` gets the exchange of every answer that breaks its contract. `request_filter` and `cors` decide
    which requests `serve` accepts, and which pages may read the answers."""

    def __init__(
        self,
        engine: Engine,
        apis: Sequence[MountedApi],
        default_sandbox: str,
        on_drift: Callable[[Exchange], None],
        *,
        request_filter: RequestFilter | None = None,
        cors: Cors | None = None,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self.request_filter = request_filter or RequestFilter(Policy())
        self.cors = cors or Cors()
        self.engine = engine
        self.apis = tuple(apis)
        self.proxies = proxies or TrustedProxies()
        self.stages = {api: stages_in_order(api.contract.behaviour.order) for api in apis}
        self.admin_calls = AdminCalls(engine, default_sandbox, on_drift)
        #: The method that answers a request. A store in memory never fails and needs no waiting, so that it uses the
        #: shorter method.
        self.answer: Callable[[RouteMatch, Request], Answer] = (
            self._answer_durably if engine.store.is_durable else self._answer
        )
        self.file_calls = FileCalls(engine, self._open, on_drift)
        self.finalizer = Finalizer()
        self._remembered_match = lru_cache(MOST_PATHS)(self._find)
        self._default = default_sandbox
        self._on_drift = on_drift
        #: The base URL of the admin API, if it has its own port.
        self.admin_url = ""
        #: The pages at paths of the admin API; None for a server without pages.
        self.pages: Pages | None = None

    @property
    def vendor_url(self) -> str:
        """The base URL of the vendors' APIs, if it differs from that of the admin API."""
        return self.admin_calls.vendor_url

    @vendor_url.setter
    def vendor_url(self, url: str) -> None:
        self.admin_calls.vendor_url = url

    def match(self, method: str, path: str) -> RouteMatch | None:
        """Return the route of a request; None if its path is outside of every API."""
        return self._remembered_match(method, path) if len(path) <= LONGEST_PATH else self._find(method, path)

    def _find(self, method: str, path: str) -> RouteMatch | None:
        for api in self.apis:
            target = api.match(method, path)
            if target is not None:
                return target
        return None

    def serve(self, target: RouteMatch, request: Request) -> Answer:
        """Return the answer to a request from outside: checked by the request filter, and readable for the pages
        that may read it."""
        headers = request.headers
        if headers.get("host") in self.request_filter.passed and "origin" not in headers and not target.api.is_admin:
            return self.answer(target, request)
        if target.api.is_admin and self.pages is not None and self.pages.takes(request):
            return self._page(self.pages, request)
        zone = Zone.ADMIN if target.api.is_admin else Zone.VENDOR
        refusal = self.request_filter.refusal(zone, request)
        if refusal is not None:
            return refused(refusal)
        preflight = self.cors.preflight(target, request)
        if preflight is not None:
            return preflight if target.api.is_admin else self._record_preflight(target, request, preflight)
        answer = self.answer(target, request)
        more = () if answer.content is not None else self.cors.headers(target, request)
        if target.api.is_admin:
            more = (*more, *ADMIN_HEADERS)
        return answer._replace(headers=[*answer.headers, *more]) if more else answer

    def _page(self, pages: Pages, request: Request) -> Answer:
        """Return the answer of the inspector, if the filter accepts the request."""
        refusal = self.request_filter.refusal(Zone.PAGES, request)
        return pages.answer(request) if refusal is None else refused(refusal)

    def _record_preflight(self, target: RouteMatch, request: Request, answer: Answer) -> Answer:
        """Record a preflight in the journal of the default sandbox. It has no credential that leads to another one."""
        with self._open("") as box:
            exchange = begin_exchange(box, self.engine.now(box), target.api.provider.name, None, request)
            exchange.operation = PREFLIGHT
            exchange.base_url = self.engine.public_url or request.base_url
            end_exchange(box, exchange, "", answer)
        count_and_log(self.engine, exchange, box, 0.0, self.admin_url)
        return answer

    def _answer_durably(self, target: RouteMatch, request: Request) -> Answer:
        """Return the answer to `request`; it is written once the store has saved what the answer acknowledges."""
        try:
            answer = self._answer(target, request)
        except StoreError as error:
            return store_failed(target, request, error)
        wait = self.engine.store.wait_until_durable()
        return answer if wait is None else self._when_durable(target, request, answer, wait)

    def _when_durable(self, target: RouteMatch, request: Request, answer: Answer, wait: Callable[[], object]) -> Answer:
        """Return `answer`, to be written once the store has saved what it acknowledges. The admin API waits in its
        own threads."""
        if target.api.is_admin:
            try:
                wait()
            except StoreError as error:
                return store_failed(target, request, error)
            return answer
        then = answer.before_send

        def before_send() -> None:
            wait()
            if then is not None:
                then()

        return answer._replace(before_send=before_send)

    def _answer(self, target: RouteMatch, request: Request) -> Answer:
        api, operation = target.api, target.operation
        if api.is_admin:
            return self.admin_calls.answer(target, request, self.stages[api])
        if operation is not None and operation.files:
            return self.file_calls.answer(target, operation, request, self.admin_url)
        if len(request.body) > api.json_limit and is_long(request, operation, api.json_limit):
            shorten(request, api.json_limit)
        engine = self.engine
        began = engine.time.now()
        if engine.store.next_end <= began:
            engine.sweep(began)
        identity = self.identify(target, request)
        with self._open(identity.sandbox) as box:
            now = engine.now(box)
            engine.run_due(box, now)
            exchange = begin_exchange(box, now, api.provider.name, operation, request)
            exchange.base_url = engine.public_url or request.base_url
            cached = self._from_cache(target, request, identity, box, exchange) if request.method == "GET" else None
            if cached is not None:
                answer, task, callback_first = cached.answer, cached.cacheable.task_id, False
                exchange.code = cached.code
            else:
                call = self._call(target, request, box, exchange, began)
                if request.whole is not None:
                    call.whole = request.whole
                if operation is None:
                    answer = _unmatched(api, call, exchange, request.path)
                else:
                    context = RequestContext(api, request, operation, call, identity, exchange)
                    answer = self.finalizer.finalize(context, run_stages(self.stages[api], context))
                    if context.hold:
                        answer = answer._replace(delay=max(answer.delay, context.hold))
                        api.posts.enter(box.sandbox.id, began + answer.delay, began)
                now, task, callback_first = call.now, call.task, call.callback_first
            if box.sandbox.client_clock == "sandbox":
                answer = answer._replace(headers=[("date", http_date(now)), *answer.headers])
            end_exchange(box, exchange, task, answer)
            before_send = engine.claim_before_reply(box, task) if callback_first else []
        if exchange.drift:
            self._on_drift(exchange)
        count_and_log(engine, exchange, box, engine.time.now() - began, self.admin_url)
        if before_send:
            deliver = partial(engine.dispatcher.deliver, engine, box.sandbox.id, before_send)
            return answer._replace(before_send=deliver)
        return answer

    def refuse_upload(self, request: Request, status: int) -> Answer | None:
        """Return the answer of the upload store to a request whose body ended too soon (400) or came too slowly
        (408); None for a request that is not for the store."""
        target = self.match(request.method, request.path)
        operation = None if target is None else target.operation
        if target is None or operation is None or operation.files != "store" or status not in BROKEN_UPLOADS:
            return None
        return self.file_calls.broken(target, operation, request, BROKEN_UPLOADS[status], self.admin_url)

    def answer_unmatched(self, request: Request) -> Answer:
        """Return the answer to a request whose path is outside of every API: problem details with the nearest
        operation.

        The request is recorded in the journal of the default sandbox, under the provider that the client probably
        meant."""
        engine = self.engine
        habit = problem_for(request.method, request.path)
        base_url = engine.public_url or self.vendor_url or request.base_url
        detail = (habit and habit.message) or hint(request.method, request.path, engine.contracts, base_url)
        answer = refused(Refusal(404, detail))
        if all(api.is_admin for api in self.apis):
            return answer  # the vendors' APIs have another port
        began = engine.time.now()
        with self._open("") as box:
            near = nearest_anywhere(request.method, request.path, engine.contracts)
            provider = next(iter(engine.contracts)) if near is None else near.provider
            exchange = begin_exchange(box, engine.now(box), provider, None, request)
            exchange.problem, exchange.base_url = "endpoint_not_found", base_url
            end_exchange(box, exchange, "", answer)
        count_and_log(engine, exchange, box, engine.time.now() - began, self.admin_url)
        return answer

    def identify(self, target: RouteMatch, request: Request, store: Store | None = None) -> Identity:
        """Return the sandbox of a request, by its credential or by the token of a public operation. It is looked up
        in `store` if given, else in the engine's store."""
        provider, params = target.api.provider, target.params
        shown = {**parsed_query(request), **params} if provider.reads_query and request.query else params
        return provider.authenticate(target.is_public, request.headers, shown, store or self.engine.store)

    def _open(self, sandbox: str) -> Box:
        """Open the sandbox of a request; the default one if no credential leads to another."""
        try:
            return self.engine.store.open(sandbox or self._default)
        except HeldElsewhere:
            raise
        except KeyError:
            return self.engine.store.open(self._default)

    def _from_cache(
        self, target: RouteMatch, request: Request, identity: Identity, box: Box, exchange: Exchange
    ) -> CachedResponse | None:
        """Return the answer that this poll got before, if every stage would pass and the handler would give the same
        answer again; else None."""
        api, operation, sandbox = target.api, target.operation, box.sandbox
        if operation is None or identity.problem is not None or sandbox.rate_limit is not None or box.faults():
            return None
        if request.body or (sandbox.prefer_header and "prefer" in request.headers):
            return None
        cached = api.cache.find(operation, request, exchange.base_url, box, exchange.at)
        if cached is None or target.is_public:
            return cached
        refused = api.provider.authorize(request.headers, sandbox.variants[exchange.provider])
        return cached if refused is None else None

    def _call(self, target: RouteMatch, request: Request, box: Box, exchange: Exchange, began: float) -> Call:
        variants = box.sandbox.variants[exchange.provider]
        return Call(
            exchange.operation, target.params, None, request.body, request.headers, box, exchange.at, variants, exchange.base_url,
            exchange.id, exchange.provider, client=request.client, received=began,
        )  # fmt: skip


def store_failed(target: RouteMatch, request: Request, error: StoreError) -> Answer:
    """Return the vendor's error response for a request whose changes could not be saved: maintenance while the store
    cannot be reached. The admin API answers 503."""
    api = target.api
    log.error("%s %s: the store failed: %s", request.method, request.path, error)
    name = "maintenance" if error.is_away and "maintenance" in api.contract.behaviour.refusals else "server_error"
    problem = Problem("store_failed", message=f"the store failed: {error}") if api.is_admin else Problem(name)
    return to_bytes(api.provider.render_problem(problem, api.contract.behaviour.defaults))


def _unmatched(api: MountedApi, call: Call, exchange: Exchange, path: str) -> Answer:
    """Return the provider's error response for a path or method that its contract does not have."""
    is_other_method = "method_not_allowed" in api.contract.behaviour.refusals and api.contract.knows_path(path)
    exchange.problem = "method_not_allowed" if is_other_method else "endpoint_not_found"
    response = api.provider.render_problem(Problem(exchange.problem), call.variants)
    if call.box.sandbox.evidence_header:
        response = with_evidence(api, exchange, {}, response)
    return to_bytes(response)
