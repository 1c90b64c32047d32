"""`swapmock run` as a process: exit status, signals, and what it says."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import types

import pytest

from swapmock import Emulator
from swapmock.mock_server.interception import MissingExtra, intercept
from tests.interception.conftest import CLIENTS, ENVIRONMENT
from tests.test_cli import ROOT

SWAPMOCK = [sys.executable, "-m", "swapmock", "run"]


def run(*words, **more):
    command = [*SWAPMOCK, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=ENVIRONMENT, timeout=60, **more)


def test_a_client_is_served_and_nothing_else_is_said():
    done = run("--", sys.executable, CLIENTS / "with_requests.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["echo"] == "bytes"


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (["sh", "-c", "exit 0"], 0),
        (["sh", "-c", "exit 77"], 77),
        (["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM),
        (["sh", "-c", "kill -KILL $$"], 128 + signal.SIGKILL),
        (["no-such-program"], 127),
        (["/dev/null"], 126),
    ],
)
def test_the_exit_status_is_the_command_s(command, status):
    assert run("--", *command).returncode == status


def test_a_program_that_is_not_there_is_one_line():
    assert run("--", "no-such-program").stderr == "swapmock: cannot run no-such-program: No such file or directory\n"


def test_input_and_flags_are_the_command_s():
    done = run("--", "sh", "-c", 'cat; echo "$@"', "sh", "--help", "-p", input="from stdin\n")
    assert done.stdout == "from stdin\n--help -p\n"


def test_a_run_without_vendor_requests_says_so():
    said = run("--", "true").stderr
    assert said.startswith("swapmock run: no request to api.crun.ai, api.crunai.com, api.zhiqite.com arrived")
    assert said.count("\n") == 1


@pytest.mark.needs("curl")
def test_requests_by_the_base_url_count_too():
    """Also those to a running emulator, and only those of this run."""
    words = ("--", "sh", "-c", "curl -sS $SWAPMOCK_URL/api/v1/client/account/balance")
    assert run(*words).stderr == ""
    with Emulator() as emulator:
        assert run("--emulator", emulator.url, *words).stderr == ""
        assert "no request to api.crun.ai" in run("--emulator", emulator.url, "--", "true").stderr


UNTRUSTING = """
import requests
try:
    requests.get("https://api.crun.ai", verify="/etc/ssl/certs/ca-certificates.crt", timeout=20)
except requests.exceptions.SSLError:
    pass
try:
    requests.get("https://example.com", timeout=20)
except requests.exceptions.ProxyError:
    pass
"""


def test_why_no_vendor_request_arrived_is_said():
    said = run("--", sys.executable, "-c", UNTRUSTING).stderr.splitlines()
    assert said[0] == "swapmock run: refused 1 request(s) to example.com; --others tunnel lets them through"
    assert said[1].startswith("swapmock run: no request to api.crun.ai")
    assert said[2].startswith("swapmock run: a client broke off TLS 1 time(s)")


TRAP = """
import signal, sys
def caught(number, _):
    print("got", number, flush=True)
    sys.exit(number)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"):
    signal.signal(getattr(signal, name), caught)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_command(number):
    with subprocess.Popen(
        [*SWAPMOCK, "--", sys.executable, "-c", TRAP], stdout=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.read() == f"got {int(number)}\n"
        assert process.wait(30) == number


COUNT = """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print("ready", flush=True)
signal.sigwait({signal.SIGINT})
print("again" if signal.sigtimedwait({signal.SIGINT}, 0.5) else "once", flush=True)
"""


def test_ctrl_c_at_a_terminal_reaches_the_command_once():
    """The terminal sends it to the command, too: we must not send it again."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execve(sys.executable, [*SWAPMOCK, "--", sys.executable, "-c", COUNT], ENVIRONMENT)
    said = b""
    while b"ready" not in said:
        said += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    while b"once" not in said and b"again" not in said:
        said += os.read(terminal, 1000)
    os.waitpid(pid, 0)
    os.close(terminal)
    assert b"once" in said


def test_settings_of_the_emulator_are_taken(tmp_path):
    config = tmp_path / "swapmock.yaml"
    config.write_text("port: 1\nbalance: 3\n")
    command = ["curl", "-sS", "-H", "x-api-key: $CRUN_API_KEY", "https://api.crun.ai/api/v1/client/account/balance"]
    shell = " ".join(f'"{word}"' for word in command)
    assert '"balance":3' in run("--config", config, "--", "sh", "-c", shell).stdout
    assert '"balance":5' in run("--balance", 5, "--", "sh", "-c", shell).stdout


def test_a_running_emulator_is_used():
    with Emulator(balance=7) as emulator:
        done = run("--emulator", emulator.url, "--", "sh", "-c", "echo $SWAPMOCK_URL; sh $0", CLIENTS / "with_curl.sh")
        assert done.stdout.splitlines()[0] == emulator.url
        assert json.loads(done.stdout.splitlines()[1])["balance"] == 7
        assert [one["operation"] for one in emulator.requests()][:2] == ["get_account_balance", "get_upload_url"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing argument"),
        (["--others", "maybe", "--", "true"], "'maybe' is not one of"),
        (["--emulator", "localhost:1", "--", "true"], "is not the base URL of an emulator"),
        (["--emulator", "http://127.0.0.1:999999", "--", "true"], "is not the base URL of an emulator"),
        (["--emulator", "http://[::1", "--", "true"], "is not the base URL of an emulator"),
        (["--emulator", "http://", "--", "true"], "is not the base URL of an emulator"),
        (["--emulator", "http://127.0.0.1:1/base?x", "--", "true"], "is not the base URL of an emulator"),
        (["--emulator", "http://127.0.0.1:1", "--", "true"], "cannot reach http://127.0.0.1:1"),
        (["--callback-port", "x", "--", "true"], "is not a valid integer"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(words, told):
    done = run(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in done.stderr


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    missing = "swapmock.mock_server.interception.certificates"
    monkeypatch.delitem(sys.modules, missing, raising=False)
    monkeypatch.delattr("swapmock.mock_server.interception.certificates", raising=False)
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert isinstance(sys.modules["swapmock"], types.ModuleType)
    with pytest.raises(MissingExtra, match=r"pip install 'swapmock\[run\]'"), intercept(environment=ENVIRONMENT):
        pass


def test_with_worker_processes():
    """The same as with one; `serve` is started for it, and ends with it."""
    asked = f"{sys.executable} {CLIENTS / 'with_requests.py'} && echo $SWAPMOCK_URL"
    done = run("--workers", "2", "--", "sh", "-c", asked)
    assert (done.returncode, done.stderr) == (0, "")
    told, url = done.stdout.splitlines()
    assert json.loads(told)["echo"] == "bytes"
    host, _, port = url.removeprefix("http://").rpartition(":")
    with pytest.raises(ConnectionRefusedError), socket.create_connection((host, int(port)), 1):
        pass
