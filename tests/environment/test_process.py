"""An emulator in a user's test process: frozen time, replaced threads and libraries, forks, event loops, other workers.

What changes a process as a whole is tried in a process of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import requests
import requests_mock
import responses

from swapmock import Emulator, RemoteEmulator
from tests.conftest import KEY

DETECT = "/api/v1/client/job/detect-face-image"
BODY = {"image_url": "https://example.com/a.png"}

#: Common to the programs below: one request over HTTP, and what the emulator says of the time.
PRELUDE = """
import http.client, json, os, sys, time
from email.utils import parsedate_to_datetime

real = lambda: time.clock_gettime(time.CLOCK_MONOTONIC)

def ask(emulator, method, path, body=None):
    connection = http.client.HTTPConnection(emulator.url.removeprefix("http://"), timeout=10)
    headers = {"x-api-key": "ak_swapmock000000000000000000000000", "content-type": "application/json"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    answer = connection.getresponse()
    date, value = parsedate_to_datetime(answer.getheader("date")).timestamp(), json.loads(answer.read())
    connection.close()
    return date, value

def detect(emulator):
    made = ask(emulator, "POST", "/api/v1/client/job/detect-face-image", {"image_url": "https://example.com/a.png"})
    return made[1]["data"]["detect_task_id"]

def is_over(emulator, task):
    return ask(emulator, "GET", f"/api/v1/client/job/detect-face-result?detect_task_id={task}")[1]["data"]["status"] != "processing"
"""


def run(program: str, *arguments: str, timeout: float = 60.0) -> str:
    """What a Python program prints; it must end well, and tell nothing."""
    command = [sys.executable, "-W", "error", "-c", PRELUDE + textwrap.dedent(program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


FROZEN = """
    import datetime
    library, moment, loop = sys.argv[1:]
    if loop == "asyncio":
        sys.modules["uvloop"] = None  # as where the extra `fast` is not installed
    started = time.clock_gettime(time.CLOCK_REALTIME)

    def freeze():
        if library == "freezegun":
            import freezegun
            return freezegun.freeze_time("2024-02-29 12:00:00")
        import time_machine
        return time_machine.travel(datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc), tick=False)

    frozen = freeze()
    if moment == "around":
        frozen.start()
    from swapmock import Emulator
    with Emulator() as emulator:
        task = detect(emulator)
        if moment == "inside":
            frozen.start()
        emulator.default.wait_for_task(task, "success", timeout=30)
        assert is_over(emulator, task)
        dates = [ask(emulator, "GET", "/health")[0], emulator.default.clock()["now"]]
        emulator.default.add_fault({"delay": 0.2})
        before = real()
        is_over(emulator, task)
        assert 0.2 <= real() - before < 10, real() - before
        frozen.stop()
        dates += [ask(emulator, "GET", "/health")[0], emulator.default.clock()["now"]]
        assert is_over(emulator, task), "what has come about stays"
        proof = emulator.default.ledger(proof=True)["proof"]
        assert proof["holds"], proof
    assert all(-2 < date - started < 60 for date in dates), dates
"""


#: Each pair of choices is among the first four.
FREEZING = [
    ("freezegun", "around", "installed"),
    ("freezegun", "inside", "asyncio"),
    ("time_machine", "around", "asyncio"),
    ("time_machine", "inside", "installed"),
    pytest.param("freezegun", "around", "asyncio", marks=pytest.mark.long),
    pytest.param("freezegun", "inside", "installed", marks=pytest.mark.long),
    pytest.param("time_machine", "around", "installed", marks=pytest.mark.long),
    pytest.param("time_machine", "inside", "asyncio", marks=pytest.mark.long),
]


@pytest.mark.parametrize(("library", "moment", "loop"), FREEZING)
def test_an_emulator_stays_on_real_time_where_time_is_frozen(library, moment, loop):
    run(FROZEN, library, moment, loop)


def test_replaced_threads_are_one_clear_error():
    program = """
        import gevent.monkey
        gevent.monkey.patch_all()
        from swapmock import Emulator
        try:
            Emulator()
        except RuntimeError as error:
            print(error)
    """
    told = run(program)
    assert told.startswith("gevent has replaced the threads of this process, and an Emulator needs real ones: ")
    assert "RemoteEmulator(url)" in told
    assert "swapmock.wsgi.make_app()" in told


@pytest.mark.parametrize("use", ["emulator.url", "emulator.sandboxes()"])
def test_so_are_threads_that_are_replaced_after_the_start(use):
    """gevent itself complains on stderr about threads that it has not seen starting; that is not looked at."""
    program = f"""
from swapmock import Emulator
import gevent.monkey
try:
    with Emulator() as emulator:
        {use}
        gevent.monkey.patch_all()
        {use}
except RuntimeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("gevent has replaced the threads of this process")


