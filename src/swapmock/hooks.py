"""Hooks for Schemathesis: they drop failures that the vendors' rules explain. They need the extra `checks`.

`schemathesis run` uses them if the environment has SCHEMATHESIS_HOOKS=swapmock.hooks. In your own test:

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
    """Return the path of a schemathesis.toml. It disables, for each operation, the checks that judge by the HTTP status
    alone."""
    return Path(str(files(client_checks))) / "schemathesis.toml"


def contract_path(provider: str) -> Path:
    """Return the path of the OpenAPI document of `provider`. Raises FileNotFoundError if there is no such provider."""
    return folder(provider) / "openapi.yaml"


def install(schema: Any, provider: str, variants: Mapping[str, Any] | None = None) -> None:
    """Install hooks on `schema` that drop failures that the rules of `provider` explain, such as the refusal of valid data
    for lack of credits.

    `variants` are the choices of variants by which the server is judged; the default is the contract's defaults. Raises
    FileNotFoundError if there is no such provider.
    """
    install_hooks(schema, load(provider), profile(provider), variants)


register()
