"""The bodies of the Store port that the tests of this folder run over."""

from collections.abc import Callable
from pathlib import Path

from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.stores.logged_store import Options
from swapmock.mock_server.stores.memory import UNWATCHED, Held, MemoryStore
from swapmock.mock_server.stores.sqlite import SqliteStore

JOURNAL, JOURNAL_BYTES = 5, 10_000

#: A poll that is no GET.
POLL = ("imgopen", "query")


def options(held: Held = UNWATCHED, size: int = JOURNAL) -> Options:
    return Options(lambda: 1000.0, size, JOURNAL_BYTES, held, frozenset({POLL}))


Make = Callable[[Path, Held], Store]

BODIES: dict[str, Make] = {
    "memory": lambda _, held: MemoryStore(JOURNAL, JOURNAL_BYTES, held),
    "sqlite": lambda folder, held: SqliteStore(folder / "store.db", options(held)),
    "sqlite-power": lambda folder, held: SqliteStore(folder / "store.db", options(held), syncs=True),
}
