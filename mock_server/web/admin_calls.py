"""Calls to the admin API: no sandbox is kept open while they run, no fault applies, and the journal does not record
them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.admin.habits import problem_for
from swapmock.mock_server.core.call import Call, Problem
from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.jsontext import JsonText
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.provider import Identity
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.context import RequestContext
from swapmock.mock_server.web.finalize import to_bytes
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.mounting import MountedApi, RouteMatch
from swapmock.mock_server.web.recording import breaches
from swapmock.mock_server.web.stages import Stage, run_stages

#: The largest document, in bytes, that is checked against the contract after writing: a check blocks other threads.
LONGEST_CHECKED = 1 << 18


def _is_large(body: object) -> bool:
    return isinstance(body, JsonText) and len(body.text) > LONGEST_CHECKED


#: Operations that every process of several answers for its own sandboxes, whichever process has the default one.
ANYWHERE = frozenset({"list_sandboxes", "get_metrics"})


def _no_box() -> Box:
    """Return a box for calls that look at no sandbox of their own."""
    from swapmock.mock_server.stores.box import MemoryBox

    sandbox = Sandbox("", 0, (), {}, 0, 0.0)
    return MemoryBox(sandbox, SandboxClock(ClockMode.FROZEN, 0.0, 0.0, 0.0), (0, 0))


class AdminCalls:
    """Answers calls to the admin API. The handlers open the sandbox themselves, because some of them must not keep
    it open all the time.

    `on_drift` gets the exchange of every answer that breaks the contract of the admin API."""

    def __init__(self, engine: Engine, default_sandbox: str, on_drift: Callable[[Exchange], None]) -> None:
        self._engine = engine
        self._default = default_sandbox
        self._on_drift = on_drift
        #: The base URL of the vendors' APIs, if it differs from that of the admin API.
        self.vendor_url = ""

    def answer(self, target: RouteMatch, request: Request, stages: tuple[Stage, ...]) -> Answer:
        """Return the answer to `request` for `target`, by the `stages` of the admin API."""
        api, operation, params = target.api, target.operation, target.params
        engine, provider = self._engine, api.provider
        engine.sweep(engine.time.now())
        identity = provider.authenticate(operation is None, request.headers, params, engine.store)
        refusal = _refusal(target, request, identity)
        try:
            box = engine.store.open(params.get("sandbox", self._default))
        except HeldElsewhere:
            if operation is None or operation.id not in ANYWHERE:
                raise
            box = _no_box()
        except KeyError:
            box = engine.store.open(self._default)
            refusal = refusal or Problem("not_found", message=f"no sandbox {params['sandbox'][:100]!r} here")
        if operation is None or refusal is not None:
            return to_bytes(provider.render_problem(refusal or Problem("endpoint_not_found"), {}))
        exchange = Exchange("", 0.0, provider.name, operation.id, request.method, request.path, request.headers, b"")
        call = self._call(api, operation.id, params, request, box)
        response = run_stages(stages, RequestContext(api, request, operation, call, identity, exchange))
        if not isinstance(response.body, str) and not _is_large(response.body):
            document = jsontext.loads(response.body.text) if isinstance(response.body, JsonText) else response.body
            exchange.drift = breaches(operation.check_answer(response.status, document))
        exchange.status = response.status
        if exchange.drift:
            self._on_drift(exchange)
        return to_bytes(response)

    def _call(self, api: MountedApi, operation: str, params: dict[str, str], request: Request, box: Box) -> Call:
        return Call(
            operation=operation,
            params=params,
            body=None,
            raw=request.body,
            headers=request.headers,
            box=box,
            now=0.0,
            variants={},
            base_url=self.vendor_url_for(request),
            exchange="",
            provider=api.provider.name,
            own_url=request.base_url,
            has_left=request.has_left,
        )

    def vendor_url_for(self, request: Request) -> str:
        """Return the base URL of the vendors' APIs for this client. For a server on all addresses, it has the
        address that the client used."""
        if self._engine.public_url:
            return self._engine.public_url
        for wildcard in ("//0.0.0.0:", "//[::]:"):
            if wildcard in self.vendor_url:
                host = urlsplit(request.base_url).hostname or "127.0.0.1"
                return self.vendor_url.replace(wildcard, f"//[{host}]:" if ":" in host else f"//{host}:")
        return self.vendor_url or request.base_url


def _refusal(target: RouteMatch, request: Request, identity: Identity) -> Problem | None:
    if identity.problem is not None:
        return Problem(identity.problem)
    if target.operation is None:
        habit = problem_for(request.method, request.path)
        is_here = target.api.contract.knows_path(request.path)
        return habit or Problem("method_not_allowed" if is_here else "endpoint_not_found")
    return None
