"""The Store port in dictionaries, for one process: sandboxes, and the two indexes over them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from heapq import heapify, heappop, heappush
from math import inf
from threading import Lock
from typing import Any

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.runs import MOST_RUNS, Run
from swapmock.mock_server.core.sandbox import Credential, Sandbox
from swapmock.mock_server.stores.box import UNWATCHED, Held, MemoryBox


class MemoryStore:
    """A store in memory; its methods are described in `core.ports.Store`. `journal_size` limits the records in the
    journal of each sandbox, `journal_bytes` their bytes. `held` is notified of how long sandboxes were open."""

    is_durable = False

    def __init__(self, journal_size: int = 1000, journal_bytes: int = 1 << 26, held: Held = UNWATCHED) -> None:
        self._held = held
        self._journal = (journal_size, journal_bytes)
        self._lock = Lock()
        self._boxes: dict[str, MemoryBox] = {}
        self._credentials: dict[tuple[str, str], tuple[str, str, bool]] = {}
        #: The sandboxes that a token leads to; the last one that published it comes last. Subclasses may use the
        #: values.
        self._tokens: dict[str, dict[str, float | None]] = {}
        self._published = 0
        #: When sandboxes end; the same as a heap, which may have outdated entries.
        self._ends: dict[str, float] = {}
        self._end_heap: list[tuple[float, str]] = []
        self.next_end = inf
        self._runs: deque[Run] = deque(maxlen=MOST_RUNS)
        self._runs_added = 0

    def add(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry] = ()) -> None:
        """Add a new sandbox with the first entries of its ledger. Raises ValueError if its id or one of its keys is
        taken."""
        keys = {(c.provider, c.key): (sandbox.id, c.secret, c.disabled) for c in sandbox.credentials}
        with self._lock:
            taken = [key for _, key in keys.keys() & self._credentials.keys()]
            if sandbox.id in self._boxes or taken:
                raise ValueError(f"sandbox {sandbox.id} or its credentials exist already")
            self._boxes[sandbox.id] = self._make_box(sandbox, clock, entries)
            self._credentials.update(keys)

    def _make_box(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry]) -> MemoryBox:
        box = MemoryBox(sandbox, clock, self._journal, self._held)
        for entry in entries:
            box.post(entry)
        return box

    def open(self, sandbox_id: str) -> MemoryBox:
        """Return the box of a sandbox. Raises KeyError if there is none, and `placement.HeldElsewhere` if another
        process holds it."""
        return self._boxes[sandbox_id]

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """Return `(sandbox id, secret, disabled)` for a credential; None for an unknown one. Raises
        `placement.HeldElsewhere` if another process holds the sandbox."""
        return self._credentials.get((provider, key))

    def ids(self) -> Sequence[str]:
        """Return the ids of all sandboxes."""
        return tuple(self._boxes)

    def sandbox_of(self, sandbox_id: str) -> Sandbox:
        """Return the settings of a sandbox, whichever process holds it. Raises KeyError if there is none."""
        return self.open(sandbox_id).sandbox

    def set_credentials(self, sandbox_id: str, credentials: Sequence[Credential]) -> None:
        """Replace the credentials of a sandbox. Raises ValueError if another sandbox has one of the keys."""
        with self.open(sandbox_id) as box, self._lock:
            keys = {(c.provider, c.key): (sandbox_id, c.secret, c.disabled) for c in credentials}
            if any(self._credentials.get(key, (sandbox_id,))[0] != sandbox_id for key in keys):
                raise ValueError(f"another sandbox than {sandbox_id} has one of the keys")
            for old in box.sandbox.credentials:
                del self._credentials[old.provider, old.key]
            self._credentials.update(keys)
            box.sandbox = replace(box.sandbox, credentials=tuple(credentials))

    def drop(self, sandbox_id: str) -> bool:
        """Remove a sandbox. Return whether there was one."""
        with self._lock:
            box = self._boxes.pop(sandbox_id, None)
            if box is None:
                return False
            self._withdraw(box, sandbox_id)
            self._ends.pop(sandbox_id, None)
            for credential in box.sandbox.credentials:
                self._credentials.pop((credential.provider, credential.key), None)
        return True

    def expire(self, sandbox_id: str, at: float) -> None:
        """Note that a sandbox ends at the real time `at`. This replaces an earlier note."""
        with self._lock:
            if sandbox_id not in self._boxes or self._ends.get(sandbox_id) == at:
                return
            self._ends[sandbox_id] = at
            heappush(self._end_heap, (at, sandbox_id))
            if len(self._end_heap) > 2 * len(self._ends) + 64:  # most entries are outdated
                self._end_heap = [(end, name) for name, end in self._ends.items()]
                heapify(self._end_heap)
            self.next_end = self._end_heap[0][0]

    def expired(self, real: float) -> Sequence[str]:
        """Return the sandboxes whose noted end has come by `real`. Each is returned once."""
        if self.next_end > real:
            return ()
        found = []
        with self._lock:
            while self._end_heap and self._end_heap[0][0] <= real:
                at, sandbox_id = heappop(self._end_heap)
                if self._ends.get(sandbox_id) == at:
                    del self._ends[sandbox_id]
                    found.append(sandbox_id)
            self.next_end = self._end_heap[0][0] if self._end_heap else inf
        return found

    def publish(self, token: str, sandbox_id: str, *, behind: bool = False) -> None:
        """Let a public link's `token` lead to a sandbox."""
        with self._lock:
            self._publish(token, sandbox_id, behind)

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox of any process has published, and return True. If one has, change nothing
        and return False."""
        with self._lock:
            is_free = token not in self._tokens
            if is_free:
                self._publish(token, sandbox_id, behind=False)
        return is_free

    def _publish(self, token: str, sandbox_id: str, behind: bool) -> None:
        box = self._boxes.get(sandbox_id)
        if box is not None:  # otherwise it was dropped while a request was still using it
            owners = self._tokens.setdefault(token, {})
            owners.pop(sandbox_id, None)
            self._published += 1
            box.tokens[token] = -self._published if behind else self._published
            if behind and owners:
                self._tokens[token] = {sandbox_id: None, **owners}
            else:
                owners[sandbox_id] = None

    def withdraw(self, sandbox_id: str) -> None:
        """Remove every token that leads to a sandbox."""
        with self._lock:
            box = self._boxes.get(sandbox_id)
            if box is not None:
                self._withdraw(box, sandbox_id)

    def _withdraw(self, box: MemoryBox, sandbox_id: str) -> None:
        for token in box.tokens:
            self._forget_owner(token, sandbox_id)
        box.tokens.clear()

    def _forget_owner(self, token: str, sandbox_id: str) -> None:
        owners = self._tokens[token]
        owners.pop(sandbox_id, None)
        if not owners:
            del self._tokens[token]

    def unpublish(self, token: str, sandbox_id: str) -> None:
        """Remove one token that leads to a sandbox, if it does."""
        with self._lock:
            box = self._boxes.get(sandbox_id)
            if box is not None and token in box.tokens:
                del box.tokens[token]
                self._forget_owner(token, sandbox_id)

    def owner(self, token: str) -> str | None:
        """Return the sandbox to which a token leads; None if there is none."""
        with self._lock:
            return next(reversed(self._tokens.get(token, {})), None)

    def add_run(self, at: float, kind: str, document: Any) -> Run:
        """Store the report `document` of a run of checks of this `kind`, made at the real time `at`. If there are
        `runs.MOST_RUNS` already, it replaces the oldest."""
        with self._lock:
            self._runs_added += 1
            run = Run(str(self._runs_added), at, kind, document)
            self._runs.append(run)
        return run

    def runs(self) -> Sequence[Run]:
        """Return the runs, newest first."""
        with self._lock:
            return tuple(reversed(self._runs))

    def runs_added(self) -> int:
        """Return how many runs were ever added."""
        return self._runs_added

    def wait_until_durable(self) -> Callable[[], None] | None:
        """Return a function to call before the commits of this thread are acknowledged; the call may take long. None
        if they can be acknowledged at once."""
        return None

    def when_emptied(self, make: Callable[[], object]) -> None:
        """Do nothing: the memory of a process does not become empty."""

    def close(self) -> None:
        """Do nothing: the state ends with the process."""

    def reopen(self) -> None:
        """Do nothing: `close` has closed nothing."""
