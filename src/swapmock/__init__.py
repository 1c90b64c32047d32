"""swapmock: an offline emulator and contract-testing kit for face-swap cloud APIs.

`Emulator` starts an emulator in this process. `RemoteEmulator` controls one that runs elsewhere. Both have the same
methods. Everything that is not listed in `__all__` is private and may change in any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapmock.client_checks.api import check
    from swapmock.mock_server.control import AdminError, Control, Sandbox
    from swapmock.mock_server.emulator import Emulator, RemoteEmulator
    from swapmock.mock_server.interception.session import intercept
    from swapmock.mock_server.settings import SettingError, Settings

__version__ = "0.2.0"

__all__ = [
    "AdminError",
    "Control",
    "Emulator",
    "RemoteEmulator",
    "Sandbox",
    "SettingError",
    "Settings",
    "__version__",
    "check",
    "intercept",
]

#: Public name -> the module that defines it. Imported when first used, so that the command starts without the rest.
_MODULES = {
    "AdminError": "swapmock.mock_server.control",
    "Control": "swapmock.mock_server.control",
    "Sandbox": "swapmock.mock_server.control",
    "Emulator": "swapmock.mock_server.emulator",
    "RemoteEmulator": "swapmock.mock_server.emulator",
    "SettingError": "swapmock.mock_server.settings",
    "Settings": "swapmock.mock_server.settings",
    "check": "swapmock.client_checks.api",
    "intercept": "swapmock.mock_server.interception.session",
}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module 'swapmock' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(module), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
