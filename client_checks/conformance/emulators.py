"""Emulators: starts one for a run, recognises one behind a URL, and makes a sandbox in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests

from swapmock import AdminError, Control, Emulator, RemoteEmulator, Sandbox
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.conformance.transport import Transport, Unreachable

#: The credits of a sandbox: more than any run needs.
PLENTY = 1_000_000
#: Seconds to wait for the admin API.
TIMEOUT = 10.0


@contextmanager
def started(seed: int, variants: Mapping[str, Mapping[str, Any]]) -> Iterator[Control]:
    """Start an emulator in this process, on a free port of loopback; all its accounts have these `variants`."""
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
    """Return the emulator that answers at `base_url`; None if there is another server or none.

    The request carries no credentials of a vendor. In `environment`, SWAPMOCK_ADMIN_URL says where the admin API is
    if it has its own port, and SWAPMOCK_ADMIN_TOKEN is the admin token."""
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
    # An emulator that listens on more than loopback requires a token here and answers with problem+json.
    wants_token = answer.status in (401, 403) and kind == "application/problem+json"
    if not wants_token and not (
        answer.status == 200 and kind == "application/json" and b"/sandboxes" in answer.content
    ):
        return None
    return RemoteEmulator(base_url, environment.get("SWAPMOCK_ADMIN_TOKEN", ""), admin_url)


class SandboxClock:
    """The frozen clock of a sandbox: a pause moves it and runs what falls due, without waiting in real time."""

    def __init__(self, emulator: Control, sandbox: Sandbox) -> None:
        self._emulator = emulator
        self._advance = f"/sandboxes/{sandbox.id}/clock/advance"
        self._now = float(sandbox.document["clock"]["now"])

    def now(self) -> float:
        """Return the sandbox time, in seconds since the epoch."""
        return self._now

    def pause(self, seconds: float) -> None:
        """Move the clock forward by `seconds`."""
        if seconds > 0:
            self._now = float(self._emulator.ask("POST", self._advance, {"by": seconds})["now"])


@contextmanager
def sandbox_on(
    emulator: Control, variants: Mapping[str, Mapping[str, Any]], seed: int, balance: float = PLENTY
) -> Iterator[Sandbox]:
    """Make a new sandbox with a frozen clock and `balance` credits, and delete it afterwards. Raises CannotRun if the
    emulator refuses."""
    try:
        box = emulator.sandbox(seed=seed, balance=balance, clock="frozen", variants=variants)
    except AdminError as error:
        details = "; ".join(f"{row.get('pointer', '')} {row.get('detail', '')}".strip() for row in error.errors)
        raise CannotRun(f"the emulator gave no sandbox: {details or error}") from None
    except requests.RequestException as error:
        raise CannotRun(f"no emulator at {emulator.url}: {type(error).__name__}") from None
    try:
        yield box
    finally:
        box.delete()
