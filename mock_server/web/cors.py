"""Cross-origin resource sharing (the Fetch standard, "HTTP extensions"): which pages of other origins may read
answers.

The upload store and media are open to every origin, without credentials. The vendors' APIs are open to the
origins of `--cors`, the admin API to those of `--admin-origin`."""

from __future__ import annotations

from dataclasses import dataclass

from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.mounting import RouteMatch

#: Seconds for which a browser may remember the answer to a preflight.
MAX_AGE = "600"

ANY = frozenset({"*"})

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Cors:
    """The origins that may read answers: `api` those of the vendors' APIs, `admin` those of the admin API. `*` in
    `api` means all."""

    api: frozenset[str] = frozenset()
    admin: frozenset[str] = frozenset()

    @classmethod
    def from_settings(cls, settings: Settings) -> Cors:
        """Return the origins in the settings."""
        return cls(frozenset(settings.cors), frozenset(settings.admin_origin))

    def headers(self, target: RouteMatch, request: Request) -> Headers:
        """Return the headers that let the page that sent `request` read the answer; empty if it may not, or if no
        page sent it."""
        origin = request.headers.get("origin")
        return () if origin is None else allow_origin(self._allowed(target, request), origin)

    def preflight(self, target: RouteMatch, request: Request) -> Answer | None:
        """Return the answer to a preflight; None if `request` is not a preflight, or if its origin is not allowed."""
        if not is_preflight(request):
            return None
        headers = self.headers(target, request)
        return preflight_answer(headers, request) if headers else None

    def _allowed(self, target: RouteMatch, request: Request) -> frozenset[str]:
        if target.api.is_admin:
            return self.admin
        operation = target.operation
        if operation is None and is_preflight(request):
            found = target.api.match(request.headers["access-control-request-method"], request.path)
            operation = None if found is None else found.operation
        return ANY if operation is not None and operation.is_public else self.api


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks if it may send another request."""
    return request.method == "OPTIONS" and {"origin", "access-control-request-method"} <= request.headers.keys()


def allow_origin(allowed: frozenset[str], origin: str) -> Headers:
    """Return the headers that let `origin` read an answer, if it is `allowed`."""
    if "*" in allowed:
        return (("access-control-allow-origin", "*"), ("access-control-expose-headers", "*"))
    if origin.lower() not in allowed:
        return ()
    shown = ("access-control-allow-origin", origin)
    return (shown, ("access-control-expose-headers", "*"), ("vary", "Origin"))


def preflight_answer(allowed: Headers, request: Request) -> Answer:
    """Return the answer to an allowed preflight. It allows everything that the preflight asks for, without
    credentials."""
    headers = [
        *(pair for pair in allowed if pair[0] == "access-control-allow-origin"),
        ("access-control-allow-methods", request.headers["access-control-request-method"]),
        ("access-control-max-age", MAX_AGE),
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    wanted = request.headers.get("access-control-request-headers")
    if wanted:
        headers.append(("access-control-allow-headers", wanted))
    if request.headers.get("access-control-request-private-network") == "true":
        headers.append(("access-control-allow-private-network", "true"))
    return Answer(204, headers, b"")
