"""Checks for changes in a user's test process that prevent an emulator from working. Each case gives one clear
error."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

#: The advice for a process in which an emulator cannot run.
ELSEWHERE = (
    "run `swapmock serve` in a separate process and use RemoteEmulator(url), "
    "or pass swapmock.wsgi.make_app() to the WSGI server of this process"
)


def check_process() -> None:
    """Raise RuntimeError if threads have been replaced in this process (gevent, eventlet): the server would hang."""
    gevent: Any = sys.modules.get("gevent.monkey")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        library = "gevent"
    elif eventlet is not None and eventlet.is_monkey_patched("thread"):
        library = "eventlet"
    else:
        return
    raise RuntimeError(
        f"{library} has replaced the threads of this process, and an Emulator needs real ones: {ELSEWHERE}"
    )


@contextmanager
def explain_blocked_socket() -> Iterator[None]:
    """Turn pytest-socket's refusal of a socket into an error that says how to allow it."""
    try:
        yield
    except RuntimeError as error:
        if type(error).__module__ != "pytest_socket":
            raise
        raise RuntimeError(
            "pytest-socket forbids sockets, and an Emulator listens on one: start it before they are disabled, or allow "
            "them where it starts (the marker enable_socket; --allow-hosts=127.0.0.1 in place of --disable-socket), or "
            "use swapmock.wsgi or swapmock.asgi without a socket"
        ) from error
