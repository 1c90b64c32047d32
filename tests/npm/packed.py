"""The npm package of this repository, built and packed once for all workers of a test run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "packages" / "npm"


@dataclass(frozen=True)
class Packed:
    """A copy of packages/npm with what its package.json asks for, and the packed `file`."""

    folder: Path
    file: Path


def packed(shared: Path) -> Packed:
    """The package in `shared`, a folder of all workers: the first one builds, the others wait for it. Skips the test where npm
    reaches no registry; in CI that is a failure."""
    folder = shared / "npm" / "npm"
    with (shared / "npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(FOLDER, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "*.tgz"))
            done = _npm(folder, "install", "--no-audit", "--no-fund")
            if done.returncode and os.environ.get("CI") != "true":
                pytest.skip("npm reaches no registry")
            assert done.returncode == 0, done.stderr
            done = _npm(folder, "pack")
            assert done.returncode == 0, done.stdout + done.stderr
            (folder / "done").touch()
    (file,) = folder.glob("*.tgz")
    return Packed(folder, file)


def _npm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["npm", *words], cwd=folder, capture_output=True, text=True, timeout=200, check=False)
