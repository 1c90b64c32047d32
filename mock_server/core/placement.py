"""The port that says which process holds a sandbox, and the error that names another process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Peer(NamedTuple):
    """Another process of the same emulator. `address` is where it takes forwarded requests: an http or https URL, or
    `unix:/path`. `name` is how log lines and errors name it."""

    name: str
    address: str


class HeldElsewhere(KeyError):
    """A sandbox is held by another process, `peer`. The Store raises this from `open` and `find`.

    The request is then forwarded, so nothing may have been changed before. `body` is the body of the request, if
    it has been read already. It is a KeyError, so that code that works through the sandboxes of this process
    skips such a sandbox like a dropped one."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.name)
        self.peer = peer
        self.body: bytes | None = None


class Placement(Protocol):
    """Says which process holds a sandbox. One implementation is for the worker processes of one machine, another for
    processes that share a store and take leases on its sandboxes. The methods may be called from any thread."""

    @property
    def secret(self) -> str:
        """The text that a forwarded request must carry. Only the processes of the emulator know it."""

    def holder(self, sandbox_id: str) -> Peer | None:
        """Return the other process that holds a sandbox. None: this process holds it or may take it, or there is no
        such sandbox."""

    async def holders_of_link(self, token: str) -> Sequence[Peer | None]:
        """Return the processes where a public link's `token` may lead to a sandbox, the likeliest first; None means
        this process. Empty if no process knows the token."""

    def peers(self) -> Sequence[Peer]:
        """Return all other processes that run now. Lists and metrics over all sandboxes are requested from each of
        them."""
