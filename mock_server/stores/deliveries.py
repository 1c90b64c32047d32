"""The deliveries of one sandbox in memory: by id, and the pending ones by host and due time, with their leases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from heapq import heappop, heappush

from swapmock.mock_server.core.delivery import DELIVERIES_KEPT, Delivery


class Deliveries:
    """Deliveries in the order of their creation. `core.ports.Box` describes the methods of the same names."""

    def __init__(self, deliveries: Iterable[Delivery] = ()) -> None:
        self._all: dict[str, Delivery] = {}
        #: The unclaimed deliveries of each host, as heaps: due time, number, id. An entry may be outdated.
        self._outbox: dict[str, list[tuple[float, int, str]]] = {}
        #: The ends of the leases, as a heap: real time, number of the claim, id. An entry may be outdated.
        self._leases: list[tuple[float, int, str]] = []
        #: The ids of the finished deliveries, oldest first.
        self._finished: dict[str, None] = {}
        for delivery in deliveries:
            self.put(replace(delivery, leased_until=None))

    def __len__(self) -> int:
        return len(self._all)

    def all(self) -> tuple[Delivery, ...]:
        """Return the deliveries in the order of their creation."""
        return tuple(self._all.values())

    def get(self, delivery_id: str) -> Delivery | None:
        """Return the delivery with this id; None if there is none."""
        return self._all.get(delivery_id)

    def put(self, delivery: Delivery) -> None:
        """Store a delivery, new or changed. At most DELIVERIES_KEPT finished deliveries are kept."""
        self._all[delivery.id] = delivery
        self._finished.pop(delivery.id, None)
        if delivery.next_due is None:
            self._finished[delivery.id] = None
            if len(self._finished) > DELIVERIES_KEPT:
                oldest = next(iter(self._finished))
                del self._finished[oldest], self._all[oldest]
        elif delivery.leased_until is None:
            heap = self._outbox.setdefault(delivery.host, [])
            heappush(heap, (delivery.next_due, delivery.number, delivery.id))

    def next_due(self) -> float | None:
        """Return when the next unclaimed delivery falls due; None if none is due."""
        if not self._outbox:
            return None
        return min((heap[0][0] for host in tuple(self._outbox) if (heap := self._pending(host))), default=None)

    def claim_due(
        self, now: float, real: float, take: Callable[[str], bool], lease: Callable[[str], Delivery]
    ) -> Sequence[Delivery]:
        """Claim the deliveries that are due by the sandbox time `now`, each with `lease(id)`, and return them in order.
        `take(host)` is called before each; if it returns False, no further delivery to this host is claimed. Leases
        that have expired at the real time `real` are released first."""
        self.expire_leases(real)
        claimed: list[Delivery] = []
        for host in tuple(self._outbox):
            while (heap := self._pending(host)) and heap[0][0] <= now and take(host):
                claimed.append(lease(heappop(heap)[2]))
        return sorted(claimed, key=lambda delivery: (delivery.next_due, delivery.number))

    def may_claim(self, delivery_id: str, real: float) -> bool:
        """Return whether a delivery is neither finished nor claimed at the real time `real`."""
        self.expire_leases(real)
        known = self._all.get(delivery_id)
        return known is not None and known.next_due is not None and known.leased_until is None

    def lease(self, delivery_id: str, until: float) -> Delivery:
        """Claim an existing, unclaimed delivery until the real time `until`, and return it."""
        held = self._all[delivery_id] = self._all[delivery_id].claimed(until)
        heappush(self._leases, (until, held.claim, delivery_id))
        return held

    def expire_leases(self, real: float) -> None:
        """Make the deliveries due again whose lease has expired at the real time `real`."""
        while self._leases and self._leases[0][0] <= real:
            until, claim, delivery_id = heappop(self._leases)
            held = self._all.get(delivery_id)
            if held is not None and (held.leased_until, held.claim) == (until, claim):
                self.put(replace(held, leased_until=None))

    def _pending(self, host: str) -> list[tuple[float, int, str]]:
        """Return the heap of a host's unclaimed deliveries, earliest first, without outdated entries at its top."""
        heap = self._outbox.get(host, [])
        while heap:
            at, _, delivery_id = heap[0]
            known = self._all.get(delivery_id)
            if known is not None and known.next_due == at and known.leased_until is None:
                return heap
            heappop(heap)
        self._outbox.pop(host, None)
        return heap
