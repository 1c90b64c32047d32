"""A real redis-server for tests, on a free port of loopback."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import redis

from tests.stores.ports import free_port


class RedisProcess:
    """`pause`, `kill` and `start` do to the server what may happen to one. It writes each change to its disk before it answers.
    `more` are further options of its command line."""

    def __init__(self, folder: Path, *more: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._more = more
        self.start()

    def start(self) -> None:
        options = [
            "--port",
            str(self.port),
            "--dir",
            str(self.folder),
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
        ]
        command = ["redis-server", *options, "--save", "", "--bind", "127.0.0.1", *self._more]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        client = redis.Redis(port=self.port)
        for _ in range(200):
            try:
                client.ping()
            except redis.RedisError:
                Event().wait(0.05)
            else:
                client.close()
                return
        raise AssertionError("redis-server did not start")

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()


@contextmanager
def redis_process(folder: Path, *more: str) -> Iterator[RedisProcess]:
    """`more` are further options of the command line; the last one of a name counts."""
    running = RedisProcess(folder, *more)
    try:
        yield running
    finally:
        running.kill()


#: The slots of a cluster.
SLOTS = 16_384


class RedisCluster:
    """A cluster of `count` redis-servers, each with a part of the slots, and with a replica if `replicas` is true. The replicas are
    the second half of `nodes`. A node that does not answer for `timeout` ms is replaced by its replica."""

    def __init__(self, folder: Path, count: int = 3, *, replicas: bool = False, timeout: int = 15_000) -> None:
        self.nodes: list[RedisProcess] = []
        try:
            for number in range(count * 2 if replicas else count):
                own = folder / str(number)
                own.mkdir()
                more = ("--cluster-port", str(free_port()), "--cluster-node-timeout", str(timeout))
                self.nodes.append(RedisProcess(own, "--cluster-enabled", "yes", *more))
            self._join(count)
        except BaseException:
            self.kill()
            raise
        self.url = self.nodes[0].url

    def _join(self, count: int) -> None:
        clients = [redis.Redis(port=node.port, decode_responses=True) for node in self.nodes]
        bounds = [SLOTS * number // count for number in range(count + 1)]
        for client, first, end in zip(clients, bounds, bounds[1:], strict=False):  # the replicas have none
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        for node in self.nodes[1:]:
            bus = clients[self.nodes.index(node)].config_get("cluster-port")["cluster-port"]
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        for client in clients:
            for _ in range(400):
                told = client.cluster("INFO")
                if told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(len(clients)):
                    break
                Event().wait(0.05)
            else:
                raise AssertionError(f"the cluster did not come together: {told}")
        for client, primary in zip(clients[count:], clients, strict=False):
            client.execute_command("CLUSTER", "REPLICATE", primary.cluster("MYID"))
            for _ in range(400):
                if client.info("replication").get("master_link_status") == "up":
                    break
                Event().wait(0.05)
            else:
                raise AssertionError("a replica did not follow its primary")
        for client in clients:
            client.close()

    def empty(self) -> None:
        for node in self.nodes:
            node.empty()

    def kill(self) -> None:
        for node in self.nodes:
            node.kill()


@contextmanager
def redis_cluster(folder: Path) -> Iterator[RedisCluster]:
    running = RedisCluster(folder)
    try:
        yield running
    finally:
        running.kill()
