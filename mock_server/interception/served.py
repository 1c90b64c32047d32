"""An emulator of several processes for a run: `swapmock serve` as a child process, with the settings of the run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from swapmock.mock_server.settings import Settings, with_token

#: The word before the base URL in the output of `serve` once it is ready.
READY = "Listening on "

#: The timeout for the end of the child process, in seconds.
END_TIME = 20.0


@contextmanager
def served(settings: Settings, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield base URL and admin token of an emulator with `settings`, which ends with the block. Its settings are
    written into `folder`. Raises OSError if it does not start."""
    settings = with_token(replace(settings, uds=None, admin_port=None, tls_cert=None, tls_key=None))
    settings = replace(settings, trusted_proxies=(*settings.trusted_proxies, "127.0.0.1"))
    file = folder / "serve.yaml"
    file.write_text(json.dumps(_as_file(settings)), "utf-8")  # JSON is YAML
    file.chmod(0o600)
    command = [sys.executable, "-m", "swapmock", "serve", "--config", str(file), "--port", str(settings.port)]
    # Ctrl-C in a terminal is for the command of the run; the emulator ends afterwards.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=_environment(os.environ), start_new_session=True
    ) as process:
        try:
            yield _url_of(process), settings.admin_token
        finally:
            process.terminate()
            try:
                process.communicate(timeout=END_TIME)
            except subprocess.TimeoutExpired:
                process.kill()  # this ends its workers as well


def _as_file(settings: Settings) -> dict[str, Any]:
    given = {row.name: getattr(settings, row.name) for row in fields(settings)}
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in given.items()
        if value not in (None, "")
    }


def _environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without settings: the settings of the run already contain them."""
    return {name: text for name, text in base.items() if not name.startswith("SWAPMOCK_")}


def _url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return line.removeprefix(READY).strip()
    raise OSError(f"`swapmock serve` ended with status {process.wait()} before it listened")
