"""Turns a signal to end the process into an exception, so that the report is still written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def as_exceptions() -> Iterator[None]:
    """Inside this context, SIGTERM (and SIGHUP, if the system has it) raises KeyboardInterrupt with the signal's
    name. Outside the main thread nothing changes, because only the main thread may set handlers."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, _interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a signal handler's signature
    raise KeyboardInterrupt(signal.Signals(number).name)
