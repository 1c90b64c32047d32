"""A memory store of one of several processes: it has a part of the sandboxes, and knows which process has the
others."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from swapmock.mock_server.core.clock import ClockMode, SandboxClock
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.placement import HeldElsewhere, Peer
from swapmock.mock_server.core.sandbox import Sandbox
from swapmock.mock_server.core.seeded import hexadecimal
from swapmock.mock_server.stores.box import UNWATCHED, Held, MemoryBox
from swapmock.mock_server.stores.memory import MemoryStore

#: What identifies a credential: provider and key.
Key = tuple[str, str]


class Place(NamedTuple):
    """Where a sandbox is: the number of its process, and its credentials."""

    process: int
    keys: tuple[Key, ...]


class Directory:
    """The process of every sandbox, in the order of their creation. Each process has a copy. `own` is its number,
    `peers` are all processes by their numbers."""

    def __init__(self, own: int, peers: Sequence[Peer]) -> None:
        self.own = own
        self.peers = tuple(peers)
        self._places: dict[str, Place] = {}
        self._by_key: dict[Key, int] = {}

    def note(self, sandbox_id: str, process: int, keys: Iterable[Key]) -> None:
        """Note that a sandbox with these `keys` is in `process`."""
        self._places[sandbox_id] = Place(process, tuple(keys))
        self._by_key.update(dict.fromkeys(self._places[sandbox_id].keys, process))

    def forget(self, sandbox_id: str) -> None:
        """Note that a sandbox no longer exists."""
        place = self._places.pop(sandbox_id, None)
        for key in () if place is None else place.keys:
            self._by_key.pop(key, None)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all sandboxes."""
        return tuple(self._places)

    def process_of(self, sandbox_id: str) -> int | None:
        """Return the number of the process that has a sandbox; None if there is none."""
        place = self._places.get(sandbox_id)
        return None if place is None else place.process

    def keys_of(self, sandbox_id: str) -> tuple[Key, ...]:
        """Return the credentials of a sandbox."""
        return self._places[sandbox_id].keys

    def elsewhere(self, sandbox_id: str) -> Peer | None:
        """Return the other process that has a sandbox; None if it is this process, or if there is no such sandbox."""
        process = self.process_of(sandbox_id)
        return None if process is None or process == self.own else self.peers[process]

    def elsewhere_by_key(self, key: Key) -> Peer | None:
        """Return the other process that has the sandbox of a credential; None as for `elsewhere`."""
        process = self._by_key.get(key)
        return None if process is None or process == self.own else self.peers[process]

    def emptiest(self, besides: str) -> int:
        """Return the process with the fewest sandboxes, without counting the sandbox `besides`."""
        held = [0] * len(self.peers)
        for sandbox_id, place in tuple(self._places.items()):
            held[place.process] += sandbox_id != besides
        return held.index(min(held))


class _Boxes(dict[str, MemoryBox]):
    """The sandboxes of this process by their ids. Raises HeldElsewhere for one of another process."""

    directory: Directory | None = None

    def __missing__(self, sandbox_id: str) -> MemoryBox:
        peer = None if self.directory is None else self.directory.elsewhere(sandbox_id)
        raise KeyError(sandbox_id) if peer is None else HeldElsewhere(peer)


class Change(NamedTuple):
    """What the other processes have to note: a sandbox is in `process`, or (None) no longer exists."""

    sandbox: str
    process: int | None
    keys: tuple[Key, ...] = ()


