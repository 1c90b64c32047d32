"""The callback inbox of a sandbox: a receiver inside the emulator, whose address is known at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

#: The most requests that an inbox keeps, and the most bytes of the body of each.
MOST_ARRIVALS, KEPT_BODY = 100, 65_536

#: The most answers that can be set in advance, and the most bytes of the body of each.
MOST_ANSWERS, LONGEST_ANSWER = 100, 65_536

#: The prefix of the paths of inboxes; the id of the sandbox follows.
START = "/__inbox/"


class InboxAnswer(NamedTuple):
    """What an inbox answers: an HTTP status, a body and its media type. A `body` of None is the acknowledgement that
    the contract of the delivery's provider demands, with any status."""

    status: int = 200
    body: str | None = None
    content_type: str = "application/json"


class Arrival(NamedTuple):
    """A request that an inbox received. `at` is sandbox time. `body` is the beginning of the body, `size` the length
    of the whole body in bytes. `answered` is the HTTP status of the answer."""

    number: int
    at: float
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    answered: int


class Inbox:
    """The received requests, newest last, and the answers that are set for the next ones.

    Each answer is used once, in order; the last one is used for all further requests. Without any, an inbox
    acknowledges."""

    def __init__(self) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=MOST_ARRIVALS)
        self.answers: tuple[InboxAnswer, ...] = ()
        self.counted = 0

    def take(self, at: float, method: str, target: str, headers: Mapping[str, str], body: bytes) -> InboxAnswer:
        """Record a request that came at the sandbox time `at`, and return the answer to it."""
        self.counted += 1
        answer = self.answers[0] if self.answers else InboxAnswer()
        self.answers = self.answers[1:] if len(self.answers) > 1 else self.answers
        kept = Arrival(self.counted, at, method, target, headers, body[:KEPT_BODY], len(body), answer.status)
        self.arrivals.append(kept)
        return answer

    def newest(self, most: int, before: int | None = None) -> Sequence[Arrival]:
        """Return at most `most` requests, newest first; only those with a number below `before`, if it is given."""
        older = (one for one in reversed(self.arrivals) if before is None or one.number < before)
        return tuple(islice(older, most))

    def clear(self) -> int:
        """Remove the requests, and return how many there were. Numbers continue."""
        count = len(self.arrivals)
        self.arrivals.clear()
        return count
