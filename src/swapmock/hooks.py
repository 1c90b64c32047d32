"""Hooks for Schemathesis: what the vendors' rules explain is no failure. Needs the extra `checks`.

schema = schemathesis.openapi.from_path(swapmock.hooks.contract_path("crun"))
swapmock.hooks.install(schema, "crun")
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.hooks import install_hooks
from swapmock.client_checks.conformance.profile import profile
from swapmock.contracts import folder, load

__all__ = ["contract_path", "install", "install_hooks"]


def contract_path(provider: str) -> Path:
    """The OpenAPI document of `provider`. Raises FileNotFoundError if there is no such provider."""
    return folder(provider) / "openapi.yaml"


def install(schema: Any, provider: str, variants: Mapping[str, Any] | None = None) -> None:
    """Let `schema` drop failures that the rules of `provider` explain, such as a refusal of valid data for want of credits.

    `variants` are the choices that the server is held to; the contract's defaults unless given. Raises FileNotFoundError
    if there is no such provider.
    """
    install_hooks(schema, load(provider), profile(provider), variants)
