"""Answers to polls that are bound to be given again, so that they are made, checked and written as bytes once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.core.call import Cacheable, Call
from swapmock.mock_server.core.clock import ClockMode
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.sandbox import Sandbox

if TYPE_CHECKING:
    from swapmock.contracts import Operation
    from swapmock.mock_server.core.provider import VendorResponse
    from swapmock.mock_server.web.messages import Answer, Request

#: How many are kept, up to which length of an answer, and how many bytes of answers, of the requests for them, and of the
#: tasks that they tell of.
MOST_KEPT, LONGEST_KEPT, MOST_BYTES = 1024, 1 << 21, 1 << 24

ON_POLL = ClockMode.ON_POLL

Key = tuple["Operation", str, str, str, str]


class CachedResponse(NamedTuple):
    """An answer, and what it follows from beside the request: the sandbox's settings, a task, and a span of time. The
    body of `response` is in `answer`."""

    sandbox: Sandbox
    cacheable: Cacheable
    since: float
    response: VendorResponse
    answer: Answer


class ResponseCache:
    """Nothing depends on what is kept, and any of it may be forgotten: what is found is what the handler would say.

    Settings and tasks are never changed but replaced, so that those which are still the same say the same.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: dict[Key, CachedResponse] = {}
        self._bytes = 0

    def find(self, operation: Operation, request: Request, call: Call) -> CachedResponse | None:
        """The answer to a poll, if nothing has changed since it was given."""
        box = call.box
        kept = self._kept.get((operation, request.path, request.query, call.base_url, box.sandbox.id))
        if kept is None or kept.sandbox is not box.sandbox or box.clock.mode is ON_POLL or request.cut:
            return None
        task, until, token = kept.cacheable
        if not kept.since <= call.now < until or (task is not None and box.task(task.id) is not task):
            return None
        if token and self._store.owner(token) != kept.sandbox.id:
            return None  # its links lead elsewhere by now: the handler opens them again
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
        """Keep an answer that the same request will get until something changes."""
        if response.headers:
            return  # they may be its own, as those of the evidence are
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
        self._kept[key] = CachedResponse(sandbox, cacheable, call.now, response._replace(body=None), answer)
