"""A uvicorn on which our connection does not work is refused at the start, in one sentence."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from swapmock import Emulator, SettingError
from swapmock.mock_server.web import protocol_check


@pytest.fixture(autouse=True)
def untried(monkeypatch):
    """As in a new process, and with less patience."""
    monkeypatch.setattr(protocol_check, "PATIENCE", 0.5)
    protocol_check._passed().clear()
    yield
    protocol_check._passed().clear()


async def _never(*_args: object, **_more: object) -> None:
    await asyncio.Event().wait()


def _nothing(*_args: object, **_more: object) -> None:
    pass


#: What a later version may change -> the reason that is told.
CHANGES = {
    "nothing is started": (HttpToolsProtocol, "on_headers_complete", _nothing),
    "no body": (HttpToolsProtocol, "on_body", _nothing),
    "no next request": (HttpToolsProtocol, "on_response_complete", _nothing),
    "no application": (RequestResponseCycle, "run_asgi", _never),
    "no message of the body's end": (HttpToolsProtocol, "on_message_complete", _nothing),
}


def test_the_installed_uvicorn_passes():
    asyncio.run(protocol_check.check_protocol())
    assert protocol_check._passed() == [True]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_uvicorn_is_refused(monkeypatch, change):
    kind, name, replacement = CHANGES[change]
    monkeypatch.setattr(kind, name, replacement)
    with pytest.raises(
        SettingError, match=r"^uvicorn \S+ does not work with swapmock \([^\n]*\): install one that does"
    ):
        asyncio.run(protocol_check.check_protocol())


def test_an_emulator_tells_it_at_once(monkeypatch):
    monkeypatch.setattr(HttpToolsProtocol, "on_body", _nothing)
    with pytest.raises(SettingError, match="does not work with swapmock"), Emulator():
        pass


@pytest.mark.parametrize(
    "change",
    [
        "del httptools_impl.STATUS_LINE",
        "del httptools_impl.HttpToolsProtocol.on_response_complete",
        "httptools_impl.HttpToolsProtocol.on_body = lambda *_: None",
    ],
)
def test_serve_says_it_in_one_line(change):
    code = f"from uvicorn.protocols.http import httptools_impl; {change}; from swapmock.mock_server.cli import main; main()"
    command = [sys.executable, "-c", code, "serve", "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert re.fullmatch(
        r"swapmock: uvicorn \S+ does not work with swapmock \(.*\): install one that does, .*\n", done.stderr
    )
