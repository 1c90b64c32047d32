"""The journal of one sandbox in memory: the newest records, with limits on their number and bytes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from swapmock.mock_server.core.delivery import Attempt
from swapmock.mock_server.core.journal import Exchange, Record, Transition

#: The memory of a record without its texts, in bytes.
RECORD_BYTES = 500

#: How many records are looked through for one that was added not long ago.
LOOKED_THROUGH = 10_000


def texts_of(record: Record) -> int:
    """Return about how many bytes of memory the texts of `record` take. Only the transfer of a record changes once it is in the journal."""
    if type(record) is Exchange:
        size = len(record.body) + len(record.answer) + len(record.target)
        if record.violations or record.drift:
            size += RECORD_BYTES * (len(record.violations) + len(record.drift))
        return size
    if isinstance(record, Attempt):
        return len(record.answer) + len(record.url) + len(record.request_head) + len(record.answer_head)
    return 0


class BoundedJournal:
    """Holds at most `most` records and about `most_bytes` bytes of memory; the oldest records are dropped first.

    Headers are shared between records, so they do not count. Only the transfer of a record changes once it is in the
    journal, so its size does not change."""

    def __init__(self, most: int, most_bytes: int, records: Iterable[Record] = ()) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._records: deque[Record] = deque()
        self._texts = 0
        #: How many records were ever added.
        self.recorded = 0
        for record in records:
            self.append(record)

    def __len__(self) -> int:
        return len(self._records)

    @property
    def exchanges(self) -> int:
        """The number of records that are exchanges."""
        return sum(type(record) is Exchange for record in self._records)

    @property
    def dropped(self) -> int:
        """The number of records that were dropped since the journal was empty."""
        return self.recorded - len(self._records)

    @property
    def latest(self) -> Record | None:
        """Return the newest record; None if there is none."""
        return self._records[-1] if self._records else None

    def latest_first(self) -> Iterable[Record]:
        """Return at most LOOKED_THROUGH records, newest first."""
        return islice(reversed(self._records), LOOKED_THROUGH)

    def all(self) -> tuple[Record, ...]:
        """Return the records, oldest first."""
        return tuple(self._records)

    def clear(self) -> int:
        """Drop all records and count from 1 again. Return how many there were."""
        count = len(self._records)
        self._records.clear()
        self._texts = self.recorded = 0
        return count

    def append(self, record: Record) -> None:
        """Add a record, and drop the oldest ones beyond the limits."""
        # A create adds three records: an exchange, and two transitions of earlier tasks, which have no texts.
        records = self._records
        self.recorded += 1
        records.append(record)
        if type(record) is not Transition:
            self._texts += texts_of(record)
            while self._texts + RECORD_BYTES * len(records) > self._most_bytes:
                self._texts -= texts_of(records.popleft())
        if len(records) > self._most:
            dropped = records.popleft()
            if type(dropped) is not Transition:
                self._texts -= texts_of(dropped)
