"""Clients of many runtimes, unchanged, whose vendor address `https://api.crun.ai` is a constant."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interception.conftest import CLIENTS

pytestmark = pytest.mark.early

ECHO = re.compile(r"https://api\.crun\.ai/u/[0-9a-f-]+\.png")


@pytest.fixture
def is_served(interception):
    """Says whether what a client printed shows that the emulator served it, by the host that it used."""
    before = len(interception.vendor_requests)

    def is_served(printed):
        assert (printed["balance"], printed["echo"]) == (1000, "bytes")
        assert ECHO.fullmatch(printed["url"])
        hosts = {request.host for request in interception.vendor_requests[before:]}
        return hosts == {"api.crun.ai"}

    return is_served


@pytest.mark.parametrize("library", ["requests", "httpx", "urllib"])
def test_python(library, run_client, is_served):
    assert is_served(run_client(sys.executable, CLIENTS / f"with_{library}.py"))


@pytest.mark.needs("curl")
def test_curl(run_client, is_served):
    assert is_served(run_client("sh", CLIENTS / "with_curl.sh"))


@pytest.mark.needs("go")
def test_go(run_client, is_served, tmp_path_factory):
    cache = tmp_path_factory.mktemp("go-cache")
    assert is_served(run_client("go", "run", CLIENTS / "with_go.go", GOCACHE=str(cache), GOFLAGS="-mod=mod"))


@pytest.mark.needs("javac")
def test_java(run_client, is_served):
    assert is_served(run_client("java", CLIENTS / "WithJava.java"))


def npm_package(name: str, folder: Path) -> Path:
    """The folder `node_modules` with the npm package `name`; the test is skipped where npm cannot fetch it."""
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), name]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except subprocess.SubprocessError as error:
        pytest.skip(f"npm cannot fetch {name}: {str(getattr(error, 'stderr', None) or error).strip()[-200:]}")
    return folder / "node_modules"


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    return npm_package("axios@1", tmp_path_factory.mktemp("axios"))


@pytest.fixture(scope="module")
def node_24(tmp_path_factory):
    modules = npm_package("node@24", tmp_path_factory.mktemp("node-24"))
    node = modules / ".bin/node"
    if not node.exists():
        pytest.skip("the npm package node@24 has no program for this machine")
    return node


JAVASCRIPT = ["with_fetch.mjs", "with_https.cjs", "with_axios.cjs"]


@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("program", JAVASCRIPT)
def test_node(program, run_client, is_served, modules):
    assert is_served(run_client("node", CLIENTS / program, NODE_PATH=str(modules)))


@pytest.mark.long
@pytest.mark.needs("node", "npm")
@pytest.mark.parametrize("program", JAVASCRIPT)
def test_node_24(program, run_client, is_served, modules, node_24):
    assert is_served(run_client(node_24, CLIENTS / program, NODE_PATH=str(modules)))


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    "call",
    [
        "net.connect(443, 'api.crun.ai')",
        "net.connect({ host: 'API.crun.ai.', port: '443' })",
        "net.createConnection(443, 'api.crun.ai', () => {})",
        "new net.Socket().connect({ host: 'api.crun.ai', port: 443 })",
        "tls.connect(443, 'api.crun.ai', { servername: 'api.crun.ai' }).on('secureConnect', () => {})",
        "tls.connect({ host: 'api.crun.ai', port: 443, servername: 'api.crun.ai' })",
        "net.connect(80, 'api.crun.ai')",
    ],
)
def test_every_form_of_a_connection_in_node_is_redirected(call, run_client):
    source = f"""
        const net = require('node:net'), tls = require('node:tls');
        const socket = {call};
        socket.on('connect', () => {{
            console.log(JSON.stringify([socket.remoteAddress]));
            socket.destroy();
        }});
    """
    assert run_client("node", "-e", source) == ["127.0.0.1"]


@pytest.mark.needs("node")
def test_other_connections_of_node_stay_as_they_are(run_client):
    source = """
        const net = require('node:net'), os = require('node:os'), path = require('node:path');
        const seen = [];
        const one = net.createServer((c) => c.end()).listen(0, '127.0.0.1', () => {
            net.connect(one.address().port, () => seen.push('port')).on('close', () => {
                one.close();
                const name = path.join(os.tmpdir(), `swapmock-${process.pid}.sock`);
                const two = net.createServer((c) => c.end()).listen(name, () => {
                    net.connect(name, () => seen.push('path')).on('close', () => {
                        two.close();
                        console.log(JSON.stringify(seen));
                    });
                });
            });
        });
    """
    assert run_client("node", "-e", source) == ["port", "path"]
