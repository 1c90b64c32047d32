"""Pages of a provider's tasks: whole, in order, and the same wherever the reads of the box begin."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.mock_server.providers.task_pages import FIRST_READ, page_of_tasks


def call_with(names: list[str], aliases: dict[str, str] | None = None) -> Any:
    """Return a call of the provider `m` in a box with tasks, oldest first; the first letter of a name is its provider."""
    tasks = [SimpleNamespace(id=name, provider=name[0]) for name in names]
    by_name = {task.id: task for task in tasks} | {
        alias: next(task for task in tasks if task.id == name) for alias, name in (aliases or {}).items()
    }
    reads: list[tuple[int, int]] = []

    def newest(most: int, skip: int = 0) -> list[Any]:
        reads.append((most, skip))
        return tasks[::-1][skip : skip + most]

    return SimpleNamespace(provider="m", box=SimpleNamespace(task=by_name.get, newest_tasks=newest), reads=reads)


def pages(call: Any, most: int) -> list[list[str]]:
    found, cursor = [], ""
    while True:
        page, cursor = page_of_tasks(call, most, cursor)
        found.append([task.id for task in page])
        if not cursor:
            return found


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, FIRST_READ - 1, FIRST_READ, FIRST_READ + 1, 5 * FIRST_READ])
@pytest.mark.parametrize("most", [1, 2, 3, FIRST_READ])
def test_all_pages_have_each_task_once_newest_first(count, most):
    own = [f"m{number}" for number in range(count)]
    call = call_with([name for one in own for name in (f"a{one}", one, f"z{one}")])
    found = pages(call, most)
    assert [name for page in found for name in page] == own[::-1]
    assert all(len(page) == most for page in found[:-1])
    assert 0 < len(found[-1]) <= most or count == 0


def test_each_read_is_as_long_as_all_before():
    call = call_with([f"m{number}" for number in range(4 * FIRST_READ)])
    page_of_tasks(call, 3 * FIRST_READ)
    assert call.reads == [(FIRST_READ, 0), (FIRST_READ, FIRST_READ), (2 * FIRST_READ, 2 * FIRST_READ)]


@pytest.mark.parametrize("cursor", ["nobody", "a1", "z1", "a-alias", "z-alias"])
def test_a_cursor_is_the_id_of_a_task_of_this_provider(cursor):
    call = call_with(["a1", "m1", "z1"], {"a-alias": "m1", "z-alias": "m1"})
    with pytest.raises(LookupError, match=cursor):
        page_of_tasks(call, 1, cursor)
