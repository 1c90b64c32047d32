"""The callback inbox of a sandbox: a receiver of the emulator's own, with an address that exists at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple

#: How many requests an inbox keeps, and how many bytes of the body of each.
MOST_ARRIVALS, KEPT_BODY = 100, 65_536

#: How many answers can be told in advance, and the most bytes of the body of each.
MOST_ANSWERS, LONGEST_ANSWER = 100, 65_536

#: Where the paths of inboxes begin; the id of the sandbox follows.
START = "/__inbox/"


class InboxAnswer(NamedTuple):
    """What an inbox answers: an HTTP status, a body and its media type. A `body` of None acknowledges as the contract of the
    delivery's provider says, whatever the status is."""

    status: int = 200
    body: str | None = None
    content_type: str = "application/json"


class Arrival(NamedTuple):
    """A request that an inbox got. `at` is sandbox time; `size` is the length of the whole body in bytes, of which `body` is
    the beginning; `answered` is the HTTP status of the answer."""

    number: int
    at: float
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    size: int
    answered: int


class Inbox:
    """The requests that came, newest last, and the answers that are told for the next ones.

    Each answer is used once, in order; the last one stays. Without any, an inbox acknowledges.
    """

    def __init__(self) -> None:
        self.arrivals: deque[Arrival] = deque(maxlen=MOST_ARRIVALS)
        self.answers: tuple[InboxAnswer, ...] = ()
        self.counted = 0

    def take(self, at: float, method: str, target: str, headers: Mapping[str, str], body: bytes) -> InboxAnswer:
        """Keep a request, and say what to answer."""
        self.counted += 1
        answer = self.answers[0] if self.answers else InboxAnswer()
        self.answers = self.answers[1:] if len(self.answers) > 1 else self.answers
        kept = Arrival(self.counted, at, method, target, headers, body[:KEPT_BODY], len(body), answer.status)
        self.arrivals.append(kept)
        return answer

    def newest(self, most: int, before: int | None = None) -> Sequence[Arrival]:
        """At most `most` requests, newest first; those with a number below `before`, if that is given."""
        older = (one for one in reversed(self.arrivals) if before is None or one.number < before)
        return tuple(islice(older, most))

    def clear(self) -> int:
        """Forget the requests; how many there were. Numbers go on."""
        count = len(self.arrivals)
        self.arrivals.clear()
        return count
