"""The emulator as a WSGI application.

    gunicorn 'swapmock.wsgi:make_app()'

`make_app(**options)` makes one with the settings of `swapmock serve`. `app` is one with the default settings. The attribute
`emulator` of an application has the verbs of `swapmock.Emulator`. Each process has sandboxes of its own: use one worker.
"""

from __future__ import annotations

from typing import Any

from swapmock.mock_server.applications import WsgiApp
from swapmock.mock_server.applications import make_wsgi_app as make_app

app: WsgiApp

__all__ = ["WsgiApp", "app", "make_app"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'swapmock.wsgi' has no attribute {name!r}")
    made = globals()["app"] = make_app()
    return made
