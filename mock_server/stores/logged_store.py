"""A store whose boxes have logs. Sandboxes, credentials and tokens are in memory, as in the memory store; a
background thread does the housekeeping."""

from __future__ import annotations

import logging
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread, current_thread
from typing import NamedTuple

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.stores.box import UNWATCHED, MemoryBox
from swapmock.mock_server.stores.box import Held as Watch
from swapmock.mock_server.stores.facts import write_batch
from swapmock.mock_server.stores.logged import FLUSH_SECONDS, Log, LoggedBox
from swapmock.mock_server.stores.memory import MemoryStore

log = logging.getLogger("swapmock")


class Options(NamedTuple):
    """The options of a store. `journal_size` and `journal_bytes` limit the journal of each sandbox. `polls` are
    (provider, operation) of the operations that only read, with any HTTP method. `now()` is the real time.
    `complete` adds settings that an older version did not store to those of a sandbox."""

    now: Callable[[], float]
    journal_size: int = 1000
    journal_bytes: int = 1 << 26
    watch: Watch = UNWATCHED
    polls: frozenset[tuple[str, str]] = frozenset()
    complete: Callable[[Sandbox], Sandbox] = lambda sandbox: sandbox


class LoggedStore(MemoryStore, ABC):
    """What all stores with logs have in common; the methods are described in `core.ports.Store`. `_boxes` are the
    sandboxes that this process holds."""

    _boxes: dict[str, LoggedBox]  # type: ignore[assignment]  # all boxes of this store are of this kind

    is_durable = True

    def __init__(self, options: Options) -> None:
        super().__init__(options.journal_size, options.journal_bytes, options.watch)
        self._options = options
        self._keeper: Housekeeper | None = None

    @abstractmethod
    def _create_log(self, sandbox_id: str, body: bytes) -> Log:
        """Return a new log with a first batch."""

    def _make_box(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry]) -> LoggedBox:
        facts = [("sandbox", encode(sandbox)), ("clock", clock), *(("post", entry) for entry in entries)]
        body = write_batch(facts)
        box = self._box_over(self._create_log(sandbox.id, body), sandbox, clock)
        for entry in entries:
            MemoryBox.post(box, entry)
        box.number, box.log_bytes = 1, len(body)
        return box

    def _box_over(self, own_log: Log, sandbox: Sandbox, clock: SandboxClock) -> LoggedBox:
        box = LoggedBox(sandbox, clock, self._journal, self._held, own_log, self._options.polls)
        box.on_reload = self._index_again
        return box

    def _take_in(self, box: LoggedBox) -> None:
        """Hold a box that was read from its log."""
        box.sandbox = self._options.complete(box.sandbox)  # a change is committed when the box is closed next
        with self._lock:
            self._boxes[box.sandbox.id] = box
            for each in box.sandbox.credentials:
                self._credentials[each.provider, each.key] = (box.sandbox.id, each.secret, each.disabled)
        self._index_again(box, {})
        if box.sandbox.expires_at is not None:
            self.expire(box.sandbox.id, box.sandbox.expires_at)

    def _index_again(self, box: LoggedBox, before: Mapping[str, int]) -> None:
        """Let the tokens of `box` lead to it, in place of the tokens `before`."""
        name = box.sandbox.id
        with self._lock:
            for token in before:
                if token not in box.tokens:
                    self._forget_owner(token, name)
            for token, order in box.tokens.items():
                self._published = max(self._published, abs(order))
                if before.get(token) != order:
                    self._tokens[token] = self._ordered(token, {**self._tokens.get(token, {}), name: None})

    def _ordered(self, token: str, owners: dict[str, float | None]) -> dict[str, float | None]:
        return dict.fromkeys(sorted(owners, key=lambda name: self._boxes[name].tokens.get(token, 0)))

    def open(self, sandbox_id: str) -> LoggedBox:
        """Return the box of a sandbox. Raises KeyError if there is none, and `placement.HeldElsewhere` if another
        process holds it."""
        return self._boxes[sandbox_id]

    def drop(self, sandbox_id: str) -> bool:
        """Remove a sandbox. Return whether there was one."""
        box = self._boxes.get(sandbox_id)
        if box is None:
            return False
        with box:
            if box.is_dropped:
                return False
            self._drop_log(box)
            box.is_dropped = True
            return super().drop(sandbox_id)

    @abstractmethod
    def _drop_log(self, box: LoggedBox) -> None:
        """Remove everything that is stored of a sandbox."""

    def publish(self, token: str, sandbox_id: str, *, behind: bool = False) -> None:
        """Let a public link's `token` lead to a sandbox."""
        box = self._boxes.get(sandbox_id)
        if box is not None:
            with box:
                super().publish(token, sandbox_id, behind=behind)
                box.note_published(token)

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox of any process has published, and return True. If one has, change nothing
        and return False."""
        box = self._boxes.get(sandbox_id)
        if box is None:
            return super().claim(token, sandbox_id)
        with box:
            is_claimed = super().claim(token, sandbox_id)
            if is_claimed:
                box.note_published(token)
        return is_claimed

    def unpublish(self, token: str, sandbox_id: str) -> None:
        """Remove one token that leads to a sandbox, if it does."""
        box = self._boxes.get(sandbox_id)
        if box is not None and token in box.tokens:
            with box:
                super().unpublish(token, sandbox_id)
                box.note_unpublished(token)

    def withdraw(self, sandbox_id: str) -> None:
        """Remove every token that leads to a sandbox."""
        box = self._boxes.get(sandbox_id)
        if box is not None:
            with box:
                super().withdraw(sandbox_id)
                box.note_withdrawn()

    # --- housekeeping

    def start_housekeeping(self) -> None:
        """Start the background thread."""
        self._keeper = Housekeeper(self)

    def stop_housekeeping(self) -> None:
        """Stop the background thread."""
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None

    def flush(self) -> None:
        """Append all facts that wait."""
        for box in tuple(self._boxes.values()):
            try:
                box.flush()
            except StoreError as error:
                log.error("sandbox %s was not kept: %s", box.sandbox.id, error)

    def run_housekeeping(self) -> None:
        """Do the work of each second: append facts that wait, and write snapshots."""
        self.flush()
        for box in tuple(self._boxes.values()):
            if box.wants_snapshot:
                try:
                    box.snapshot()
                except StoreError as error:
                    log.error("sandbox %s got no snapshot: %s", box.sandbox.id, error)


class Housekeeper:
    """A thread that calls `run_housekeeping` of a store each second, as long as the store is used."""

    def __init__(self, store: LoggedStore) -> None:
        self._is_stopping, self._woken = False, Event()
        self._store = weakref.ref(store)
        self._thread = Thread(target=self._run, name="swapmock-store", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """End the current wait."""
        self._woken.set()

    def stop(self) -> None:
        """End the thread."""
        self._is_stopping = True
        self._woken.set()
        if current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.wait(FLUSH_SECONDS)
            self._woken.clear()
            if not _run_housekeeping(self._store):
                return


def _run_housekeeping(reference: weakref.ref[LoggedStore]) -> bool:
    """Do the housekeeping once. Return False if the store no longer exists."""
    store = reference()
    if store is None:
        return False
    try:
        store.run_housekeeping()
    except StoreError as error:
        log.error("%s", error)
    except Exception:
        log.exception("the housekeeping failed")
    return True
