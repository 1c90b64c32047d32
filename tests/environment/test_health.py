"""`swapmock health`: what the image's HEALTHCHECK runs, wherever and however the server listens."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from swapmock import Emulator, Settings
from swapmock.mock_server.cli import health as module
from swapmock.mock_server.cli.health import health, serve_arguments, url_from


def check(*arguments: str, **environment: str | None) -> Result:
    return CliRunner().invoke(health, list(arguments), env=environment)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    chain, key = folder / "cert.pem", folder / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=elsewhere.example", "-keyout", str(key), "-out", str(chain)]
    subprocess.run([*made, *subject], check=True, capture_output=True)
    return chain, key


@pytest.fixture(autouse=True)
def no_container(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "PROC", tmp_path / "proc")


def test_by_url():
    with Emulator() as emulator:
        assert check(emulator.url).exit_code == 0
        assert check(emulator.url + "/").output == f"healthy: {emulator.url}\n"
    gone = check(emulator._server.url if emulator._server else "http://127.0.0.1:9")
    assert gone.exit_code == 1


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
def test_proxies_do_not_matter(name):
    with Emulator() as emulator:
        assert check(emulator.url, **{name: "http://127.0.0.1:9"}).exit_code == 0


def test_the_server_that_the_environment_describes(certificate, tmp_path):
    chain, key = certificate
    with Emulator() as emulator:
        port = emulator.url.rpartition(":")[2]
        assert check(SWAPMOCK_PORT=port).exit_code == 0
        assert check(SWAPMOCK_PORT=port, SWAPMOCK_HOST="0.0.0.0").exit_code == 0
        assert check(SWAPMOCK_PORT="9").exit_code == 1
        (tmp_path / "config.yaml").write_text(f"port: {port}\n")
        assert check(SWAPMOCK_CONFIG=str(tmp_path / "config.yaml")).exit_code == 0
    with Emulator(tls_cert=chain, tls_key=key) as emulator:
        port = emulator.url.rpartition(":")[2]
        told = check(SWAPMOCK_PORT=port, SWAPMOCK_TLS_CERT=str(chain), SWAPMOCK_TLS_KEY=str(key))
        assert (told.exit_code, told.output) == (0, f"healthy: https://127.0.0.1:{port}\n")
        assert check(SWAPMOCK_PORT=port).exit_code == 1, "HTTP is not HTTPS"
    with Emulator(uds=tmp_path / "socket") as emulator:
        assert check(SWAPMOCK_UDS=str(tmp_path / "socket")).exit_code == 0
        assert check(emulator.url).exit_code == 0
    assert check(SWAPMOCK_UDS=str(tmp_path / "socket")).exit_code == 1


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({}, "http://127.0.0.1:4020"),
        ({"host": "0.0.0.0", "port": 5}, "http://127.0.0.1:5"),
        ({"host": "::"}, "http://[::1]:4020"),
        ({"host": "::1"}, "http://[::1]:4020"),
        ({"host": "10.0.0.5"}, "http://10.0.0.5:4020"),
        ({"host": "localhost"}, "http://localhost:4020"),
        ({"tls_cert": "a", "tls_key": "b"}, "https://127.0.0.1:4020"),
        ({"uds": "/run/swapmock"}, "unix:/run/swapmock"),
    ],
)
def test_where_a_server_is_asked(options, url):
    assert url_from(Settings(**options)) == url


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (["/opt/swapmock/bin/python3", "/opt/swapmock/bin/swapmock", "serve", "--port", "5"], ("--port", "5")),
        (["/usr/bin/python3", "/x/swapmock/__main__.py", "serve"], ()),
        (["/sbin/init"], None),
        (["/usr/bin/vim", "serve"], None),
        (["python3", "/bin/swapmock", "listen"], None),
        ([], None),
    ],
)
def test_the_command_line_of_a_process(tmp_path, command, arguments):
    folder = tmp_path / "proc" / "7"
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command))
    assert serve_arguments("7") == arguments
    assert serve_arguments("8") is None


@pytest.mark.parametrize("pid", ["1", "12"], ids=["first process", "below an init"])
def test_the_flags_of_the_server_in_a_container_count(tmp_path, pid):
    """`docker run swapmock serve --port 5000`: the port is in the server's command line alone."""
    with Emulator() as emulator:
        port = emulator.url.rpartition(":")[2]
        for number, command in {
            "1": ["/sbin/docker-init"],
            pid: ["python", "/bin/swapmock", "serve", "-p", port],
        }.items():
            folder = tmp_path / "proc" / number
            (folder / "task" / number).mkdir(parents=True, exist_ok=True)
            (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in command))
        (tmp_path / "proc/1/task/1/children").write_text("" if pid == "1" else "11 12 ")
        (tmp_path / "proc/1/comm").write_text("docker-init\n")
        assert check(SWAPMOCK_PORT="9").output == f"healthy: http://127.0.0.1:{port}\n"


@pytest.mark.parametrize("first", ["systemd", "init", "launchd"])
def test_a_server_that_its_parent_left_behind_is_not_meant(tmp_path, first):
    """On a machine that is no container, an orphan is a child of the first process, too."""
    folder = tmp_path / "proc" / "12"
    folder.mkdir(parents=True)
    (folder / "cmdline").write_bytes(b"python\0/bin/swapmock\0serve\0--port\x009\0")
    (tmp_path / "proc/1/task/1").mkdir(parents=True)
    (tmp_path / "proc/1/task/1/children").write_text("12 ")
    (tmp_path / "proc/1/comm").write_text(f"{first}\n")
    with Emulator() as emulator:
        port = emulator.url.rpartition(":")[2]
        assert check(SWAPMOCK_PORT=port).output == f"healthy: {emulator.url}\n"


def test_what_is_no_url():
    refused = check("127.0.0.1:4020")
    assert refused.exit_code == 2
    assert "is no http, https or unix: URL" in refused.output


def test_a_server_of_somebody_else_is_not_healthy(httpserver):
    httpserver.expect_request("/health").respond_with_data("no", status=404)
    told = check(httpserver.url_for("/"))
    assert told.exit_code == 1
    assert "/health answers 404" in told.output
