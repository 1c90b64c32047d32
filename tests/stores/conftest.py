"""One redis-server, and one cluster of three, for all tests of this folder in a process."""

from collections.abc import Iterator

import pytest

from tests.stores.bodies import Servers
from tests.stores.redis_server import RedisCluster, RedisProcess, redis_cluster, redis_process


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[RedisProcess]:
    with redis_process(tmp_path_factory.mktemp("redis")) as running:
        Servers.redis = running
        yield running


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[RedisCluster]:
    with redis_cluster(tmp_path_factory.mktemp("cluster")) as running:
        Servers.cluster = running
        yield running


def _bodies(item) -> set[str]:
    """The bodies in Redis that a test runs over."""
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    return {value for value in values if value in ("redis", "redis-cluster")}


def pytest_collection_modifyitems(items) -> None:
    """What runs over a body in Redis needs the program."""
    for item in items:
        if _bodies(item):
            item.add_marker(pytest.mark.needs("redis-server"))


@pytest.fixture(autouse=True)
def _with_redis(request) -> None:
    if request.node.get_closest_marker("needs") is not None:
        is_cluster = "redis-cluster" in _bodies(request.node)
        request.getfixturevalue("cluster" if is_cluster else "redis_server")
