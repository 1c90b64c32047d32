"""The command when nobody can read what it prints: one clear line, or silence, and never a traceback."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.test_cli import ENVIRONMENT, ROOT

FULL = Path("/dev/full")
PRINTING = [["version"], ["routes"], ["evidence"], ["--help"]]


@contextmanager
def started(*arguments, **places) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "swapmock", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=ENVIRONMENT, **places) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("arguments", [*PRINTING, ["serve", "--port", "0"]], ids=lambda words: words[0])
def test_a_full_disk_is_one_line_and_exit_2(arguments):
    with FULL.open("w") as full, started(*arguments, stdout=full) as process:
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (2, "swapmock: No space left on device\n")


@pytest.mark.parametrize("arguments", PRINTING, ids=lambda words: words[0])
def test_a_reader_who_has_gone_hears_nothing_and_sees_nothing(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    with started(*arguments, stdout=writer) as process:
        os.close(writer)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (1, "")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def answers(url, process):
    """Whether it serves before it ends."""
    while process.poll() is None:
        try:
            return requests.get(url + "/health", timeout=10).json() == {"status": "ok"}
        except requests.ConnectionError:
            continue
    return False


@pytest.mark.parametrize("is_closed", [False, True], ids=["gone", "closed"])
def test_the_emulator_serves_on_without_a_reader(is_closed):
    port = free_port()
    reader, writer = os.pipe()
    os.close(reader)
    close = (lambda: os.close(1)) if is_closed else None
    with started("serve", "--port", port, stdout=writer, preexec_fn=close) as process:
        os.close(writer)
        assert answers(f"http://127.0.0.1:{port}", process)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")


@pytest.mark.parametrize("command", ["serve", "listen"])
def test_an_interrupt_ends_what_a_script_has_put_in_the_background(command):
    """A shell that is no terminal's starts such a process with interrupts ignored."""

    def ignore():
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with started(command, "--port", 0, stdout=subprocess.PIPE, preexec_fn=ignore) as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("Listening on "):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
