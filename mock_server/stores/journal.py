"""The journal of one sandbox in memory: the newest records, with limits on their number and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from swapmock.mock_server.core.delivery import Attempt
from swapmock.mock_server.core.journal import Exchange, Record

#: The memory of a record without its texts, in bytes.
RECORD_BYTES = 500


class BoundedJournal:
    """Holds at most `most` records and about `most_bytes` bytes of memory; the oldest records are dropped first.

    Headers are shared between records, so they do not count. A record does not change once it is in the journal,
    so its size does not change."""

    def __init__(self, most: int, most_bytes: int, records: Iterable[Record] = ()) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._records: deque[Record] = deque()
        #: The bytes of each record; a negative number for a record that is not an exchange.
        self._sizes: deque[int] = deque()
        self._bytes = self._others = 0
        #: The number of records that were ever added.
        self.recorded = 0
        for record in records:
            self.append(record)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def exchanges(self) -> int:
        """The number of records that are exchanges."""
        return len(self._records) - self._others

    @property
    def dropped(self) -> int:
        """The number of records that were dropped since the journal was empty."""
        return self.recorded - len(self._records)

    @property
    def latest(self) -> Record | None:
        """Return the newest record; None if there is none."""
        return self._records[-1] if self._records else None

    def all(self) -> tuple[Record, ...]:
        """Return the records, oldest first."""
        return tuple(self._records)

    def clear(self) -> int:
        """Drop all records and count from 1 again. Return how many there were."""
        count = len(self._records)
        self._records.clear()
        self._sizes.clear()
        self._bytes = self._others = self.recorded = 0
        return count

    def append(self, record: Record) -> None:
        """Add a record, and drop the oldest ones beyond the limits."""
        # Every request runs this. It is one function, because one more call would double its cost.
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
