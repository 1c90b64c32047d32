"""swapmock: an offline emulator of face-swap cloud APIs.

`Emulator` starts one in this process, `RemoteEmulator` speaks to one that runs elsewhere; both have the same verbs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mock_server.control import AdminError, Control, Sandbox
    from mock_server.emulator import Emulator, RemoteEmulator

__version__ = "0.1.0"

__all__ = ["AdminError", "Control", "Emulator", "RemoteEmulator", "Sandbox", "__version__"]


def __getattr__(name: str) -> Any:
    # Late, so that the command starts without what it does not use.
    if name in ("AdminError", "Control", "Sandbox"):
        from mock_server import control

        return getattr(control, name)
    if name in ("Emulator", "RemoteEmulator"):
        from mock_server import emulator

        return getattr(emulator, name)
    raise AttributeError(f"module 'mock_server' has no attribute {name!r}")
