"""Tells open pages that something has changed, by server-sent events.

An event has no content. A page that gets one requests its changing part. The cost is limited to a share of the
computing time: the next event waits until the pages have used less than SHARE of the elapsed time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The seconds between two checks for changes.
INTERVAL = 0.5

#: The share of the time that live pages may use for computing.
SHARE = 0.02

#: The most unused computing time that is kept for later, in seconds.
MOST_SAVED = 0.15

#: After this many checks without an event a comment is sent, so that proxies keep the connection open.
QUIET_LOOKS = 30

#: The most sandboxes that one connection watches.
MOST_WATCHED = 20

#: The keys for the list of sandboxes and for the runs of checks, in place of the id of a sandbox.
EVERYTHING = "*"

#: How long a browser waits before it connects again, in milliseconds.
RETRY = 2000


class Budget:
    """The computing time that live pages may use: SHARE of the elapsed time."""

    def __init__(self, ticks: Callable[[], float]) -> None:
        self._ticks = ticks
        self._lock = Lock()
        self._left, self._since = MOST_SAVED, ticks()

    def spend(self, seconds: float) -> None:
        """Note that a page computed for `seconds`."""
        with self._lock:
            self._refill()
            self._left -= seconds

    @property
    def is_left(self) -> bool:
        """Return whether pages may compute now."""
        with self._lock:
            self._refill()
            return self._left > 0.0

    def _refill(self) -> None:
        now = self._ticks()
        self._left = min(MOST_SAVED, self._left + (now - self._since) * SHARE)
        self._since = now


class Live:
    """Knows in which sandboxes something has changed."""

    def __init__(self, engine: Engine, ticks: Callable[[], float]) -> None:
        self._engine = engine
        self._ticks = ticks
        self.budget = Budget(ticks)
        #: Sandbox -> when its version was read, and the version.
        self._read: dict[str, tuple[float, str]] = {}

    def version(self, sandbox: str) -> str:
        """Return a text that changes when something changes in `sandbox`. It is at most INTERVAL / 2 seconds old."""
        now = self._ticks()
        at, version = self._read.get(sandbox, (-1.0, ""))
        if at < 0 or now - at > INTERVAL / 2:
            version = self._version(sandbox)
            if len(self._read) > MOST_WATCHED * MOST_WATCHED:
                self._read.clear()
            self._read[sandbox] = now, version
        return version

    def _version(self, sandbox: str) -> str:
        engine = self._engine
        if sandbox == EVERYTHING:
            return f"{len(engine.store.ids())} {engine.store.runs_added()}"
        try:
            engine.run_due_in_batches(sandbox)
            with engine.store.open(sandbox) as box:
                clock, counts = box.clock, box.counts()
                shown = clock.shown if clock.rate == 0.0 else clock.since
                parts = (*counts.values(), box.dropped(), clock.mode, clock.rate, shown, box.inbox.counted)
        except KeyError:
            return "gone"
        return " ".join(map(str, parts))

    def watch(self, sandboxes: Sequence[str]) -> Watch:
        """Return the watch of one connection on `sandboxes`."""
        return Watch(self, tuple(dict.fromkeys(sandboxes))[:MOST_WATCHED])


class Watch:
    """The state of one open connection. `interval` is the seconds from one `message` to the next."""

    interval = INTERVAL

    def __init__(self, live: Live, sandboxes: tuple[str, ...]) -> None:
        self._live = live
        self._told = {sandbox: live.version(sandbox) for sandbox in sandboxes}
        self._quiet = 0

    def first(self) -> bytes:
        """Return the beginning of the stream."""
        return f"retry: {RETRY}\nevent: versions\ndata: {json.dumps(self._told)}\n\n".encode()

    def message(self) -> bytes:
        """Return the bytes to send now; empty for nothing."""
        self._quiet += 1
        changed = []
        for sandbox, told in self._told.items():
            version = self._live.version(sandbox)
            if version != told and self._live.budget.is_left:
                self._told[sandbox] = version
                changed.append(sandbox)
        if changed:
            self._quiet = 0
            return f"event: changed\ndata: {json.dumps(changed)}\n\n".encode()
        if self._quiet >= QUIET_LOOKS:
            self._quiet = 0
            return b": still here\n\n"
        return b""
