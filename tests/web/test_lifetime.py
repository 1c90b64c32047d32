"""The live server from start to stop: where it listens, how much it holds, and what it leaves behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.web.asgi import AsgiApp
from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.forwarded import TrustedProxies
from swapmock.mock_server.web.messages import Answer
from swapmock.mock_server.web.server import LiveServer, bind, listen, options_from
from swapmock.mock_server.web.threads import DaemonThreads
from swapmock.mock_server.web.wsgi_sockets import DESCRIPTORS
from tests.conftest import KEY

WAITING = 1000

#: Seconds within which a server ends, on a machine that is busy with other tests. tests/test_cli.py measures them.
SOON = 4.0


class Waiting:
    """A pipeline whose answer to /late comes after `seconds`, or when somebody asks for /hurry; `all_ask` is set when
    WAITING clients have asked for it."""

    asgi_app: AsgiApp
    proxies = TrustedProxies()

    def __init__(self, seconds: float) -> None:
        self._late = Answer(200, [], b"late", seconds)
        self._numbers = count(1)
        self.all_ask = threading.Event()

    def refuse_upload(self, *_: Any) -> None:
        """No store is here."""

    def match(self, method: str, path: str) -> Any:
        return SimpleNamespace(
            limit=1000, too_long="", path=path, api=SimpleNamespace(is_admin=False), operation=None, works_long=False
        )

    def serve(self, target: Any, request: Any) -> Answer:
        if target.path == "/hurry":
            self.asgi_app.begin_shutdown()
        if target.path != "/late":
            return Answer(200, [], b"prompt")
        if next(self._numbers) == WAITING:
            self.all_ask.set()
        return self._late


def asgi_app(waiting: Waiting) -> AsgiApp:
    pipeline: Any = waiting
    waiting.asgi_app = AsgiApp(pipeline, lambda: pytest.fail("Flask is not asked"))
    return waiting.asgi_app


async def ask(address: tuple[str, int], path: str) -> bytes:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2]


class TestManyAtOnce:
    async def crowd(self, address: tuple[str, int], all_ask: threading.Event) -> tuple[list[float], list[bytes]]:
        """Seconds that prompt answers took while all others waited, and the late answers."""
        late = [asyncio.create_task(ask(address, "/late")) for _ in range(WAITING)]
        assert await asyncio.to_thread(all_ask.wait, 30)
        took = []
        for _ in range(20):
            started = monotonic()
            assert await ask(address, "/prompt") == b"prompt"
            took.append(monotonic() - started)
        assert not any(task.done() for task in late)
        await ask(address, "/hurry")
        return took, await asyncio.gather(*late)

    def test_a_thousand_late_answers_hold_nobody_up(self):
        pipeline = Waiting(3600.0)
        with LiveServer(asgi_app(pipeline)) as server:
            took, late = asyncio.run(self.crowd(server.address, pipeline.all_ask))
            assert late == [b"late"] * WAITING
            assert sorted(took)[2] < 0.05  # other tests may hold this process up, but not each time


class TestStop:
    def test_it_waits_for_nobody_and_loses_no_answer(self):
        """One is held back for an hour, one sends no more of its head, one no more of its body, one says nothing."""
        server = LiveServer(asgi_app(Waiting(3600.0)))
        server.start()
        with ExitStack() as held:
            late, head, body, idle, silent = (
                held.enter_context(socket.create_connection(server.address, 5)) for _ in range(5)
            )
            late.sendall(b"GET /late HTTP/1.1\r\nHost: localhost\r\n\r\n")
            head.sendall(b"GET / HTTP/1.1\r\nHo")
            body.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1")
            idle.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert idle.recv(65536).endswith(b"prompt")
            started = monotonic()
            server.stop()
            assert monotonic() - started < SOON
            assert late.recv(65536).endswith(b"late")
            assert [client.recv(65536) for client in (head, idle, silent)] == [b""] * 3
            assert b"200" not in body.recv(65536)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(server.address, 5)

    @pytest.mark.parametrize(
        "behind", [b"GET / HT", b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1"]
    )
    def test_what_has_not_come_whole_costs_no_answer_before_it(self, behind):
        server = LiveServer(asgi_app(Waiting(3600.0)))
        server.start()
        with socket.create_connection(server.address, 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /late HTTP/1.1\r\nHost: a\r\n\r\n" + behind)
            got = client.recv(65536)
            server.stop()
            got += b"".join(iter(lambda: client.recv(65536), b""))
        assert got.count(b"HTTP/1.1 200 ") == 2
        assert got.endswith(b"late")

    def test_a_dribbling_answer_is_finished(self):
        class Dribbling(Waiting):
            def serve(self, target: Any, request: Any) -> Answer:
                return Answer(200, [], b"whole" * 100, 3600.0, "dribble")

        pipeline: Any = Dribbling(0.0)
        server = LiveServer(AsgiApp(pipeline, lambda: pytest.fail("Flask is not asked")))
        server.start()
        with socket.create_connection(server.address, 5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            got = client.recv(65536)
            server.stop()
            got += b"".join(iter(lambda: client.recv(65536), b""))
        assert got.partition(b"\r\n\r\n")[2] == b"whole" * 100

    def test_nothing_is_left_behind(self):
        def round_trip() -> tuple[int, int]:
            with LiveServer(asgi_app(Waiting(0.0))) as server:
                requests.get(server.url, timeout=5)
            return len(os.listdir(DESCRIPTORS)), threading.active_count()

        round_trip()
        before = round_trip()
        for _ in range(5):
            after = round_trip()
        assert after <= before


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Any]:
    """`swapmock serve` with these arguments, as a process: its address and itself."""
    with ExitStack() as running:

        def start(*arguments: str) -> tuple[str, subprocess.Popen[str]]:
            command = [sys.executable, "-m", "swapmock", "serve", "--port", "0", *arguments]
            process = running.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            )
            running.callback(process.kill)
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.match(r"Listening on (.*)", line):
                    return found[1], process
            raise AssertionError(process.communicate()[1])

        yield start


class TestProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_under_load_loses_no_answer(self, served, number):
        """Each request gets a whole answer, or the connection is closed before it is read."""
        url, process = served()
        problems: list[str] = []
        answered = [0]

        def load() -> None:
            with requests.Session() as session:
                session.headers["x-api-key"] = KEY
                while True:
                    try:
                        answer = session.post(
                            f"{url}/api/v1/client/job/detect-face-image", json={"image_url": "https://a.com/a.png"}
                        )
                    except requests.ConnectionError as error:
                        if not re.search("RemoteDisconnected|reset by peer|refused", str(error)):
                            problems.append(str(error))
                        return
                    answered[0] += 1
                    if answer.status_code != 200 or not answer.json()["data"]["detect_task_id"]:
                        problems.append(answer.text)

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        while answered[0] < 200:
            threads[0].join(0.01)
        started = monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert monotonic() - started < SOON
        for thread in threads:
            thread.join()
        assert problems == []
        assert process.stderr.read() == ""

    @pytest.mark.parametrize("times", [1, 3])
    def test_a_long_wait_does_not_hold_up_the_end(self, served, times):
        url, process = served()
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), 5) as client:
            condition = b'{"requests": {"count": 5}, "timeout": 60}'
            client.sendall(
                b"POST /__admin/sandboxes/default/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(condition), condition) * times
            )
            client.settimeout(0.2)
            with pytest.raises(TimeoutError):
                client.recv(1)
            started = monotonic()
            process.terminate()
            assert process.wait(5) == 0
            assert monotonic() - started < SOON
            client.settimeout(5)
            got = b"".join(iter(lambda: client.recv(65536), b""))
            assert got.count(b"HTTP/1.1 503 ") == times
        assert process.stderr.read() == ""

    @pytest.fixture
    def receiver(self) -> Iterator[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(10)
            yield listener

    def called(self, url: str, receiver: socket.socket) -> socket.socket:
        """A callback that has come and waits for its acknowledgement."""
        address = "http://{}:{}/".format(*receiver.getsockname())
        task = {"model": "suno/music-video", "input": {}, "callback_url": address}
        created = requests.post(f"{url}/api/v1/client/job/CreateTask", json=task, headers={"x-api-key": KEY}, timeout=5)
        assert created.json()["code"] == 200, created.text
        connection, _ = receiver.accept()
        connection.settimeout(10)
        assert connection.recv(65536).startswith(b"POST / HTTP/1.1\r\n")
        return connection

    def test_a_signal_lets_callbacks_under_way_finish(self, served, receiver):
        url, process = served("--speed", "100")
        with self.called(url, receiver) as connection:
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(2)
            with pytest.raises(requests.ConnectionError):
                requests.get(url, timeout=5)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
            assert connection.recv(1) == b""
            assert process.wait(5) == 0
        assert process.stderr.read() == ""

    @pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
    def test_a_second_signal_does_not_wait_for_them(self, served, receiver, again):
        url, process = served("--speed", "100")
        with self.called(url, receiver):
            process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(1)
            process.send_signal(again)
            assert process.wait(2) == 0
        assert process.stderr.read() == ""

    def test_two_signals_are_as_good_as_one(self, served):
        _, process = served()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        assert process.wait(5) == 0


class TestUnixSocket:
    def test_a_call_over_it(self, system: System, tmp_path: Path):
        path = tmp_path / "socket"
        with LiveServer(system.asgi_app, uds=path) as server, socket.socket(socket.AF_UNIX) as client:
            assert server.url == f"unix:{path}"
            client.connect(server.address)
            client.sendall(
                f"GET /api/v1/client/account/balance HTTP/1.1\r\nHost: localhost\r\nx-api-key: {KEY}\r\n\r\n".encode()
            )
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert not path.exists()

    def test_a_path_that_nobody_listens_on_any_more_is_taken_over(self, tmp_path: Path):
        path = tmp_path / "socket"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        with listen(Settings(uds=path)) as listener, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            assert listener.getsockname() == str(path)

    def test_a_path_in_use_is_left_alone(self, tmp_path: Path):
        path = tmp_path / "socket"
        with listen(Settings(uds=path)):
            with pytest.raises(OSError, match="someone listens there already"):
                listen(Settings(uds=path))
            assert path.is_socket()

    def test_a_file_is_left_alone(self, tmp_path: Path):
        path = tmp_path / "notes.txt"
        path.write_text("mine")
        with pytest.raises(OSError, match="in use"):
            listen(Settings(uds=path))
        assert path.read_text() == "mine"

    def test_an_answer_lost_there_never_comes(self, tmp_path: Path):
        """There is no RST below a unix socket: the connection ends."""

        class Lost(Waiting):
            def serve(self, target: Any, request: Any) -> Answer:
                return Answer(200, [], b"lost", connection_fault="reset")

        pipeline: Any = Lost(0.0)
        lost = AsgiApp(pipeline, lambda: pytest.fail("Flask is not asked"))
        with LiveServer(lost, uds=tmp_path / "socket") as server, socket.socket(socket.AF_UNIX) as client:
            client.connect(server.address)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(65536) == b""


def test_a_taken_port_is_refused():
    with bind("127.0.0.1", 0) as taken, pytest.raises(OSError, match="in use"):
        bind("127.0.0.1", taken.getsockname()[1])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "chain.pem",
         "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder / "chain.pem", folder / "key.pem"


@pytest.mark.needs("openssl")
class TestTls:
    @pytest.fixture
    def secure(self, system: System, certificate: tuple[Path, Path]) -> Iterator[LiveServer]:
        chain, key = certificate
        options = options_from(Settings(tls_cert=chain, tls_key=key))
        with LiveServer(system.asgi_app, options=options) as server:
            yield server

    def test_a_call_over_it(self, secure: LiveServer, certificate: tuple[Path, Path]):
        assert secure.url.startswith("https://127.0.0.1:")
        headers = {"x-api-key": KEY}
        answer = requests.post(
            f"{secure.url}/api/v1/client/job/detect-face-image",
            json={"image_url": "https://a.com/a.png"}, headers=headers, verify=str(certificate[0]), timeout=5,
        )  # fmt: skip
        assert answer.json()["code"] == 200

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_both_versions_in_use(self, secure: LiveServer, certificate: tuple[Path, Path], version):
        context = ssl.create_default_context(cafile=certificate[0])
        context.minimum_version = context.maximum_version = version
        with (
            socket.create_connection(secure.address, 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            assert client.version() == version.name.replace("_", ".")

    def test_a_reset_under_it_is_a_true_one(self, certificate: tuple[Path, Path]):
        class Lost(Waiting):
            def serve(self, target: Any, request: Any) -> Answer:
                return Answer(200, [], b"lost", connection_fault="reset")

        pipeline: Any = Lost(0.0)
        lost = AsgiApp(pipeline, lambda: pytest.fail("Flask is not asked"))
        context = ssl.create_default_context(cafile=certificate[0])
        options = options_from(Settings(tls_cert=certificate[0], tls_key=certificate[1]))
        with (
            LiveServer(lost, options=options) as server,
            socket.create_connection(server.address, 5) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as client,
        ):
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            # Below TLS, which reports a reset as an end; bytes that TLS has sent come first.
            with socket.socket(fileno=os.dup(client.fileno())) as below:
                below.settimeout(5)
                with pytest.raises(ConnectionResetError):
                    list(iter(lambda: below.recv(65536), b""))

    @pytest.mark.parametrize("begun", [b"", b"\x16\x03\x01\x02\x00\x01"])
    def test_who_does_not_shake_hands_is_let_go(self, system: System, certificate: tuple[Path, Path], begun: bytes):
        options = options_from(Settings(tls_cert=certificate[0], tls_key=certificate[1], read_timeout=0.1))
        with (
            LiveServer(system.asgi_app, options=options) as server,
            socket.create_connection(server.address, 10) as client,
            suppress(ConnectionError),
        ):
            client.sendall(begun)
            assert client.recv(100) == b""

    def test_plain_text_is_refused(self, secure: LiveServer):
        with pytest.raises(requests.ConnectionError):
            requests.get(secure.url.replace("https", "http"), timeout=5)

    def test_what_does_not_serve_is_said_in_one_line(self, certificate: tuple[Path, Path], tmp_path: Path):
        chain, key = certificate
        with pytest.raises(SettingError, match="go together"):
            Settings(tls_cert=chain)
        with pytest.raises(SettingError, match="--tls-key: there is no file"):
            options_from(Settings(tls_cert=chain, tls_key=tmp_path / "none.pem"))
        with pytest.raises(SettingError, match="do not serve"):
            options_from(Settings(tls_cert=key, tls_key=chain))

    def test_a_key_with_a_password_is_refused_without_asking_for_it(
        self, certificate: tuple[Path, Path], tmp_path: Path
    ):
        chain, key = certificate
        locked = tmp_path / "locked.pem"
        subprocess.run(
            ["openssl", "rsa", "-aes128", "-passout", "pass:secret", "-in", key, "-out", locked],
            check=True, capture_output=True,
        )  # fmt: skip
        with pytest.raises(SettingError, match="do not serve"):
            options_from(Settings(tls_cert=chain, tls_key=locked))


class TestThreads:
    def test_work_is_done_by_no_more_than_so_many(self):
        pool = DaemonThreads(3, "test")
        names: set[str] = set()

        def work(number: int) -> int:
            names.add(threading.current_thread().name)
            return number * 2

        futures = [pool.submit(work, number) for number in range(100)]
        assert [future.result(5) for future in futures] == list(range(0, 200, 2))
        assert 1 <= len(names) <= 3
        pool.shutdown()

    def test_a_failure_is_handed_on(self):
        pool = DaemonThreads(1, "test")
        assert isinstance(pool.submit(int, "x").exception(5), ValueError)
        assert pool.submit(int, "7").result(5) == 7
        pool.shutdown()

    def test_after_a_shutdown_none_is_left(self):
        pool = DaemonThreads(2, "left-over")
        pool.submit(int).result(5)
        pool.shutdown()
        for thread in threading.enumerate():
            if thread.name.startswith("left-over"):
                thread.join(5)
                assert not thread.is_alive()
