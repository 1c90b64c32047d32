"""The journal of one sandbox in memory: the newest records, within bounds of number and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from swapmock.mock_server.core.delivery import Attempt
from swapmock.mock_server.core.journal import Exchange, Record

#: What a record takes beside its texts, in bytes.
RECORD_BYTES = 500


class BoundedJournal:
    """Holds at most `most` records and about `most_bytes` bytes of memory; it drops the oldest records first.

    Headers are shared between records, so they do not count. A record does not change once it is here, so its size stays the same.
    """

    def __init__(self, most: int, most_bytes: int, records: Iterable[Record] = ()) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._records: deque[Record] = deque()
        #: The bytes of each record, below zero for a record that is no exchange.
        self._sizes: deque[int] = deque()
        self._bytes = self._others = 0
        #: How many records were ever added.
        self.recorded = 0
        for record in records:
            self.append(record)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def exchanges(self) -> int:
        """How many of the records are exchanges."""
        return len(self._records) - self._others

    @property
    def dropped(self) -> int:
        """How many records were dropped since the journal was empty."""
        return self.recorded - len(self._records)

    @property
    def latest(self) -> Record | None:
        return self._records[-1] if self._records else None

    def all(self) -> tuple[Record, ...]:
        """Oldest first."""
        return tuple(self._records)

    def clear(self) -> int:
        """Drop all records and count from 1 again. Returns how many there were."""
        count = len(self._records)
        self._records.clear()
        self._sizes.clear()
        self._bytes = self._others = self.recorded = 0
        return count

    def append(self, record: Record) -> None:
        # Every request comes here. One function, for a call in Python costs as much as all that is done here.
        records, sizes = self._records, self._sizes
        self.recorded += 1
        if type(record) is Exchange:
            size = RECORD_BYTES + len(record.body) + len(record.answer) + len(record.target)
            if record.violations or record.drift:
                size += RECORD_BYTES * (len(record.violations) + len(record.drift))
            sizes.append(size)
        else:
            size = RECORD_BYTES
            if isinstance(record, Attempt):
                size += len(record.answer) + len(record.url)
            sizes.append(-size)
            self._others += 1
        records.append(record)
        held = self._bytes + size
        while held > self._most_bytes or len(sizes) > self._most:
            records.popleft()
            dropped = sizes.popleft()
            if dropped > 0:
                held -= dropped
            else:
                held += dropped
                self._others -= 1
        self._bytes = held
