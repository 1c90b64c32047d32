"""The guide docs/add-a-provider.md: its snippets, put into an empty folder, are a provider that works."""

import hashlib
import hmac
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "add-a-provider.md"
SNIPPET = re.compile(r"^```(?:yaml|python|toml) (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

WEBHOOK = """
import json, sys
import requests
from acme import REGISTRATION
from swapmock import Emulator
from tests.receivers import Receiver

with Receiver() as receiver, Emulator.with_providers({"acme": REGISTRATION}, callback_allow=("127.0.0.1",)) as emulator:
    with emulator.sandbox(clock="frozen") as sandbox:
        body = {"picture": "https://example.com/face.png", "webhook": receiver.url("/hook")}
        answer = requests.post(f"{emulator.url}/acme/jobs", json=body, headers=sandbox.headers("acme"), timeout=10)
        sandbox.advance(5)
        (got,) = receiver.got
        headers = {name.lower(): value for name, value in got.headers.items()}
        secret = sandbox.document["credentials"]["acme"]["secret"]
        print(json.dumps([answer.json(), got.body.decode(), headers["x-acme-signature"], secret]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("guide")
    for name, text in SNIPPET.findall(PAGE.read_text("utf-8")):
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return made


def run(folder, *arguments, more=""):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), more]))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("script", ["try_acme.py", "check_acme.py", "check_server.py"])
def test_a_script_of_the_guide_runs(folder, script):
    run(folder, script)


def test_its_webhook_comes_and_is_signed(folder):
    answer, body, signature, secret = json.loads(run(folder, "-c", WEBHOOK, more=str(ROOT)))
    assert json.loads(body) == {**json.loads(body), "id": answer["id"], "state": "ready"}
    assert signature == hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()


@pytest.mark.long
def test_an_installed_package_is_found_by_its_entry_point(folder):
    """What an installer writes for the entry point of the guide's pyproject.toml is enough for the commands."""
    entry = re.search(r'providers"\]\n(.*)\n', (folder / "pyproject.toml").read_text("utf-8"))
    assert entry is not None
    info = folder / "acme_for_swapmock-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-for-swapmock\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[swapmock.providers]\n{entry[1].replace(chr(34), '')}\n")
    routes = run(folder, "-m", "swapmock", "routes")
    assert "/acme/jobs/{id}" in routes
    assert "0 finding(s)" in run(folder, "-m", "swapmock", "lint")
    parts = "flows,examples,fuzzing,stateful"
    run(folder, "-m", "swapmock", "check", "emulator", "--provider", "acme", "--parts", parts, "--max-examples", "2")
