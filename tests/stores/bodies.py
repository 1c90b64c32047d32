"""The bodies of the Store port that the tests of this folder run over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from swapmock.mock_server.adapters.clock import ticks
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.stores.box import UNWATCHED, Held
from swapmock.mock_server.stores.logged_store import Options
from swapmock.mock_server.stores.memory import MemoryStore
from swapmock.mock_server.stores.redis import Identity, RedisStore
from swapmock.mock_server.stores.sqlite import SqliteStore
from tests.stores.redis_server import RedisCluster, RedisProcess

JOURNAL, JOURNAL_BYTES = 5, 10_000

#: A poll that is no GET.
POLL = ("imgopen", "query")


def options(held: Held = UNWATCHED, size: int = JOURNAL) -> Options:
    return Options(lambda: 1000.0, size, JOURNAL_BYTES, held, frozenset({POLL}))


class Servers:
    """The redis-server of a run of these tests, and the cluster of three."""

    redis: RedisProcess | None = None
    cluster: RedisCluster | None = None


def redis_store(
    held: Held = UNWATCHED, name: str = "one", *, server: RedisProcess | RedisCluster | None = None, **more: Any
) -> RedisStore:
    """A store in an empty Redis, or with `keep=True` one beside another in the same."""
    server = server or Servers.redis
    assert server is not None
    if not more.pop("keep", False):
        server.empty()
    return RedisStore(server.url, options(held, **more), Identity(name, f"http://{name}"), lambda: "secret", ticks)


Make = Callable[[Path, Held], Store]

BODIES: dict[str, Make] = {
    "memory": lambda _, held: MemoryStore(JOURNAL, JOURNAL_BYTES, held),
    "sqlite": lambda folder, held: SqliteStore(folder / "store.db", options(held)),
    "redis": lambda _, held: redis_store(held),
    "redis-cluster": lambda _, held: redis_store(held, server=Servers.cluster),
    "sqlite-power": lambda folder, held: SqliteStore(folder / "store.db", options(held), syncs=True),
}
