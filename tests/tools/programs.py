"""Installs the tools of others at the versions of the lock files, once for each version of these files, and runs them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

#: No tool reports anything about its use, asks for a newer version of itself, or writes in colours.
QUIET = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "NO_COLOR": "1",
    "SCARF_ANALYTICS": "false",
}


class NotInstalled(Exception):
    """The tools cannot be had here; the text says why."""


@dataclass(frozen=True)
class Programs:
    """The folders that hold the programs from npm and from PyPI."""

    node_modules: Path
    venv: Path

    def run(self, *command: str, folder: Path, timeout: float = 280, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=folder, env=self.environment(**more), capture_output=True, text=True, timeout=timeout, check=False
        )  # fmt: skip

    def environment(self, **more: str) -> dict[str, str]:
        places = (self.node_modules / ".bin", self.venv / "bin", os.environ.get("PATH", ""))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SWAPMOCK_")}
        return {**kept, **QUIET, "PATH": os.pathsep.join(map(str, places)), **more}


def install() -> Programs:
    """The tools, from .venv/tools if they are there already. Raises NotInstalled."""
    return Programs(_from_npm(), _from_pypi())


def _from_npm() -> Path:
    def fill(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        # Not `npm ci`: mokapi's package has optional parts for other machines, which not every registry has.
        _must("npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", folder=folder)

    return _once("npm", ("package.json", "package-lock.json"), fill) / "node_modules"


def _from_pypi() -> Path:
    def fill(folder: Path) -> None:
        _must(sys.executable, "-m", "venv", str(folder), folder=folder)
        options = ("--disable-pip-version-check", "--only-binary=:all:", "--require-hashes", "--quiet")
        lock = str(HERE / "requirements.lock")
        _must(str(folder / "bin" / "python"), "-m", "pip", "install", *options, "-r", lock, folder=folder)

    return _once("pypi", ("requirements.lock",), fill)


def _once(kind: str, names: tuple[str, ...], fill: object) -> Path:
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in names)).hexdigest()[:12]
    folder = Path(sys.prefix) / "tools" / f"{kind}-{digest}"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first worker installs, the others wait
        if not (folder / ".whole").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            assert callable(fill)
            fill(folder)
            (folder / ".whole").touch()
    return folder


def _must(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise NotInstalled(f"{command[0]}: {(done.stderr or done.stdout)[-500:]}")
