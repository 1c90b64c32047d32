"""The Placement of worker processes: each has a copy of the directory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from swapmock.mock_server.core.placement import Peer
from swapmock.mock_server.stores.sharded import Directory, ShardedStore
from swapmock.mock_server.web.forwarding import NoAnswer, NotReached, call
from swapmock.mock_server.web.routed import BETWEEN


class ShardPlacement:
    """Says which worker holds a sandbox. Only the workers know `secret`. The methods are described in
    `core.placement.Placement`."""

    def __init__(self, store: ShardedStore, secret: str) -> None:
        self._store = store
        self.secret = secret

    @property
    def _directory(self) -> Directory:
        return self._store.directory

    def holder(self, sandbox_id: str) -> Peer | None:
        """Return the other process that holds a sandbox. None: this process holds it or may take it, or there is no
        such sandbox."""
        return self._directory.elsewhere(sandbox_id)

    def peers(self) -> Sequence[Peer]:
        """Return all other processes that run now. Lists and metrics over all sandboxes are requested from each of
        them."""
        directory = self._directory
        return [peer for number, peer in enumerate(directory.peers) if number != directory.own]

    async def holders_of_link(self, token: str) -> Sequence[Peer | None]:
        """Return the workers with a sandbox that published the link; the last one that did comes first."""
        others = self.peers()
        told = await asyncio.gather(*(self._published_at(peer, token) for peer in others))
        found: list[tuple[float, Peer | None]] = [
            (at, peer) for at, peer in zip(told, others, strict=True) if at is not None
        ]
        own = self._store.published_at(token)
        if own is not None:
            found.append((own, None))
        return [peer for _, peer in sorted(found, key=lambda pair: pair[0], reverse=True)]

    async def _published_at(self, peer: Peer, token: str) -> float | None:
        try:
            at = await call(peer, self.secret, BETWEEN + "link", token)
        except (NotReached, NoAnswer):
            return None  # a worker that does not answer has died, which soon ends the whole emulator
        return None if at is None else float(at)
