"""One redis-server for all tests of this folder in a process."""

from collections.abc import Iterator

import pytest

from tests.stores.bodies import Servers
from tests.stores.redis_server import RedisProcess, redis_process


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as running:
        Servers.redis = running
        yield running


def pytest_collection_modifyitems(items) -> None:
    """What runs over the body `redis` needs the program."""
    for item in items:
        if "redis" in getattr(getattr(item, "callspec", None), "params", {}).values():
            item.add_marker(pytest.mark.needs("redis-server"))


@pytest.fixture(autouse=True)
def _with_redis(request) -> None:
    if request.node.get_closest_marker("needs") is not None:
        request.getfixturevalue("redis_server")
