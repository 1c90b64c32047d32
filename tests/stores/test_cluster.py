"""The Redis store in a cluster: sandboxes lie on different nodes, each with all of its keys on one."""

import logging
import re
from contextlib import closing

import pytest
import redis

from swapmock import Emulator
from swapmock.mock_server.adapters.clock import monotonic
from swapmock.mock_server.core.ledger import Entry, Move
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import StoreError
from swapmock.mock_server.stores.redis_blobs import RedisBlobs
from swapmock.mock_server.stores.redis_server import RedisServer
from tests.stores.bodies import redis_store
from tests.stores.redis_server import RedisCluster
from tests.stores.test_shared import INPUT, JOB, ask, create
from tests.stores.test_sqlite import do_everything, held
from tests.stores.test_store import CLOCK, sandbox, task

pytestmark = pytest.mark.needs("redis-server")

#: Seconds that an answer may take while a node is away: one on a quiet machine.
SLOWEST = 2.5


def store(cluster, name="one", **more):
    return redis_store(name=name, server=cluster, size=100, **more)


def keys_of_nodes(cluster):
    found = []
    for node in cluster.nodes:
        with redis.Redis(port=node.port, decode_responses=True) as client:
            found.append(set(client.keys("*")))
    return found


def test_a_cluster_is_noticed_and_may_be_named(cluster):
    for url in (
        cluster.url,
        f"{cluster.url}?cluster=true",
        f"{cluster.nodes[2].url}?socket_keepalive=true&cluster=true",
    ):
        server = RedisServer(url)
        assert isinstance(server._client, redis.RedisCluster)
        server.close()
    with pytest.raises(StoreError, match="cluster is true or false"):
        RedisServer(f"{cluster.url}?cluster=perhaps")


def test_the_keys_of_a_sandbox_are_on_one_node_and_those_of_many_on_all(cluster):
    with closing(store(cluster)) as one:
        for number in range(12):
            one.add(sandbox(f"s{number}"), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
            do_everything(one.open(f"s{number}"))
            one.open(f"s{number}").snapshot()
            with one.open(f"s{number}") as box:
                box.add_task(task("after"))
            RedisBlobs(one.server).put(f"s{number}/f", b"x")
        nodes = keys_of_nodes(cluster)
        tags = [{found[1] for key in keys if (found := re.search(r"\{(.+?)\}", key))} for keys in nodes]
        assert all(tags)
        assert sorted(name for node in tags for name in node) == sorted(f"s{number}" for number in range(12))
        assert {key.partition("}:")[2].partition(":")[0] for node in nodes for key in node if "{" in key} == {
            "meta", "log", "files", "snapshot",
        }  # fmt: skip
        for number in range(12):
            one.drop(f"s{number}")
        assert not any("{" in key for node in keys_of_nodes(cluster) for key in node)


@pytest.mark.parametrize("end", ["close", "death"])
def test_another_process_takes_over(cluster, end):
    from tests.stores.test_redis import dies

    with closing(store(cluster)) as one, closing(store(cluster, "two", keep=True)) as two:
        one.add(sandbox("a"), CLOCK, [Entry(0.0, Move.GRANT, 1000)])
        do_everything(one.open("a"))
        one.publish("token", "a")
        before = held(one)
        with pytest.raises(HeldElsewhere):
            two.open("a")
        assert [peer.name for peer in one.peers()] == ["two"]
        one.close() if end == "close" else dies(one)
        assert held(two) == before
        assert two.owner("token") == "a"


@pytest.mark.long
@pytest.mark.parametrize("event", ["kill", "pause"])
def test_a_replica_takes_over(tmp_path, event):
    """Meanwhile each answer comes within a second and says that the service is away; then it goes on."""
    replicated = RedisCluster(tmp_path, replicas=True, timeout=1500)
    try:
        with Emulator(store=replicated.url) as emu:
            boxes = [emu.sandbox(clock="frozen", seed=number) for number in range(6)]
            made = [(box, create(emu, box.headers("crun"))) for box in boxes]
            getattr(replicated.nodes[0], event)()
            seen, until = set[int](), monotonic() + 60
            back = dict.fromkeys((box.id for box in boxes), False)
            while not all(back.values()):
                assert monotonic() < until, back
                for box in boxes:
                    started = monotonic()
                    _, document = ask(
                        emu,
                        "POST",
                        f"{JOB}/CreateTask",
                        box.headers("crun"),
                        body={"model": "image-face-swap", "input": INPUT},
                    )
                    assert monotonic() - started < SLOWEST
                    seen.add(document["code"])
                    back[box.id] = document["code"] == 200 and 455 in seen
            assert seen <= {200, 455, 500}
            for box, task_id in made:
                status, document = ask(emu, "GET", f"{JOB}/TaskInfo?task_id={task_id}", box.headers("crun"))
                assert (status, document["code"]) == (200, 200)
                assert emu.get(box.id).ledger(proof=True)["proof"]["holds"]
    finally:
        replicated.nodes[0].go_on()
        replicated.kill()


def test_two_emulators_over_a_cluster_are_one(cluster, caplog):
    cluster.empty()
    with caplog.at_level(logging.WARNING), Emulator(store=cluster.url) as one, Emulator(store=cluster.url) as two:
        boxes = [one.sandbox(id=f"team{number}", clock="frozen", seed=number) for number in range(4)]
        for box in boxes:
            tasks = [create(emu, box.headers("crun")) for emu in (one, two, one)]
            two.get(box.id).advance(until="idle")
            for emu in (one, two):
                for task in tasks:
                    status, document = ask(emu, "GET", f"{JOB}/TaskInfo?task_id={task}", box.headers("crun"))
                    assert (status, document["data"]["status"]) == (200, "success")
                assert emu.get(box.id).ledger(proof=True)["proof"]["holds"]
        assert {each.id for each in two.sandboxes()} >= {box.id for box in boxes}
    assert [row.getMessage() for row in caplog.records if row.levelno >= logging.ERROR] == []
