"""Emulators of ours: started for a run, recognised behind a URL, and asked for a sandbox of the run's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from swapmock import AdminError, Control, Emulator, RemoteEmulator, Sandbox
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.conformance.transport import Transport, Unreachable

#: Credits in a sandbox of a run: more than any run needs.
PLENTY = 1_000_000
#: Seconds to wait for the admin API.
TIMEOUT = 10.0


@contextmanager
def started(seed: int, variants: Mapping[str, Mapping[str, Any]]) -> Iterator[Control]:
    """An emulator of its own in this process, on a free port of loopback; all its accounts have these variants."""
    try:
        emulator = Emulator(seed=seed, variants=variants).start()
    except ValueError as error:
        raise CannotRun(str(error)) from None
    except OSError as error:
        raise CannotRun(f"the emulator did not start: {error.strerror or error}") from None
    try:
        yield emulator
    finally:
        emulator.stop()


def at(base_url: str, environment: Mapping[str, str]) -> Control | None:
    """The emulator of ours that answers at `base_url`; None if there is another server, or none.

    The question carries no credentials of a vendor. SWAPMOCK_ADMIN_URL of `environment` says where its admin API is, if
    that has a port of its own, SWAPMOCK_ADMIN_TOKEN what that demands.
    """
    admin_url = environment.get("SWAPMOCK_ADMIN_URL", base_url).rstrip("/")
    transport = Transport(total=TIMEOUT, silence=TIMEOUT)
    try:
        answer = transport.send("GET", f"{admin_url}/__admin", [], b"")
    except Unreachable as why:
        if why.is_connected:
            return None
        raise CannotRun(f"no server at {admin_url}: {why}") from None
    finally:
        transport.close()
    kinds = [value for name, value in answer.headers if name.lower() == "content-type"]
    kind = "".join(kinds).split(";")[0]
    # An emulator that listens on more than loopback wants a token here, and says so as problem+json.
    wants_token = answer.status in (401, 403) and kind == "application/problem+json"
    if not wants_token and not (
        answer.status == 200 and kind == "application/json" and b"/sandboxes" in answer.content
    ):
        return None
    return RemoteEmulator(base_url, environment.get("SWAPMOCK_ADMIN_TOKEN", ""), admin_url)


class SandboxClock:
    """The clock of a sandbox that stands still: a pause moves it, everything due happens, and no real time is lost."""

    def __init__(self, emulator: Control, sandbox: Sandbox) -> None:
        self._emulator = emulator
        self._advance = f"/sandboxes/{sandbox.id}/clock/advance"
        self._now = float(sandbox.document["clock"]["now"])

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        if seconds > 0:
            self._now = float(self._emulator.ask("POST", self._advance, {"by": seconds})["now"])


@contextmanager
def sandbox_on(emulator: Control, variants: Mapping[str, Mapping[str, Any]], seed: int) -> Iterator[Sandbox]:
    """A fresh sandbox with a clock that stands still; it is deleted afterwards.

    CannotRun says why the emulator gave none.
    """
    try:
        box = emulator.sandbox(seed=seed, balance=PLENTY, clock="frozen", variants=variants)
    except AdminError as error:
        details = "; ".join(f"{row.get('pointer', '')} {row.get('detail', '')}".strip() for row in error.errors)
        raise CannotRun(f"the emulator gave no sandbox: {details or error}") from None
    except requests.RequestException as error:
        raise CannotRun(f"no emulator at {emulator.url}: {type(error).__name__}") from None
    try:
        yield box
    finally:
        box.delete()