class ShardedStore(MemoryStore):
    """A MemoryStore with its part of the sandboxes. Until `divide` is called, it has all of them.

    `ticks` is a clock that all processes of the machine share: it decides which of them published a link last."""

    def __init__(
        self,
        journal_size: int = 1000,
        journal_bytes: int = 1 << 26,
        held: Held = UNWATCHED,
        *,
        ticks: Callable[[], float],
    ) -> None:
        super().__init__(journal_size, journal_bytes, held)
        self._boxes: _Boxes = _Boxes()
        self._ticks = ticks
        self._claims: Path | None = None
        self._shadowed = ""
        self.directory = Directory(0, [Peer("this process", "")])
        #: Called, from any thread, with each change that the other processes have to note.
        self.announce: Callable[[Change], None] = lambda _: None

    def divide(self, directory: Directory, shared: Path, shadowed: str) -> None:
        """Keep only the part of the process `directory.own`, of sandboxes that were made before the processes were
        forked.

        `shared` is an empty folder that all of them use. Of the sandbox `shadowed`, every other process keeps a
        copy without credentials, which answers there the requests that belong to no sandbox."""
        for number, sandbox_id in enumerate(tuple(self._boxes)):
            box = self._boxes[sandbox_id]
            keys = tuple((c.provider, c.key) for c in box.sandbox.credentials)
            process = 0 if sandbox_id == shadowed else number % len(directory.peers)
            directory.note(sandbox_id, process, keys)
            if process != directory.own:
                if sandbox_id != shadowed:
                    super().drop(sandbox_id)
                for key in keys:
                    self._credentials.pop(key, None)
        self._claims = shared
        self._shadowed = shadowed
        self.directory = self._boxes.directory = directory

    # What spans the processes

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """Return `(sandbox id, secret, disabled)` for a credential; None for an unknown one. Raises
        `placement.HeldElsewhere` if another process holds the sandbox."""
        found = self._credentials.get((provider, key))
        if found is None:
            peer = self.directory.elsewhere_by_key((provider, key))
            if peer is not None:
                raise HeldElsewhere(peer)
        return found

    def ids(self) -> Sequence[str]:
        """Return the ids of the sandboxes of all processes; `open` raises HeldElsewhere for those of another
        process."""
        return tuple(self._boxes) if self._claims is None else self.directory.ids()

    def add(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry] = ()) -> None:
        """Add a new sandbox with the first entries of its ledger. Raises ValueError if its id or one of its keys is
        taken."""
        if self.directory.process_of(sandbox.id) is not None:
            raise ValueError(f"sandbox {sandbox.id} or its credentials exist already")
        super().add(sandbox, clock, entries)
        if self._claims is not None:
            keys = tuple((c.provider, c.key) for c in sandbox.credentials)
            self.directory.note(sandbox.id, self.directory.own, keys)
            self.announce(Change(sandbox.id, self.directory.own, keys))

    def drop(self, sandbox_id: str) -> bool:
        """Remove a sandbox. Return whether there was one."""
        is_dropped = super().drop(sandbox_id)
        if is_dropped:
            self.directory.forget(sandbox_id)
            self.announce(Change(sandbox_id, None))
        return is_dropped

    def hand_over(self, sandbox_id: str, process: int) -> None:
        """Remove the content of a sandbox that `process` has taken."""
        keys = self.directory.keys_of(sandbox_id)
        super().drop(sandbox_id)
        self.directory.note(sandbox_id, process, keys)
        self.announce(Change(sandbox_id, process, keys))

    def take_over(self, sandbox: Sandbox, clock: SandboxClock) -> None:
        """Add a sandbox that another process hands over; that process tells the others."""
        super().add(sandbox, clock)
        keys = tuple((c.provider, c.key) for c in sandbox.credentials)
        self.directory.note(sandbox.id, self.directory.own, keys)

    def note(self, change: Change) -> None:
        """Note a change that another process has announced."""
        if change.process is None:
            self.directory.forget(change.sandbox)
        else:
            self.directory.note(change.sandbox, change.process, change.keys)

    # The sandbox of requests that belong to none

    def set_shadow(self, sandbox: Sandbox, clock: SandboxClock) -> None:
        """Let the copy of the shadowed sandbox answer as the sandbox now does. There is no copy while its answers
        depend on data that only the sandbox itself has: the number of a request, or a clock that follows its
        requests."""
        is_own_affair = sandbox.evidence_header or sandbox.client_clock != "machine" or clock.mode is ClockMode.ON_POLL
        with self._lock:
            if is_own_affair:
                self._boxes.pop(self._shadowed, None)
                return
            box = self._boxes.get(self._shadowed)
            if box is None:
                self._boxes[self._shadowed] = MemoryBox(sandbox, clock, self._journal, self._held)
                return
        with box:
            box.sandbox, box.clock = sandbox, clock

    # Public links

    def published_at(self, token: str) -> float | None:
        """Return when a sandbox of this process last published a link, by `ticks`; None if none has."""
        with self._lock:
            return next(reversed(self._tokens.get(token, {}).values()), None)

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox of any process has published, and return True. If one has, change nothing
        and return False."""
        if self._claims is None:
            return super().claim(token, sandbox_id)
        try:
            os.symlink(str(self.directory.own), self._claim(token))  # atomic, and for all processes
        except FileExistsError:
            return False
        if super().claim(token, sandbox_id):
            return True
        self._claim(token).unlink()
        return False

    def _claim(self, token: str) -> Path:
        assert self._claims is not None
        return self._claims / hexadecimal(32, token)

    def _publish(self, token: str, sandbox_id: str, behind: bool) -> None:
        super()._publish(token, sandbox_id, behind)
        owners = self._tokens.get(token)
        if owners is not None and sandbox_id in owners:
            owners[sandbox_id] = 0.0 if behind else self._ticks()

    def _forget_owner(self, token: str, sandbox_id: str) -> None:
        super()._forget_owner(token, sandbox_id)
        if self._claims is not None and token not in self._tokens:
            claim = self._claim(token)
            with suppress(OSError):
                if os.readlink(claim) == str(self.directory.own):
                    claim.unlink()


def change_from(row: Mapping[str, object]) -> Change:
    """Return a Change that was sent as JSON."""
    keys = row["keys"]
    assert isinstance(keys, list)
    process = row["process"]
    assert process is None or isinstance(process, int)
    return Change(str(row["sandbox"]), process, tuple((str(provider), str(key)) for provider, key in keys))
