"""Hooks for a user's own `schemathesis run`. They find the contract by the title of the schema.

An answer counts with the HTTP status that its envelope says, so that an error with HTTP 200 counts as an error. A
failure that the provider's rules explain is dropped. The shipped schemathesis.toml disables the checks that judge
by the HTTP status alone; here each of them runs under another name."""

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

#: The checks of Schemathesis that judge by the HTTP status alone.
BY_STATUS = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "missing_required_header",
    "unsupported_method",
    "ignored_auth",
)
#: The timeout in seconds for asking an emulator on this machine for its variants.
PATIENCE = 5.0


@dataclass(frozen=True)
class Known:
    """What is known of the schema of a case: its contract, its envelope, and the functions that explain failures."""

    contract: Contract
    envelope: Envelope
    excused: Mapping[str, Excuse]


def register() -> None:
    """Register the hooks and checks with Schemathesis for every schema; a second call does nothing."""
    if "swapmock_ignored_auth" in CHECKS.get_all_names():
        return
    schemathesis.hook(after_load_schema)
    schemathesis.hook(filter_failure)
    for name in BY_STATUS:
        schemathesis.check(_in_place_of(name))


def after_load_schema(context: Any, schema: Any) -> None:  # noqa: ARG001 - a hook's signature
    """Wrap the transport of `schema`, so that answers have the HTTP status that they count as. Schemathesis has no
    hook for the calls that its checks send."""
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
    """Return whether a failure is kept: False if the provider's rules explain the failure."""
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
    """Return whether `install_hooks` has given this schema its own hooks, which know more than these."""
    return bool(case.operation.schema.hooks.get_all_by_name("filter_failure"))


def _title(schema: Any) -> str:
    raw = schema.raw_schema
    return str(raw.get("info", {}).get("title", "")) if isinstance(raw, Mapping) else ""


@lru_cache(maxsize=64)
def _contract(title: str) -> Contract | None:
    """Return the contract with this document title, of a provider that has a profile; None if there is none."""
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
    chosen = contract.behaviour.choose(
        {**_reported_variants(contract.name, base_url), **_declared(contract.name, declared)}
    )
    return Known(contract, Envelope(contract), excuses(contract, facts, chosen, balance_may_end=True))


def _declared(provider: str, text: str) -> dict[str, str]:
    """Return the choices in SWAPMOCK_VARIANTS, which has the form of the emulator's `--variants`."""
    pairs = (pair.strip().partition("=") for pair in text.split(",") if pair.strip())
    named = ((name.partition("."), choice) for name, _, choice in pairs)
    return {variant: choice for (owner, _, variant), choice in named if owner == provider}


def _reported_variants(provider: str, base_url: str) -> dict[str, Any]:
    """Return the choices that the default sandbox of an emulator on this machine reports. No other machine is asked."""
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