def test_with_gevent_its_own_server_runs_the_emulator():
    """What the error recommends works."""
    program = """
        import gevent.monkey
        gevent.monkey.patch_all()
        import gevent.pywsgi, swapmock.wsgi
        from swapmock import RemoteEmulator
        app = swapmock.wsgi.make_app(speed=20)
        server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), app, log=None)
        server.start()
        with RemoteEmulator(f"http://127.0.0.1:{server.server_port}") as remote:
            task = detect(remote)
            app.emulator.default.wait_for_task(task, "success", timeout=30)
            assert is_over(remote, task)
            print(remote.default.balance())
        server.stop()
        app.emulator.stop()
    """
    assert float(run(program)) == 1000


def test_the_child_of_a_fork_uses_the_emulator_of_its_parent():
    program = """
        from swapmock import Emulator
        with Emulator() as emulator:
            child = os.fork()
            if child == 0:
                try:
                    emulator.sandbox(id="of-the-child")
                    detect(emulator)
                    emulator.stop()
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
            assert emulator.get("of-the-child").id == "of-the-child"
            assert [one["operation"] for one in emulator.requests()] == ["detect_face_image"]
            assert ask(emulator, "GET", "/health")[1] == {"status": "ok"}
    """
    run(program)


@pytest.fixture(scope="module")
def running():
    with Emulator() as emulator:
        yield emulator


def test_the_control_client_works_within_responses(running):
    with responses.RequestsMock() as mock, RemoteEmulator(running.url) as remote:
        mock.get("https://elsewhere.example/", body="mocked")
        assert remote.default.balance() == 1000
        assert requests.get("https://elsewhere.example/", timeout=1).text == "mocked"


def test_the_control_client_works_within_requests_mock(running):
    with requests_mock.Mocker() as mock, RemoteEmulator(running.url) as remote:
        mock.get("https://elsewhere.example/", text="mocked")
        assert remote.default.balance() == 1000
        assert requests.get("https://elsewhere.example/", timeout=1).text == "mocked"


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"])
def test_the_control_client_uses_no_proxy(running, monkeypatch, name):
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with RemoteEmulator(running.url) as remote:
        assert remote.default.balance() == 1000


def test_a_running_event_loop_does_not_matter():
    async def use() -> float:
        with Emulator() as emulator:
            answer = await asyncio.to_thread(
                requests.post, f"{emulator.url}{DETECT}", json=BODY, headers={"x-api-key": KEY}, timeout=10
            )
            assert answer.json()["code"] == 200
            return emulator.default.balance()

    assert asyncio.run(use()) == 1000


def test_a_network_that_fails_is_an_exception_of_requests():
    with socket.create_server(("127.0.0.1", 0), backlog=1) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with RemoteEmulator(url, timeout=0.2) as remote, pytest.raises(requests.ReadTimeout):
            remote.sandboxes()
    with RemoteEmulator(url) as remote, pytest.raises(requests.ConnectionError):
        remote.sandboxes()
    with (
        RemoteEmulator(f"{url}".replace("http", "https"), verify=False) as remote,
        pytest.raises(requests.ConnectionError),
    ):
        remote.sandboxes()
    with RemoteEmulator("unix:/nowhere/at/all") as remote, pytest.raises(requests.ConnectionError):
        remote.sandboxes()


def run_pytest(folder: Path, *arguments: str) -> str:
    """The output of pytest over `folder`, with nothing of this project's configuration."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        *arguments,
        str(folder),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder, env=environment)
    return done.stdout + done.stderr


def test_sockets_that_are_forbidden_are_one_clear_error(tmp_path):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import pytest
        from swapmock import Emulator
        import swapmock.wsgi
        from werkzeug.test import Client

        def test_forbidden():
            with pytest.raises(RuntimeError, match="pytest-socket forbids sockets, and an Emulator listens on one"):
                Emulator().start()

        @pytest.mark.enable_socket
        def test_allowed_here():
            with Emulator() as emulator:
                assert emulator.default.balance() == 1000

        def test_without_a_socket():
            app = swapmock.wsgi.make_app()
            assert Client(app).get("/health").status_code == 200
        """)
    )
    assert "3 passed" in run_pytest(tmp_path, "--disable-socket", "--allow-unix-socket")


def test_loopback_may_be_allowed_by_its_name(tmp_path):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import requests
        from swapmock import Emulator, RemoteEmulator

        def test_allowed():
            with Emulator() as emulator, RemoteEmulator(emulator.url) as remote:
                assert remote.default.balance() == 1000
                assert requests.get(emulator.url + "/health", timeout=10).ok
        """)
    )
    assert "1 passed" in run_pytest(tmp_path, "--allow-hosts=127.0.0.1")


def test_each_worker_of_xdist_has_its_own(tmp_path):
    (tmp_path / "test_it.py").write_text(
        textwrap.dedent("""
        import pytest
        from swapmock import Emulator

        @pytest.fixture(scope="session")
        def emulator():
            with Emulator() as running:
                yield running

        @pytest.mark.parametrize("number", range(6))
        def test_many(emulator, number):
            with emulator.sandbox(id=f"box-{number}") as sandbox:
                assert sandbox.balance() == 1000
                assert len(emulator.sandboxes()) == 3
        """)
    )
    assert "6 passed" in run_pytest(tmp_path, "-n", "2")
