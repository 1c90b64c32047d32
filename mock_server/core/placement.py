"""Which process holds a sandbox: the port, and the error that says that it is another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class Peer(NamedTuple):
    """Another process of the same emulator. `address` is where it takes forwarded requests: an http or https URL, or
    `unix:/path`. `name` is how log lines and errors name it."""

    name: str
    address: str


class HeldElsewhere(KeyError):
    """A sandbox is held by another process, `peer`. The Store raises this from `open` and `find`; the request is then
    forwarded, so nothing may have been changed before. `body` is the
    body of the request, if it has been read already.

    It is a KeyError: code that works through the sandboxes of this process passes over it, as over one that was dropped.
    """

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer.name)
        self.peer = peer
        self.body: bytes | None = None


class Placement(Protocol):
    """Answers "which process holds this sandbox?". One body is for the worker processes of one machine, another for
    processes that share a store and take leases on its sandboxes. The methods may be called from any thread."""

    @property
    def secret(self) -> str:
        """What a forwarded request has to carry. All processes of the emulator know it, nobody else does."""

    def holder(self, sandbox_id: str) -> Peer | None:
        """The other process that holds a sandbox. None: this process holds it or may take it, or there is no such
        sandbox."""

    async def holders_of_link(self, token: str) -> Sequence[Peer | None]:
        """Where a public link's `token` may lead to a sandbox, the likeliest process first; None stands for this process.
        Empty if no process knows the token."""

    def peers(self) -> Sequence[Peer]:
        """All other processes that run now. What spans sandboxes (lists, metrics) is asked of each of them."""
