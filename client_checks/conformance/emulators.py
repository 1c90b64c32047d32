"""Emulators of ours: started for a run, recognised behind a URL, and asked for a sandbox of the run's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from client_checks.conformance.target import CannotRun

#: Credits in a sandbox of a run: more than any run needs.
PLENTY = 1_000_000
#: Seconds to wait for the admin API.
TIMEOUT = 10.0
READY = "Listening on "


@contextmanager
def started(seed: int = 0) -> Iterator[str]:
    """An emulator of its own on a free port of loopback; its base URL."""
    command = [sys.executable, "-m", "mock_server", "serve", "--port", "0", "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield _url_of(process)
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT)


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None  # it was asked for
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise CannotRun(f"the emulator did not start: {process.stderr.read().strip()[-300:]}")


def is_emulator(base_url: str) -> bool:
    """Whether an emulator of ours answers there. Sends no credentials; whatever does not answer as one is none."""
    try:
        answer = requests.get(f"{base_url}/__admin", timeout=TIMEOUT, allow_redirects=False)
    except requests.RequestException:
        return False
    # An emulator that listens on more than loopback wants a token here, and says so as problem+json.
    kind = answer.headers.get("Content-Type", "").split(";")[0]
    if answer.status_code in (401, 403):
        return kind == "application/problem+json"
    try:
        return answer.status_code == 200 and "sandboxes" in answer.text and isinstance(answer.json(), dict)
    except ValueError:
        return False


@dataclass
class Sandbox:
    """A sandbox on an emulator, and its clock: it stands still until a pause moves it."""

    url: str
    id: str
    credentials: Mapping[str, Mapping[str, str]]
    variants: Mapping[str, Mapping[str, Any]]
    _now: float
    _session: requests.Session = field(default_factory=requests.Session)

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        """Let the sandbox's time pass: everything that is due happens, and no real time is lost."""
        if seconds <= 0:
            return
        answer = self._session.post(
            f"{self.url}/__admin/sandboxes/{self.id}/clock/advance", json={"by": seconds}, timeout=60
        )
        answer.raise_for_status()
        self._now = answer.json()["now"]


@contextmanager
def sandbox_on(
    base_url: str, variants: Mapping[str, Mapping[str, Any]], seed: int, token: str | None = None
) -> Iterator[Sandbox]:
    """A fresh sandbox with a clock that stands still; it is deleted afterwards.

    CannotRun says why the emulator gave none.
    """
    session = requests.Session()
    if token:
        session.headers["Authorization"] = f"Bearer {token}"
    wanted = {"seed": seed, "balance": PLENTY, "clock": "frozen", "variants": variants}
    try:
        answer = session.post(f"{base_url}/__admin/sandboxes", json=wanted, timeout=TIMEOUT)
    except requests.RequestException as error:
        raise CannotRun(f"no emulator at {base_url}: {type(error).__name__}") from None
    if answer.status_code != 201:
        raise CannotRun(f"the emulator gave no sandbox: HTTP {answer.status_code} {_why(answer)}")
    made = answer.json()
    box = Sandbox(
        url=base_url,
        id=made["id"],
        credentials={name: row["headers"] for name, row in made["credentials"].items()},
        variants=made.get("variants", {}),
        _now=made["clock"]["now"],
        _session=session,
    )
    try:
        yield box
    finally:
        session.delete(f"{base_url}/__admin/sandboxes/{box.id}", timeout=TIMEOUT)
        session.close()


def _why(answer: requests.Response) -> str:
    """What a problem+json says, in one line."""
    try:
        problem = answer.json()
    except ValueError:
        return ""
    errors = "; ".join(f"{row.get('pointer', '')}: {row.get('detail', row)}" for row in problem.get("errors", ()))
    return f"{problem.get('detail', '')} {errors}".strip()
