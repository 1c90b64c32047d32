"""A cache of answers to polls: an answer that would be the same again is made, checked and encoded only once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.core.call import Cacheable, Call
from swapmock.mock_server.core.clock import ClockMode
from swapmock.mock_server.core.ports import Box, Store
from swapmock.mock_server.core.sandbox import Sandbox

if TYPE_CHECKING:
    from swapmock.contracts import Operation
    from swapmock.mock_server.core.provider import VendorResponse
    from swapmock.mock_server.web.messages import Answer, Request

#: The most answers in the cache, the bytes of the largest one, and the bytes of all with their requests and tasks.
MOST_KEPT, LONGEST_KEPT, MOST_BYTES = 1024, 1 << 21, 1 << 24

ON_POLL = ClockMode.ON_POLL

Key = tuple["Operation", str, str, str, str]


class CachedResponse(NamedTuple):
    """An answer, and what it depends on in addition to the request: the settings of the sandbox, a task, and a range
    of sandbox time from `since`. `code` is the envelope's code, None without one."""

    sandbox: Sandbox
    cacheable: Cacheable
    since: float
    code: int | str | None
    answer: Answer


class ResponseCache:
    """Finds the answer that the handler would give again. Any entry may be dropped at any time.

    Settings and tasks are immutable: a change replaces the object. So an entry is valid while its objects are the
    same."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[Key, CachedResponse] = {}
        self._bytes = 0

    def find(
        self, operation: Operation, request: Request, base_url: str, box: Box, now: float
    ) -> CachedResponse | None:
        """Return the cached answer for a poll of the open sandbox `box` at the sandbox time `now`; None if there is
        none, or if something has changed. `base_url` is that of links in answers."""
        kept = self._kept.get((operation, request.path, request.query, base_url, box.sandbox.id))
        if kept is None or kept.sandbox is not box.sandbox or box.clock.mode is ON_POLL or request.body_error:
            return None
        task, until, token = kept.cacheable
        if not kept.since <= now < until or (task is not None and box.task(task.id) is not task):
            return None
        if token and self._store.owner(token) != kept.sandbox.id:
            return None  # the links now lead to another sandbox: the handler publishes them again
        return kept

    def keep(
        self,
        operation: Operation,
        request: Request,
        call: Call,
        cacheable: Cacheable,
        response: VendorResponse,
        answer: Answer,
    ) -> None:
        """Store an answer for the same `request` until something changes.

        `cacheable` says until when it is valid, `response` is the answer in the vendor's format, `answer` its
        bytes."""
        if response.headers:
            return  # headers may belong to this one answer, such as its id in the journal
        size = len(answer.body) + len(request.path) + len(request.query) + len(call.base_url)
        if cacheable.task is not None:
            size += len(cacheable.task.request)
        if len(answer.body) > LONGEST_KEPT:
            return
        if len(self._kept) >= MOST_KEPT or self._bytes + size > MOST_BYTES:
            self._kept.clear()
            self._bytes = 0
        self._bytes += size
        sandbox = call.box.sandbox
        key = (operation, request.path, request.query, call.base_url, sandbox.id)
        self._kept[key] = CachedResponse(sandbox, cacheable, call.now, response.code, answer)
