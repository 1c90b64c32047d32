"""The emulator as an ASGI 3 application.

    uvicorn --factory swapmock.asgi:make_app

`make_app(**options)` makes one with the settings of `swapmock serve`. `app` is one with the default settings. The attribute
`emulator` of an application has the verbs of `swapmock.Emulator`. Each process has sandboxes of its own: use one worker.
"""

from __future__ import annotations

from typing import Any

from swapmock.mock_server.applications import AsgiApplication
from swapmock.mock_server.applications import make_asgi_app as make_app

app: AsgiApplication

__all__ = ["AsgiApplication", "app", "make_app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'swapmock.asgi' has no attribute {name!r}")
    made = globals()["app"] = make_app()
    return made
