"""How many callbacks may be sent at the same time."""

from __future__ import annotations

import resource

from swapmock.mock_server.core.delivery import SendResult

#: How many callbacks are sent at the same time: to one host, and in all. Each takes a file descriptor. The simplest
#: receivers queue five connections and answer one at a time: more at once would time out, and not by the receiver's fault.
PER_HOST = 8
IN_ALL = 4000

#: How many hosts are remembered as slow. One more, and the host that was marked first is no longer slow.
SLOW_HOSTS_KEPT = 10_000


class ConcurrencyLimit:
    """How many callbacks may be sent at the same time: `per_host` to one host, `in_all` together.

    A host that did not answer in time is slow until it answers. All slow hosts together get half of the places.
    """

    def __init__(self, per_host: int = PER_HOST, in_all: int | None = None) -> None:
        self._per_host = per_host
        self._in_all = in_all or min(IN_ALL, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
        self._slow_places = self._in_all // 2
        self._by_host: dict[str, int] = {}
        self._slow: dict[str, None] = {}
        self._taken = self._taken_by_slow = 0

    def acquire(self, host: str) -> bool:
        """Take a place for one delivery to `host`. Returns False if no place is free."""
        here, is_slow = self._by_host.get(host, 0), host in self._slow
        if here >= self._per_host or self._taken >= self._in_all:
            return False
        if is_slow and self._taken_by_slow >= self._slow_places:
            return False
        self._by_host[host] = here + 1
        self._taken += 1
        self._taken_by_slow += is_slow
        return True

    def release(self, host: str, result: SendResult | None) -> None:
        """Free a place for `host`. `result` says whether the host is slow; None says nothing about it."""
        was_slow, left = host in self._slow, self._by_host.pop(host) - 1
        if left:
            self._by_host[host] = left
        self._taken -= 1
        self._taken_by_slow -= was_slow
        if result is not None and result.timed_out and not was_slow:
            self._slow[host] = None
            self._taken_by_slow += left
            if len(self._slow) > SLOW_HOSTS_KEPT:
                self._unmark_slow(next(iter(self._slow)))
        elif result is not None and result.status is not None and was_slow:
            self._unmark_slow(host)

    def _unmark_slow(self, host: str) -> None:
        del self._slow[host]
        self._taken_by_slow -= self._by_host.get(host, 0)
