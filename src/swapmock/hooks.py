"""Hooks for Schemathesis: what the vendors' rules explain is no failure. Needs the extra `checks`.

With SCHEMATHESIS_HOOKS=swapmock.hooks they are in force in a `schemathesis run`. In a test of your own:

schema = schemathesis.openapi.from_path(swapmock.hooks.contract_path("crun"))
swapmock.hooks.install(schema, "crun")
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from swapmock import client_checks
from swapmock.client_checks.conformance.global_hooks import register
from swapmock.client_checks.conformance.hooks import install_hooks
from swapmock.client_checks.conformance.profile import profile
from swapmock.contracts import folder, load

__all__ = ["config_path", "contract_path", "install", "install_hooks"]


def config_path() -> Path:
    """The schemathesis.toml that disables what judges by the HTTP status alone, operation by operation."""
    return Path(str(files(client_checks))) / "schemathesis.toml"


def contract_path(provider: str) -> Path:
    """The OpenAPI document of `provider`. Raises FileNotFoundError if there is no such provider."""
    return folder(provider) / "openapi.yaml"


def install(schema: Any, provider: str, variants: Mapping[str, Any] | None = None) -> None:
    """Let `schema` drop failures that the rules of `provider` explain, such as a refusal of valid data for want of credits.

    `variants` are the choices that the server is held to; the contract's defaults unless given. Raises FileNotFoundError
    if there is no such provider.
    """
    install_hooks(schema, load(provider), profile(provider), variants)


register()
