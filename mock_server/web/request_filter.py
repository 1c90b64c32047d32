"""Rules that a request must pass before the pipeline or a page answers it.

Any web page in a developer's browser can send requests to loopback, and a foreign host name can resolve to
loopback (DNS rebinding). So the filter checks the host name of the request, and whether a browser sends it for a
page of another origin. Each rule is a row of RULES or ADMIN_RULES: a function that returns a Refusal, or None if
the request passes."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from swapmock.mock_server.settings import Settings, is_loopback, is_private
from swapmock.mock_server.web.messages import HOST, Answer, Request
from swapmock.mock_server.web.parsing import is_json

#: The most accepted values of the Host header that are cached.
MOST_HOSTS = 1024

#: HTTP methods that change nothing.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

#: Values of Sec-Fetch-Site for a request from our own page, or directly from the user.
OWN_SITES = frozenset({"same-origin", "none"})

#: Headers of the admin API and of pages: pages of other origins cannot show them in a frame, and browsers do not guess
#: another content type.
ADMIN_HEADERS = (("content-security-policy", "frame-ancestors 'none'"), ("x-content-type-options", "nosniff"))


class Zone(Enum):
    """The part of the emulator that a request is for. `VENDOR`: the vendors' APIs, media, uploads and health.
    `ADMIN`: the admin API, pages, and everything else. `PAGES`: the inspector, whose forms carry a token against
    forged requests and are not JSON."""

    VENDOR = "vendor"
    ADMIN = "admin"
    PAGES = "pages"


class Refusal(NamedTuple):
    """The HTTP status of a refused request, and the sentence that says why."""

    status: int
    detail: str


@dataclass(frozen=True)
class Policy:
    """Which requests the filter accepts.

    `hosts` are names and addresses under which everything may be requested, `vendor_hosts` the vendors' own
    names. `any_vendor_host` allows every name for the vendors' APIs, `any_host` for everything. `origins` are
    those of our own pages in addition to the request's own host; `admin_origins` are foreign origins that may use
    the admin API. `token` is that of the admin API."""

    hosts: frozenset[str] = frozenset()
    vendor_hosts: frozenset[str] = frozenset()
    any_vendor_host: bool = False
    any_host: bool = False
    origins: frozenset[str] = frozenset()
    admin_origins: frozenset[str] = frozenset()
    token: str = ""


def policy_from(settings: Settings, vendor_urls: frozenset[str]) -> Policy:
    """Return the policy for `settings`. `vendor_urls` are the base URLs of the live services."""
    public = urlsplit(settings.public_url)
    hosts = {settings.host.strip("[]").lower(), *(name.lower().rstrip(".") for name in settings.allow_host)}
    if public.hostname:
        hosts.add(public.hostname)
    return Policy(
        hosts=frozenset(hosts),
        vendor_hosts=frozenset(urlsplit(url).hostname or "" for url in vendor_urls),
        any_vendor_host=not is_private(settings) or settings.uds is not None,
        any_host=settings.uds is not None or "*" in hosts,  # browsers cannot reach a unix socket
        origins=frozenset({f"{public.scheme}://{public.netloc}".lower()} if public.hostname else ()),
        admin_origins=frozenset(settings.admin_origin),
        token=settings.admin_token,
    )


class Rule(NamedTuple):
    """A named rule: `broken` returns the refusal of a request that breaks it."""

    name: str
    broken: Callable[[Policy, Zone, Request], Refusal | None]


def host_name(authority: str) -> str:
    """Return the host of `authority` (`name:port`) in lower case, without brackets and without the dot of an
    absolute name."""
    name = authority.rpartition("]")[0].lstrip("[") if authority.startswith("[") else authority.partition(":")[0]
    return name.lower().removesuffix(".")


def is_loopback_name(name: str) -> bool:
    """Return whether `name` can only lead to this machine (RFC 6761 6.3 for names)."""
    return name.endswith(".localhost") or is_loopback(_without_mapping(name))


def _without_mapping(name: str) -> str:
    """Return an IPv4 address in IPv6 form as IPv4."""
    try:
        address = ip_address(name)
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _host_is_valid(_policy: Policy, _zone: Zone, request: Request) -> Refusal | None:
    host = request.headers.get("host")
    if host is None or HOST.fullmatch(host):
        return None  # only HTTP/1.0 requests lack a Host; the server has checked this
    return Refusal(400, "the Host header should be one host name or address, with a port or without (RFC 9112 3.2)")


def _host_is_known(policy: Policy, zone: Zone, request: Request) -> Refusal | None:
    host = request.headers.get("host")
    if host is None or policy.any_host or (zone is Zone.VENDOR and policy.any_vendor_host):
        return None
    name = host_name(host)
    if is_loopback_name(name) or name in policy.hosts or _is_in_domain(name, policy.hosts):
        return None
    if zone is Zone.VENDOR and (_is_address(name) or name in policy.vendor_hosts):
        return None
    if shows_token(policy.token, request.headers):
        return None  # a page that reached the emulator by DNS rebinding cannot know the token
    return Refusal(403, f"this server does not answer as {name[:200]!r}; --allow-host {name[:200]} would allow it")


def _is_in_domain(name: str, hosts: frozenset[str]) -> bool:
    labels = name.split(".")
    return any("*." + ".".join(labels[start:]) in hosts for start in range(1, len(labels)))


def shows_token(token: str, headers: Mapping[str, str]) -> bool:
    """Return whether the request carries the admin API's `token`, if there is one."""
    scheme, _, shown = headers.get("authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())


def _write_is_json(_policy: Policy, _zone: Zone, request: Request) -> Refusal | None:
    has_body = bool(request.body or request.body_error)
    if request.method in SAFE_METHODS or not has_body or is_json(request.headers.get("content-type", "")):
        return None
    return Refusal(400, "a body for the admin API needs the header Content-Type: application/json")


def _write_is_from_here(policy: Policy, _zone: Zone, request: Request) -> Refusal | None:
    if request.method in SAFE_METHODS or not _is_foreign(policy, request):
        return None
    return Refusal(403, "a page of another origin may not change anything here; --admin-origin ORIGIN would allow it")


def _read_is_from_here_or_a_navigation(policy: Policy, _zone: Zone, request: Request) -> Refusal | None:
    is_navigation = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET"
    if request.method not in SAFE_METHODS or is_navigation or not _is_foreign(policy, request):
        return None
    return Refusal(403, "a page of another origin may not load this; --admin-origin ORIGIN would allow it")


def _is_foreign(policy: Policy, request: Request) -> bool:
    """Return whether a browser sends `request` for a page of another origin. Other clients send neither header."""
    origin = request.headers.get("origin")
    if origin is not None:
        own = urlsplit(request.base_url)  # the origin may contain the path of a proxy
        known = (f"{own.scheme}://{own.netloc}".lower(), *policy.origins, *policy.admin_origins)
        return origin.lower() not in known
    return request.headers.get("sec-fetch-site", "none") not in OWN_SITES


#: The rules for every request, in order.
RULES = (Rule("the Host header is valid", _host_is_valid), Rule("the host is known", _host_is_known))

#: Additional rules for the admin API and pages.
ADMIN_RULES = (
    Rule("a write is not from a page of another origin", _write_is_from_here),
    Rule("a body is declared as JSON", _write_is_json),
    Rule("a read is not from a page of another origin, unless it is a navigation", _read_is_from_here_or_a_navigation),
)


#: Additional rules for the pages of the inspector.
PAGE_RULES = tuple(rule for rule in ADMIN_RULES if rule.broken is not _write_is_json)

#: The rules for each zone.
RULES_FOR: Mapping[Zone, tuple[Rule, ...]] = {
    Zone.VENDOR: RULES,
    Zone.ADMIN: (*RULES, *ADMIN_RULES),
    Zone.PAGES: (*RULES, *PAGE_RULES),
}


class RequestFilter:
    """Applies the rules under a `policy`."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        #: Values of the Host header that pass the rules for the vendors' APIs.
        self.passed: set[str | None] = set()

    def refusal(self, zone: Zone, request: Request) -> Refusal | None:
        """Return why `request` is refused in this `zone`; None if it passes."""
        for rule in RULES_FOR[zone]:
            refusal = rule.broken(self.policy, zone, request)
            if refusal is not None:
                return refusal
        if zone is Zone.VENDOR and "authorization" not in request.headers:  # it may have passed because of its token
            if len(self.passed) >= MOST_HOSTS:
                self.passed.clear()
            self.passed.add(request.headers.get("host"))
        return None


def refused(refusal: Refusal) -> Answer:
    """Return the answer for `refusal`, as problem details (RFC 9457)."""
    document = {
        "type": "about:blank",
        "title": HTTPStatus(refusal.status).phrase,
        "status": refusal.status,
        "detail": refusal.detail,
    }
    headers = [("content-type", "application/problem+json"), *ADMIN_HEADERS]
    return Answer(refusal.status, headers, json.dumps(document).encode())
