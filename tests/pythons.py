"""Part of `make dist`: wheel and sdist, each in an empty environment outside of this tree, on every Python at hand.

A Python is at hand if it is on PATH as python3.N, or an installation of pyenv. Needs a package index.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.edges import SMOKE, run

ROOT = Path(__file__).resolve().parents[1]
OLDEST, NEWEST = 11, 20

STARTER = """
import subprocess, sys
from pathlib import Path
for command in (["-m", "swapmock", "--version"], ["-m", "swapmock", "pain", "9"], ["-m", "swapmock", "init", "pytest"]):
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
done = subprocess.run([sys.executable, "-m", "pytest", "-q"], capture_output=True, text=True)
assert "4 passed" in done.stdout, done.stdout + done.stderr
print(f"Python {sys.version.split()[0]}: the emulator answers, the starter passes")
"""


def at_hand() -> dict[str, Path]:
    """Version -> interpreter, one for each version from 3.11 on."""
    found: dict[str, Path] = {}
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    named = [Path(path) for minor in range(OLDEST, NEWEST) if (path := shutil.which(f"python3.{minor}"))]
    for interpreter in [Path(sys.executable), *named, *sorted(pyenv.glob("3.*/bin/python3"))]:
        ask: list[str | Path] = [interpreter, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        done = subprocess.run(ask, capture_output=True, text=True)
        major, _, minor = done.stdout.strip().partition(".")
        if done.returncode == 0 and major == "3" and int(minor) >= OLDEST:
            found.setdefault(f"3.{minor}", interpreter)
    return found


def main(folder: Path) -> None:
    """Install and try each file of `folder` on each Python."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    uv = Path(sys.executable).parent / "uv"
    with tempfile.TemporaryDirectory(prefix="swapmock-pythons-") as name:
        for version, interpreter in at_hand().items():
            # The sdist is built once: what comes of it is the same wheel.
            for file in [wheel, sdist] if version == f"3.{OLDEST}" else [wheel]:
                place = Path(name) / f"{version}-{file.suffix[1:]}"
                place.mkdir()
                run(uv, "venv", "--quiet", "--python", interpreter, place / "venv")
                python = place / "venv" / "bin" / "python"
                run(
                    uv, "pip", "install", "--quiet", "--python", python, f"swapmock[pytest] @ {file.resolve().as_uri()}"
                )
                for program in (SMOKE, STARTER):
                    done = subprocess.run(
                        [python, "-c", program], cwd=place, capture_output=True, text=True, timeout=300
                    )
                    if done.returncode:
                        sys.exit(f"{file.name} on Python {version}:\n{done.stdout}{done.stderr}")
                    sys.stdout.write(done.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
