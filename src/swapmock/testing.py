"""Help for tests beside the pytest plugin: `SwapmockContainer` (extra `containers`) and `Inbox` (extra `pytest`)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.client_checks.testing.container import SwapmockContainer
    from swapmock.client_checks.testing.inbox import Inbox

__all__ = ["Inbox", "SwapmockContainer"]

#: Public name -> the module that defines it, and the extra that it needs.
_MODULES = {
    "Inbox": ("swapmock.client_checks.testing.inbox", "pytest"),
    "SwapmockContainer": ("swapmock.client_checks.testing.container", "containers"),
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'swapmock.testing' has no attribute {name!r}")
    module, extra = _MODULES[name]
    try:
        value = globals()[name] = getattr(import_module(module), name)
    except ModuleNotFoundError as missing:
        raise ImportError(f"{name} needs {missing.name}: pip install 'swapmock[{extra}]'", name=missing.name) from None
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
