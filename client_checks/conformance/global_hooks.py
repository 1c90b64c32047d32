"""Hooks for a `schemathesis run` of the user's own: they know the contract of a schema by its title.

An answer counts as the HTTP status that its envelope says, so that a refusal on HTTP 200 is a refusal. What the provider's
rules explain is no failure. A check that the shipped schemathesis.toml disables, because it judges by the HTTP status alone,
runs here under a name of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from schemathesis.checks import CHECKS

from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.hooks import Excuse, excuses
from swapmock.client_checks.conformance.profile import known, profile
from swapmock.client_checks.conformance.transport import is_loopback
from swapmock.contracts import Contract, load, outside

#: Schemathesis' checks that judge by the HTTP status alone.
BY_STATUS = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
#: Seconds for the question which variants an emulator on this machine has.
PATIENCE = 5.0


@dataclass(frozen=True)
class Known:
    """What is known of the schema of a case: its contract, its envelope, and the failures that are explained."""

    contract: Contract
    envelope: Envelope
    excused: Mapping[str, Excuse]


def register() -> None:
    """Register the hooks and checks with Schemathesis, for every schema; a second call does nothing."""
    if "swapmock_ignored_auth" in CHECKS.get_all_names():
        return
    schemathesis.hook(after_load_schema)
    schemathesis.hook(filter_failure)
    for name in BY_STATUS:
        schemathesis.check(_in_place_of(name))


def after_load_schema(context: Any, schema: Any) -> None:  # noqa: ARG001 - a hook's signature
    """Let answers to `schema` come with the status that they amount to. Schemathesis has no hook for the calls that its
    checks make themselves, so the transport is wrapped."""
    transport = schema.transport
    if getattr(transport, "judges", False) or _contract(_title(schema)) is None:
        return
    send = transport.send

    def judged(case: Any, **options: Any) -> Any:
        response = send(case, **options)
        found = None if _is_installed(case) else _known_of(case, options)
        if found is not None:
            response.status_code = found.envelope.judged(response.status_code, response.content)
        return response

    transport.send = judged
    transport.judges = True


def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001 - a hook's signature
    """Whether a failure stays: not if the provider's rules explain it."""
    found = None if _is_installed(case) else _known_of(case, {})
    excuse = None if found is None else found.excused.get(type(failure).__name__)
    return excuse is None or not excuse(case, response)


def _in_place_of(name: str) -> Callable[..., Any]:
    def run(context: Any, response: Any, case: Any) -> Any:
        is_ours = not _is_installed(case) and _contract(_title(case.operation.schema)) is not None
        if not is_ours or context.config.get_by_name(name=name).enabled:
            return True
        check: Any = CHECKS.get_one(name)
        return check(context, response, case)

    run.__name__ = f"swapmock_{name}"
    return run


def _is_installed(case: Any) -> bool:
    """Whether the schema has hooks of its own, as `install_hooks` gives it: they know more than these."""
    return bool(case.operation.schema.hooks.get_all_by_name("filter_failure"))


def _title(schema: Any) -> str:
    raw = schema.raw_schema
    return str(raw.get("info", {}).get("title", "")) if isinstance(raw, Mapping) else ""


@lru_cache(maxsize=64)
def _contract(title: str) -> Contract | None:
    """The contract of a provider that there is a profile for, by the title of its document."""
    names = [*known(), *outside()]
    found = (load(name) for name in dict.fromkeys(names))
    return next((one for one in found if one.document["info"]["title"] == title), None)


def _known_of(case: Any, options: Mapping[str, Any]) -> Known | None:
    title = _title(case.operation.schema)
    if _contract(title) is None:
        return None
    base = str(options.get("base_url") or case.operation.schema.get_base_url() or "")
    return _known(title, base, os.environ.get("SWAPMOCK_VARIANTS", ""))


@lru_cache(maxsize=64)
def _known(title: str, base_url: str, declared: str) -> Known | None:
    contract = _contract(title)
    if contract is None:
        return None
    facts = profile(contract.name)
    chosen = contract.behaviour.choose({**_told(contract.name, base_url), **_declared(contract.name, declared)})
    return Known(contract, Envelope(contract), excuses(contract, facts, chosen, balance_may_end=True))


def _declared(provider: str, text: str) -> dict[str, str]:
    """The choices of `SWAPMOCK_VARIANTS`, which has the form of `--variants` of the emulator."""
    pairs = (pair.strip().partition("=") for pair in text.split(",") if pair.strip())
    named = ((name.partition("."), choice) for name, _, choice in pairs)
    return {variant: choice for (owner, _, variant), choice in named if owner == provider}


def _told(provider: str, base_url: str) -> dict[str, Any]:
    """The choices that an emulator on this machine says its default sandbox has. No other machine is asked."""
    if not base_url or not is_loopback(base_url):
        return {}
    parts = urlsplit(base_url)
    session = requests.Session()
    session.trust_env = False
    try:
        with session.get(f"{parts.scheme}://{parts.netloc}/__admin/sandboxes/default", timeout=PATIENCE) as answer:
            variants = answer.json()["variants"][provider] if answer.ok else {}
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return {}
    return dict(variants) if isinstance(variants, dict) else {}
