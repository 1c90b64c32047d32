"""The Store port in Redis or Valkey: any number of processes on any machines form one emulator.

Each process holds some sandboxes in memory, as the memory store does, and appends changes to their logs: one
script call for each commit. It holds a sandbox while its own key, its lease, exists: for LEASE_SECONDS, renewed
each second. If the key has expired, another process takes the sandbox with a higher fencing number, and commits
with the old number are refused.

The keys of one sandbox share a hash tag, so that a cluster stores them together. Further keys hold the
credentials, the tokens of public links, the ids of all sandboxes, and the processes with their addresses."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import methodcaller
from threading import Event, Lock, Thread, current_thread
from typing import NamedTuple

from swapmock.mock_server.core.clock import SandboxClock
from swapmock.mock_server.core.ledger import Entry
from swapmock.mock_server.core.placement import HeldElsewhere, Peer
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.core.sandbox import Credential, Sandbox
from swapmock.mock_server.stores.facts import FORMAT
from swapmock.mock_server.stores.logged import LoggedBox, restored
from swapmock.mock_server.stores.logged_store import LoggedStore, Options
from swapmock.mock_server.stores.memory import MemoryStore
from swapmock.mock_server.stores.redis_log import MOST_STAGED, PREFIX, RedisLog, key_of, read_log, read_meta
from swapmock.mock_server.stores.redis_server import (
    CLAIM,
    CREATE,
    RELEASE,
    REMOVE,
    TAKE,
    RedisServer,
    shown,
)

log = logging.getLogger("swapmock")

#: How long a lease lasts without a renewal, and how often it is renewed, in seconds.
LEASE_SECONDS, RENEW_SECONDS = 5.0, 1.0

#: How many seconds before the end of its lease a process stops using it, because clocks run at different speeds.
MARGIN_SECONDS = 0.5


class Identity(NamedTuple):
    """How the other processes see this one: a name that no other process has or had, and the address for forwarded
    requests."""

    name: str
    address: str


class RedisStore(LoggedStore):
    """A store at `url`; its methods are described in `core.ports.Store`. `identity` is this process. `ticks()`
    returns real seconds that go on while the process is stopped. Raises StoreError if Redis cannot be reached, or
    has a newer format.

    It is also the Placement of its process: `holder`, `holders_of_link`, `peers`."""

    def __init__(
        self, url: str, options: Options, identity: Identity, draw_secret: Callable[[], str], ticks: Callable[[], float]
    ) -> None:
        super().__init__(options)
        self.server = RedisServer(url)
        self.identity = identity
        self._draw_secret = draw_secret
        self._make_again: Callable[[], object] = lambda: None
        self._ticks = ticks
        self._taking = Lock()
        self._begin()

    def _begin(self) -> None:
        self._lease_until = float("-inf")
        self._is_closed = False
        self._check_format()
        self.secret = self._shared_secret(self._draw_secret())
        self._renew()
        self._stopping = Event()
        self._renewer = Thread(target=self._renew_always, name="swapmock-lease", daemon=True)
        self._renewer.start()
        self.server.on_absence = self._distrust_all
        self.server.on_return = self._renew
        self.start_housekeeping()

    def _check_format(self) -> None:
        self.server.call(lambda client: client.set(f"{PREFIX}format", FORMAT, nx=True))
        found = int(self.server.call(lambda client: client.get(f"{PREFIX}format")))
        if found > FORMAT:
            raise StoreError(f"the store has format {found}, this version of swapmock reads up to {FORMAT}")

    def _shared_secret(self, drawn: str) -> str:
        self.server.call(lambda client: client.set(f"{PREFIX}secret", drawn, nx=True))
        return str(self.server.call(lambda client: client.get(f"{PREFIX}secret")).decode())

    # --- the lease

    def _distrust_all(self) -> None:
        """Compare each sandbox with its log before it is used again: other processes may have taken it, and a Redis that was
        away may have lost what was written last."""
        for box in tuple(self._boxes.values()):
            box.distrust()

    def _renew(self) -> None:
        """Renew the lease of this process. If it had expired, sandboxes are distrusted."""
        asked = self._ticks()
        had_run_out = asked >= self._lease_until
        document = json.dumps({"address": self.identity.address})
        with suppress(StoreError):
            self.server.call(
                lambda client: client.set(self._process_key(self.identity.name), document, px=int(LEASE_SECONDS * 1000))
            )
            if had_run_out:
                self._distrust_all()
            self._lease_until = asked + LEASE_SECONDS - MARGIN_SECONDS

    def _renew_always(self) -> None:
        while not self._stopping.wait(RENEW_SECONDS):
            self._renew()

    def _process_key(self, name: str) -> str:
        return f"{PREFIX}process:{name}"

    def _is_alive(self, name: str) -> str | None:
        """Return the address of a process whose lease has not expired; None for any other."""
        found = self.server.read(lambda client: client.get(self._process_key(name))) if name else None
        return None if found is None else str(json.loads(found)["address"])

    # --- sandboxes

    def open(self, sandbox_id: str) -> LoggedBox:
        """Return the box of a sandbox. Raises KeyError if there is none, and `placement.HeldElsewhere` if another
        process holds it."""
        if self.server.is_away or self._is_closed:
            raise StoreError("the store cannot be reached", is_away=True)
        box = self._boxes.get(sandbox_id)
        if box is not None and self._ticks() < self._lease_until and not box.is_lost:
            return box
        if self._ticks() >= self._lease_until:
            self._renew()
            if self._ticks() >= self._lease_until:
                raise StoreError("the store cannot be reached", is_away=True)
        try:
            return self._take(sandbox_id)
        except KeyError:
            if not self._was_emptied():
                raise
            log.error("%s is empty: all sandboxes are lost, the standing ones are made again", shown(self.server.url))
            self._make_again()
            return self._take(sandbox_id)

    def _was_emptied(self) -> bool:
        """Return whether Redis has lost everything since the start. What all processes share is then stored again. Of several
        processes, one gets True."""
        if not self.server.call(lambda client: client.set(f"{PREFIX}format", FORMAT, nx=True)):
            return False
        self._shared_secret(self.secret)
        self._renew()
        for box in tuple(self._boxes.values()):
            self._let_go(box)
        return True

    def when_emptied(self, make: Callable[[], object]) -> None:
        """Call `make()` if Redis has lost everything, to add the sandboxes that are always there."""
        self._make_again = make

    def _take(self, sandbox_id: str) -> LoggedBox:
        """Hold a sandbox from now on. Raises HeldElsewhere if another process holds it, and KeyError if there is
        none."""
        with self._taking:
            box = self._boxes.get(sandbox_id)
            if box is not None:
                if not box.is_lost:
                    return box
                self._let_go(box)
            while True:
                meta = read_meta(self.server, sandbox_id)
                if meta is None:
                    self.server.call(methodcaller("srem", f"{PREFIX}sandboxes", sandbox_id))
                    raise KeyError(sandbox_id)
                address = None if meta.holder == self.identity.name else self._is_alive(meta.holder)
                if address is not None:
                    raise HeldElsewhere(Peer(meta.holder, address))
                fence = self.server.run(TAKE, [key_of(sandbox_id, "meta")], [meta.holder, self.identity.name])
                if fence:
                    return self._load(sandbox_id, int(fence), is_crash=meta.holder not in ("", self.identity.name))

    def _load(self, sandbox_id: str, fence: int, *, is_crash: bool) -> LoggedBox:
        meta = read_meta(self.server, sandbox_id)
        if meta is None:
            raise KeyError(sandbox_id)
        made, number, log_bytes, snapshot_bytes = restored(read_log(self.server, sandbox_id, meta), self._journal)
        own = RedisLog(self.server, sandbox_id, self.identity.name, fence)
        own.generation = meta.generation
        box = self._box_over(own, made.sandbox, made.clock)
        box.take_over(made)
        box.number, box.log_bytes, box.snapshot_bytes = number, log_bytes, snapshot_bytes
        self._follow(box)
        self._take_in(box)
        if is_crash:
            box.note_recovery(self._options.now())
        return box

    @staticmethod
    def _follow(box: LoggedBox) -> None:
        """Let the keys of a sandbox expire when the sandbox ends."""
        assert isinstance(box.log, RedisLog)
        box.log.end = lambda: box.sandbox.expires_at

    def _let_go(self, box: LoggedBox) -> None:
        """Remove from memory a sandbox that another process has taken."""
        box.is_dropped = True
        MemoryStore.drop(self, box.sandbox.id)

    def release(self, sandbox_id: str) -> None:
        """Let any process take a sandbox that this one holds."""
        box = self._boxes.get(sandbox_id)
        if box is not None:
            box.flush()
            with box, self._taking:
                assert isinstance(box.log, RedisLog)
                self.server.run(RELEASE, [key_of(sandbox_id, "meta")], [box.log.fence])
                self._let_go(box)

    def sandbox_of(self, sandbox_id: str) -> Sandbox:
        """Return the settings of a sandbox, whichever process holds it. Raises KeyError if there is none."""
        try:
            return self.open(sandbox_id).sandbox
        except HeldElsewhere:
            meta = read_meta(self.server, sandbox_id)
            if meta is None:
                raise KeyError(sandbox_id) from None
            return restored(read_log(self.server, sandbox_id, meta), self._journal)[0].sandbox

    def add(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry] = ()) -> None:
        """Add a new sandbox with the first entries of its ledger. Raises ValueError if its id or one of its keys is
        taken."""
        super().add(sandbox, clock, entries)
        self._follow(self._boxes[sandbox.id])

    def _create_log(self, sandbox_id: str, body: bytes) -> RedisLog:
        keys = [key_of(sandbox_id, part) for part in ("meta", "log")]
        if not self.server.run(CREATE, keys, [self.identity.name, body]):
            raise ValueError(f"sandbox {sandbox_id} or its credentials exist already")
        return RedisLog(self.server, sandbox_id, self.identity.name, 1)

    def _make_box(self, sandbox: Sandbox, clock: SandboxClock, entries: Sequence[Entry]) -> LoggedBox:
        box = super()._make_box(sandbox, clock, entries)
        taken = [each for each in sandbox.credentials if not self._register(sandbox.id, each)]
        if taken:
            own = [each for each in sandbox.credentials if each not in taken]
            self._forget_credentials(own)
            self._remove(box)
            raise ValueError(f"sandbox {sandbox.id} or its credentials exist already")
        self.server.call(lambda client: client.sadd(f"{PREFIX}sandboxes", sandbox.id))
        return box

    def _register(self, sandbox_id: str, credential: Credential) -> bool:
        value = json.dumps([sandbox_id, credential.secret, credential.disabled])
        field = _field(credential)
        return bool(self.server.call(lambda client: client.hsetnx(f"{PREFIX}credentials", field, value)))

    def _forget_credentials(self, credentials: Sequence[Credential]) -> None:
        if credentials:
            names = [_field(each) for each in credentials]
            self.server.call(lambda client: client.hdel(f"{PREFIX}credentials", *names))

    def find(self, provider: str, key: str) -> tuple[str, str, bool] | None:
        """Return `(sandbox id, secret, disabled)` for a credential; None for an unknown one. Raises
        `placement.HeldElsewhere` if another process holds the sandbox."""
        found = self._credentials.get((provider, key))
        if found is not None:
            return found
        raw = self.server.read(lambda client: client.hget(f"{PREFIX}credentials", _field(Credential(provider, key))))
        if raw is None:
            return None
        sandbox_id, secret, disabled = json.loads(raw)
        if not self.server.read(methodcaller("exists", key_of(sandbox_id, "meta"))):
            return None  # the sandbox ended while no process held it
        return str(sandbox_id), str(secret), bool(disabled)

    def set_credentials(self, sandbox_id: str, credentials: Sequence[Credential]) -> None:
        """Replace the credentials of a sandbox. Raises ValueError if another sandbox has one of the keys."""
        before = self.open(sandbox_id).sandbox.credentials
        new = [each for each in credentials if each not in before]
        if not all(self._register(sandbox_id, each) for each in new):
            raise ValueError(f"another sandbox than {sandbox_id} has one of the keys")
        super().set_credentials(sandbox_id, credentials)
        self._forget_credentials([each for each in before if each not in credentials])

    def ids(self) -> Sequence[str]:
        """Return the ids of the sandboxes of all processes; `open` raises HeldElsewhere for those of another
        process."""
        try:
            found = self.server.read(methodcaller("smembers", f"{PREFIX}sandboxes"))
        except StoreError:
            return tuple(self._boxes)  # sandboxes that `open` will refuse
        return sorted(name.decode() for name in found)

    def _drop_log(self, box: LoggedBox) -> None:
        self._remove(box)
        self._forget_credentials(box.sandbox.credentials)
        name = box.sandbox.id
        self.server.call(lambda client: client.srem(f"{PREFIX}sandboxes", name))
        for token in box.tokens:
            self.server.call(methodcaller("zrem", _token_key(token), name))

    def _remove(self, box: LoggedBox) -> None:
        assert isinstance(box.log, RedisLog)
        name = box.sandbox.id
        keys = [key_of(name, part) for part in ("meta", "log", "files")]
        found = self.server.call(lambda client: client.hget(keys[0], "staged"))
        newest = int(found or 0)
        keys += [key_of(name, f"snapshot:{each}") for each in range(max(1, newest - MOST_STAGED), newest + 1)]
        self.server.run(REMOVE, keys, [box.log.fence])

    # --- public links

    def publish(self, token: str, sandbox_id: str, *, behind: bool = False) -> None:
        """Let a public link's `token` lead to a sandbox."""
        box = self._boxes.get(sandbox_id)
        if box is not None:
            with box:
                super().publish(token, sandbox_id, behind=behind)
                score = -self._options.now() if behind else self._options.now()
                self.server.call(lambda client: client.zadd(_token_key(token), {sandbox_id: score}))

    def claim(self, token: str, sandbox_id: str) -> bool:
        """Publish a token that no sandbox of any process has published, and return True. If one has, change nothing
        and return False."""
        if not self.server.run(CLAIM, [_token_key(token)], [self._options.now(), sandbox_id]):
            return False
        return super().claim(token, sandbox_id)

    def unpublish(self, token: str, sandbox_id: str) -> None:
        """Remove one token that leads to a sandbox, if it does."""
        super().unpublish(token, sandbox_id)
        self.server.call(lambda client: client.zrem(_token_key(token), sandbox_id))

    def withdraw(self, sandbox_id: str) -> None:
        """Remove every token that leads to a sandbox."""
        box = self._boxes.get(sandbox_id)
        tokens = () if box is None else tuple(box.tokens)
        super().withdraw(sandbox_id)
        for token in tokens:
            self.server.call(methodcaller("zrem", _token_key(token), sandbox_id))

    def owner(self, token: str) -> str | None:
        """Return the sandbox to which a token leads; None if there is none."""
        own = super().owner(token)
        if own is not None:
            return own
        found = self.server.read(lambda client: client.zrevrange(_token_key(token), 0, 0))
        return found[0].decode() if found else None

    # --- placement

    def holder(self, sandbox_id: str) -> Peer | None:
        """Return the other process that holds a sandbox. None: this process holds it or may take it, or there is no
        such sandbox."""
        if sandbox_id in self._boxes and self._ticks() < self._lease_until:
            return None
        meta = read_meta(self.server, sandbox_id)
        if meta is None or meta.holder == self.identity.name:
            return None
        address = self._is_alive(meta.holder)
        return None if address is None else Peer(meta.holder, address)

    async def holders_of_link(self, token: str) -> Sequence[Peer | None]:
        """Return the processes where a public link's `token` may lead to a sandbox, the likeliest first; None means
        this process. Empty if no process knows the token."""
        sandbox_id = self.owner(token)
        return [] if sandbox_id is None else [self.holder(sandbox_id)]

    def peers(self) -> Sequence[Peer]:
        """Return all other processes that run now. Lists and metrics over all sandboxes are requested from each of
        them."""
        found = []
        for key in self.server.read(
            lambda client: set(client.scan_iter(f"{PREFIX}process:*"))
        ):  # of all nodes of a cluster
            name = key.decode().removeprefix(f"{PREFIX}process:")
            address = self._is_alive(name) if name != self.identity.name else None
            if address is not None:
                found.append(Peer(name, address))
        return sorted(found)

    # --- housekeeping and closing

    def run_housekeeping(self) -> None:
        """Do the work of each second, unless Redis cannot be reached."""
        if not self.server.is_away:
            super().run_housekeeping()

    def advertise(self, address: str) -> None:
        """Tell the other processes the `address` for forwarded requests."""
        self.identity = self.identity._replace(address=address)
        self._renew()

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._is_closed

    def close(self) -> None:
        """Commit all facts that wait and release the sandboxes, so that other processes can take them at once."""
        if self._is_closed:
            return
        self.stop_housekeeping()
        self.flush()
        self._is_closed = True
        self._stopping.set()
        if current_thread() is not self._renewer:
            self._renewer.join()
        for box in tuple(self._boxes.values()):
            assert isinstance(box.log, RedisLog)
            with suppress(StoreError):
                self.server.run(RELEASE, [key_of(box.sandbox.id, "meta")], [box.log.fence])
        with suppress(StoreError):
            self.server.call(lambda client: client.delete(self._process_key(self.identity.name)))
        self.server.close()

    def reopen(self) -> None:
        """Open the store again after `close`. Raises StoreError."""
        if self._is_closed:
            super().__init__(self._options)  # this process holds nothing yet
            self.server.open()
            self._begin()

    def reopen_as(self, identity: Identity) -> None:
        """Open a closed store as another process: this one was forked from the one that closed it."""
        self.identity = identity
        self.reopen()

    def note_end(self, other: Identity) -> None:
        """Let the sandboxes of a process that is known to have ended be taken at once."""
        with suppress(StoreError):
            self.server.call(lambda client: client.delete(self._process_key(other.name)))


def _field(credential: Credential) -> str:
    return f"{credential.provider} {credential.key}"


def _token_key(token: str) -> str:
    return f"{PREFIX}token:{token}"
