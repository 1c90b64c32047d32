"""Pages of a provider's tasks, for operations that list them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import dropwhile, islice

from swapmock.mock_server.core.call import Call
from swapmock.mock_server.core.task import Task

#: How many tasks are read first. Each further read is as long as all before, so that the whole costs O(tasks).
FIRST_READ = 64


def page_of_tasks(call: Call, most: int, after: str = "") -> tuple[Sequence[Task], str]:
    """Return at most `most` tasks of the call's provider, newest first, and the cursor of the next page: "" if there
    is none.

    `after` is the cursor from the page before, "" for the first page. It is the id of that page's last task, so tasks
    that are submitted later do not move the pages. Raises LookupError if there is no such task."""
    tasks = _newest(call)
    if after:
        task = call.box.task(after)
        if task is None or task.provider != call.provider or task.id != after:
            raise LookupError(f"no task {after}")
        tasks = dropwhile(lambda one: one.id != after, tasks)
        next(tasks)
    page = tuple(islice(tasks, most + 1))
    return page[:most], page[most - 1].id if len(page) > most else ""


def _newest(call: Call) -> Iterator[Task]:
    """Yield the tasks of the call's provider, newest first."""
    skip, read = 0, call.box.newest_tasks(FIRST_READ)
    while read:
        yield from (task for task in read if task.provider == call.provider)
        skip += len(read)
        read = call.box.newest_tasks(skip, skip)
