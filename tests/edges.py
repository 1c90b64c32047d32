"""`make edges`: the wheel with the lowest and with the highest versions that pyproject.toml allows, each in a venv of its own.

uv resolves, pip installs from the index that it is configured for, and a short program drives an emulator.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: Edge -> how uv resolves it. `lowest-direct` takes the lowest versions of what the project names itself.
EDGES = {"lowest": "lowest-direct", "highest": "highest"}

SMOKE = """
import json, sys, urllib.request
from importlib.metadata import version
from swapmock import Emulator, RemoteEmulator
import swapmock.asgi, swapmock.wsgi

def ask(url, body=None):
    headers = {"x-api-key": "ak_swapmock000000000000000000000000", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, headers)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as answer:
        return answer.read()

with Emulator(speed=50) as emulator, RemoteEmulator(emulator.url) as remote:
    api = emulator.url + "/api/v1/client/job/"
    task = json.loads(ask(api + "detect-face-image", {"image_url": "https://example.com/a.png"}))["data"]["detect_task_id"]
    remote.default.wait_for_task(task, "success", timeout=30)
    found = json.loads(ask(api + "detect-face-result?detect_task_id=" + task))["data"]["result"]
    assert ask(found["faces"][0]["link"]).startswith(b"\\xff\\xd8"), "a JPEG"
    assert json.loads(ask(emulator.url + "/health")) == {"status": "ok"}
    assert remote.default.ledger(proof=True)["proof"]["holds"]
    assert remote.default.har()["log"]["entries"]
    assert "swapmock" in remote.metrics()
    remote.default.add_fault({"code": 500}, match={"body": {"$.image_url": {"contains": "unlucky"}}})
assert swapmock.wsgi.make_app() and swapmock.asgi.make_app()
names = ["click", "flask", "h11", "httptools", "jsonschema", "jsonschema-rs", "pillow", "requests", "urllib3", "uvicorn"]
print(*(f"{name} {version(name)}" for name in names), sep=", ")
"""


def run(*command: str | Path, **more: str) -> None:
    """Run a command without proxies or settings of this shell; its output is shown if it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SWAPMOCK_")}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env={**environment, **more}, timeout=300
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    sys.stdout.write(done.stdout if command[-2] == "-c" else "")


def main() -> None:
    """Build the wheel, and try it at both edges."""
    with tempfile.TemporaryDirectory(prefix="swapmock-edges-") as name:
        scratch = Path(name)
        project = scratch / "project"
        ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "node_modules")
        shutil.copytree(ROOT, project, symlinks=True, ignore=ignored)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        run(*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", scratch, project)
        (wheel,) = scratch.glob("*.whl")
        for edge, resolution in EDGES.items():
            pins, target = scratch / f"{edge}.txt", scratch / edge
            compiler: list[str | Path] = [
                Path(sys.executable).parent / "uv",
                "pip",
                "compile",
                "--quiet",
                "--no-header",
                "--no-annotate",
            ]
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            options = ["--extra", "fast", "--resolution", resolution, "--python-version", python, "--upgrade"]
            run(*compiler, *options, "--output-file", pins, ROOT / "pyproject.toml")
            venv.create(target, with_pip=False)
            installer: list[str | Path] = [
                *pip,
                "--python",
                target / "bin/python",
                "install",
                "--quiet",
                "--only-binary=:all:",
            ]
            run(*installer, "-r", pins)
            run(*installer, "--no-deps", wheel)
            sys.stdout.write(f"{edge}: ")
            sys.stdout.flush()
            run(target / "bin/python", "-W", "error", "-c", SMOKE, PYTHONPATH="")
            run(target / "bin/swapmock", "routes", "--help")


if __name__ == "__main__":
    main()
