"""Testcontainers, for Python and for Node: the class against a stand-in for the Docker Engine, whose containers are processes.

A real engine is not at hand. What it would do with the image is what tests/test_image.py does with buildah.
"""

import os
import re
import subprocess
import sys

import pytest
import requests
from testcontainers.core.config import ConnectionMode

from tests.deploy.engine import Engine


@pytest.fixture(scope="module")
def engine():
    with Engine() as engine:
        yield engine


@pytest.fixture
def with_engine(engine, monkeypatch):
    for name in [name for name in os.environ if name.startswith(("DOCKER_", "TESTCONTAINERS_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.ryuk_disabled", True)
    # This machine may itself be a container, in which it would ask the engine for a gateway.
    mode = ConnectionMode.docker_host
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.connection_mode_override", mode)
    engine.created.clear()
    return engine


def test_a_container_serves_with_its_settings(with_engine):
    from swapmock.testing import SwapmockContainer

    with SwapmockContainer(balance=7, variants=["crun.http_status=always200", "crun.bearer=accept"]) as swapmock:
        assert swapmock.url == swapmock.get_url()
        with swapmock.emulator.sandbox(balance=0) as sandbox:
            body = {"model": "z-image", "input": {"prompt": "a"}}
            url = f"{sandbox.base_url}/api/v1/client/job/CreateTask"
            answer = requests.post(url, json=body, headers=sandbox.headers("crun"), timeout=10)
            assert (answer.status_code, answer.json()["code"]) == (200, 402)
        assert swapmock.emulator.default.balance() == 7
        assert requests.get(f"{swapmock.url}/__admin/sandboxes", timeout=10).status_code == 401, "a token is demanded"
    assert with_engine.running == {}
    (created,) = with_engine.created
    assert created["Image"] == "swapmock"
    assert "4020/tcp" in created["ExposedPorts"]


def test_a_container_may_call_back_to_this_machine(with_engine):
    from swapmock.testing import SwapmockContainer

    with SwapmockContainer("registry.test/swapmock:0.2", admin_token="mine") as swapmock:
        assert swapmock.callback_url(8080) == "http://host.docker.internal:8080/callback"
        assert swapmock.token == "mine"
    (created,) = with_engine.created
    assert created["HostConfig"]["ExtraHosts"] == ["host.docker.internal:host-gateway"]
    assert "SWAPMOCK_CALLBACK_ALLOW=host.docker.internal" in created["Env"]
    assert "SWAPMOCK_ADMIN_TOKEN=mine" in created["Env"]


def test_without_the_extra_it_says_what_to_install():
    code = """
import sys
sys.modules["testcontainers"] = None
try:
    from swapmock.testing import SwapmockContainer
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "SwapmockContainer needs testcontainers.core: pip install 'swapmock[containers]'\n", (
        done.stderr
    )


SCRIPT = """
import assert from "node:assert";
import { startSwapmockContainer } from "swapmock/testcontainers";

const container = await startSwapmockContainer("swapmock", { SWAPMOCK_BALANCE: "7" });
try {
  const sandbox = await container.emulator.sandbox({ balance: 3 });
  assert.equal(await sandbox.balance(), 3);
  assert.equal(await (await container.emulator.get("default")).balance(), 7);
} finally {
  await container.stop();
}
"""


@pytest.mark.needs("npm", "node")
@pytest.mark.long
@pytest.mark.timeout(300)
def test_the_class_of_the_npm_package(engine, npm_package, tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text('{"private": true, "type": "module"}')
    (project / "it.mjs").write_text(SCRIPT)
    kept = {
        name: value for name, value in os.environ.items() if not re.match("DOCKER_|TESTCONTAINERS_|SWAPMOCK_", name)
    }
    environment = {**kept, "DOCKER_HOST": engine.host, "TESTCONTAINERS_RYUK_DISABLED": "true"}

    def run(*command):
        return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=200, env=environment)

    done = run("npm", "install", "--no-audit", "--no-fund", str(npm_package.file), "testcontainers@11")
    assert done.returncode == 0, done.stderr
    done = run("node", "it.mjs")
    assert done.returncode == 0, done.stdout + done.stderr
    assert engine.running == {}
