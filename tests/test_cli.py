"""The command as a user meets it: a process of its own, its words, its exit code."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest
import requests

import swapmock
from swapmock.contracts import load
from swapmock.mock_server.cli import main

ROOT = Path(__file__).resolve().parent.parent
KEY = load("crun").behaviour.credentials["default"]["key"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SWAPMOCK_")}


def run(*arguments, **environment):
    command = [sys.executable, "-m", "swapmock", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**ENVIRONMENT, **environment}, timeout=60
    )


@contextmanager
def serving(*arguments, **environment) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """`(process, base URL, all that it said before it listened)`."""
    command = [sys.executable, "-m", "swapmock", "serve", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env={**ENVIRONMENT, **environment}
    ) as process:
        try:
            said = ""
            assert process.stdout is not None
            while "Listening on " not in said:
                line = process.stdout.readline()
                assert line, f"it ended: {said}{process.stderr and process.stderr.read()}"
                said += line
            yield process, said.splitlines()[-1].removeprefix("Listening on "), said
        finally:
            process.kill()


def balance(url):
    return requests.get(f"{url}/api/v1/client/account/balance", headers={"x-api-key": KEY}, timeout=10).json()


def test_it_says_where_it_listens_and_what_to_try():
    with serving("--port", 0) as (_, url, said):
        port = int(url.rpartition(":")[2])
        assert port > 0
        assert said.splitlines()[-1] == f"Listening on http://127.0.0.1:{port}"
        assert f"base URL   {url}" in said
        for row in load("crun").behaviour.credentials.values():
            assert row["key"] in said
        assert balance(url) == {"code": 200, "message": "success", "data": {"balance": 1000}}


@pytest.mark.needs("curl")
def test_the_line_to_try_works_when_pasted():
    with serving("--port", 0) as (_, _, said):
        line = next(line for line in said.splitlines() if "curl " in line)
        pasted = subprocess.run(
            ["bash", "-c", line[line.index("curl ") :]], capture_output=True, text=True, timeout=30, check=True
        )
        assert re.fullmatch(
            r'\{"code":200,"message":"success","data":\{"detect_task_id":"d[a-z0-9]{17}"\}\}', pasted.stdout
        )


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health(path):
    with serving("--port", 0) as (_, url, _):
        answer = requests.get(url + path, timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert requests.head(url + path, timeout=10).status_code == 200


def seconds_to_end(number, sent=b""):
    """How long the process lives on after the signal, a client that has sent these bytes being connected."""
    with serving("--port", 0) as (process, url, _):
        host, _, port = url.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=10) as client, requests.Session() as kept_alive:
            client.sendall(sent)
            kept_alive.get(url + "/health", timeout=10)
            start = monotonic()
            process.send_signal(number)
            assert process.wait(10) == 0
            took = monotonic() - start
        assert process.stderr is not None
        assert process.stderr.read() == ""
        with pytest.raises(requests.ConnectionError):
            requests.get(url + "/health", timeout=10)
        return took


HALF = b"POST /api/v1/client/job/CreateTask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("sent", [b"", HALF], ids=["idle", "half a request"])
def test_it_ends_within_a_second(number, sent):
    """The best of three, for the machine may be busy with other tests."""
    assert any(seconds_to_end(number, sent) < 1 for _ in range(3))


def test_settings_come_from_flags_environment_and_a_file(tmp_path):
    config = tmp_path / "swapmock.yaml"
    config.write_text("balance: 1\nseed: 1\nport: 0\nvariants: {crun: {http_status: always200, bearer: accept}}\n")
    arguments = ["--config", config, "--variants", "crun.bearer=refuse"]
    with serving(*arguments, SWAPMOCK_BALANCE="2") as (_, url, _):
        assert balance(url)["data"] == {"balance": 2}
        refused = requests.get(
            f"{url}/api/v1/client/account/balance", headers={"Authorization": f"Bearer {KEY}"}, timeout=10
        )
        assert (refused.status_code, refused.json()["code"]) == (200, 401)
    with serving(*arguments, "--balance", 3, SWAPMOCK_BALANCE="2") as (_, url, _):
        assert balance(url)["data"] == {"balance": 3}
    with serving(SWAPMOCK_CONFIG=str(config)) as (_, url, _):
        assert balance(url)["data"] == {"balance": 1}


def test_prices_from_flags_and_a_file(tmp_path):
    config = tmp_path / "swapmock.yaml"
    config.write_text("prices: {crun: {z-image: 2.5, detection: 1}}\n")
    with serving("--port", 0, "--config", config, "--prices", "crun.z-image=7") as (_, url, _):
        body = {"model": "z-image", "input": {"prompt": "a"}}
        priced = requests.post(
            f"{url}/api/v1/client/job/estimate-credits", json=body, headers={"x-api-key": KEY}, timeout=10
        )
        assert priced.json()["data"]["credits"] == 7
        detect(url)
        assert balance(url)["data"] == {"balance": 999}


def test_variants_from_the_environment():
    with serving("--port", 0, SWAPMOCK_VARIANTS="crun.http_status=always200 crun.unknown_model=404") as (_, url, _):
        body = {"model": "nothing", "input": {}}
        refused = requests.post(
            f"{url}/api/v1/client/job/CreateTask", json=body, headers={"x-api-key": KEY}, timeout=10
        )
        assert (refused.status_code, refused.json()["code"]) == (200, 404)


def detect(url):
    body = {"image_url": "https://example.com/a.png"}
    made = requests.post(
        f"{url}/api/v1/client/job/detect-face-image", json=body, headers={"x-api-key": KEY}, timeout=10
    )
    return made.json()["data"]["detect_task_id"]


def test_the_seed_decides_the_ids():
    ids = []
    for seed in (5, 5, 6):
        with serving("--port", 0, "--seed", seed) as (_, url, _):
            ids.append((detect(url), detect(url)))
    assert ids[0] == ids[1] != ids[2]
    assert len({*ids[0], *ids[2]}) == 4


def test_speed_makes_tasks_faster():
    with serving("--port", 0, "--speed", 1000) as (_, url, _):
        query = {"detect_task_id": detect(url)}
        for _ in range(2000):
            found = requests.get(
                f"{url}/api/v1/client/job/detect-face-result", params=query, headers={"x-api-key": KEY}, timeout=10
            ).json()
            if found["data"]["status"] == "succeeded":
                return
        raise AssertionError(found)


def test_links_carry_the_public_url():
    with serving("--port", 0, "--public-url", "https://mock.example/base/") as (_, url, said):
        assert "base URL   https://mock.example/base" in said
        query = {"content_type": "image/png", "ext": ".png"}
        made = requests.get(
            f"{url}/api/v1/client/files/upload-url", params=query, headers={"x-api-key": KEY}, timeout=10
        ).json()["data"]
        assert made["presigned_url"].startswith("https://mock.example/base/r2/")
        assert made["file_url"].startswith("https://mock.example/base/u/")


def test_uploads_lie_in_the_data_folder(tmp_path):
    folder = tmp_path / "new" / "data"
    with serving("--port", 0, "--data-dir", folder) as (_, url, _):
        query = {"content_type": "image/png", "ext": ".png"}
        made = requests.get(
            f"{url}/api/v1/client/files/upload-url", params=query, headers={"x-api-key": KEY}, timeout=10
        ).json()["data"]
        stored = requests.put(made["presigned_url"], data=b"bytes", headers={"Content-Type": "image/png"}, timeout=10)
        assert stored.status_code == 200
        assert requests.get(made["file_url"], timeout=10).content == b"bytes"
        assert [file.read_bytes() for file in folder.rglob("*") if file.is_file()] == [b"bytes"]


MISTAKES = {
    "unknown flag": (["serve", "--nothing"], "No such option '--nothing'"),
    "unknown command": (["nothing"], "No such command 'nothing'"),
    "surplus word": (["serve", "now"], "unexpected extra argument (now)"),
    "port that is no number": (["serve", "--port", "x"], "'x' is not a valid integer"),
    "port out of range": (["serve", "--port", "65536"], "--port: 65536 is not between 0 and 65535"),
    "admin port that is no number": (["serve", "--admin-port", "x"], "'x' is not a valid integer"),
    "admin port out of range": (["serve", "--admin-port", "65536"], "--admin-port: 65536 is not between"),
    "speed of nothing": (["serve", "--speed", "0"], "--speed: 0.0 is not between"),
    "speed that is no number": (["serve", "--speed", "nan"], "--speed: nan is not between"),
    "balance below nothing": (["serve", "--balance", "-1"], "--balance: -1.0 is not between"),
    "log level": (["serve", "--log-level", "loud"], "'loud' is not one of"),
    "variant without a choice": (["serve", "--variants", "crun.bearer"], "is not of the form PROVIDER.NAME=CHOICE"),
    "variant of no provider": (["serve", "--variants", "x.y=z"], "no provider named 'x'"),
    "variant that does not exist": (["serve", "--variants", "crun.x=z"], "no variant named 'x'"),
    "choice that does not exist": (["serve", "--variants", "crun.bearer=maybe"], "'maybe' is none of refuse, accept"),
    "price of no provider": (["serve", "--prices", "x.y=1"], "no provider named 'x'"),
    "price of no model": (["serve", "--prices", "crun.y=1"], "crun has no price for 'y'"),
    "price that is none": (["serve", "--prices", "crun.z-image=-1"], "'-1' is no amount of credits"),
    "host that is not ours": (["serve", "--host", "192.0.2.1", "--port", "0"], "cannot listen on 192.0.2.1:0"),
    "host that is none": (["serve", "--host", "no such host", "--port", "0"], "cannot listen on no such host:0"),
    "no config file": (["serve", "--config", "/nowhere/x.yaml"], "cannot read /nowhere/x.yaml: No such file"),
    "public URL that is none": (
        ["serve", "--public-url", "emulator"],
        "--public-url: 'emulator' is no http or https URL",
    ),
    "public URL without a host": (["serve", "--public-url", "http://"], "--public-url: 'http://' is no http or https"),
    "data folder in a file": (["serve", "--port", "0", "--data-dir", "/dev/null/x"], "--data-dir: "),
}


def one_line(done):
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("swapmock: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.fixture
def told(monkeypatch, capsys):
    """What the command says, run in this process: as `one_line` says of one of its own."""
    for name in os.environ.keys() - ENVIRONMENT.keys():
        monkeypatch.delenv(name)

    def told(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return one_line(subprocess.CompletedProcess(arguments, int(ended.value.code or 0), said.out, said.err))

    return told


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_exit_2(name, told):
    arguments, text = MISTAKES[name]
    assert text in told(*arguments)


def test_a_mistake_of_a_process():
    assert "No such option '--nothing'" in one_line(run("serve", "--nothing"))


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("SWAPMOCK_PORT", "many", "'many' is not a valid integer"),
        ("SWAPMOCK_SPEED", "fast", "'fast' is not a valid float"),
        ("SWAPMOCK_LOG_LEVEL", "loud", "'loud' is not one of"),
        ("SWAPMOCK_VARIANTS", "x", "is not of the form"),
        ("SWAPMOCK_CONFIG", "/nowhere", "cannot read /nowhere"),
    ],
)
def test_a_mistake_in_the_environment(variable, value, text, told, monkeypatch):
    monkeypatch.setenv(variable, value)
    assert text in told("serve")


BROKEN_FILES: dict[str, tuple[str | bytes, str]] = {
    "no YAML": ("port: [", "is not YAML at line "),
    "tabs": ("port:\n\t- 1", "is not YAML at line "),
    "no mapping": ("- port", "should hold a mapping of settings"),
    "a word": ("port", "should hold a mapping of settings"),
    "unknown setting": ("ports: 5", "no setting named 'ports'"),
    "a list for a number": ("port: [1, 2]", "port should hold one value"),
    "a mapping for a text": ("host: {a: b}", "host should hold one value"),
    "a list in a list": ("callback_allow: [a, [b]]", "callback_allow should hold texts"),
    "no HTTP status": ("variants: {crun: {http_status: {402: 999}}}", "a map takes body codes to HTTP statuses"),
    "nested too deep": ("[" * 5000, "is nested too deep"),
    "a text for a number": ("speed: fast", "'fast' is not a valid float"),
    "out of range": ("port: 99999", "--port: 99999 is not between"),
    "log level": ("log_level: loud", "'loud' is not one of"),
    "variants that are a text": ("variants: x", "variants"),
    "variants that are a list": ("variants: [x]", "variants"),
    "variants of a provider that are a text": ("variants: {crun: x}", "crun should hold a mapping"),
    "unknown variant": ("variants: {crun: {x: y}}", "no variant named 'x'"),
    "unknown provider": ("variants: {x: {}}", "no provider named 'x'"),
    "not UTF-8": (b"\xff\xfe\x00", "cannot read"),
}


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_a_broken_file_is_one_line_and_exit_2(name, tmp_path, told):
    content, text = BROKEN_FILES[name]
    path = tmp_path / "swapmock.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert text in told("serve", "--config", path)


def test_an_empty_file_changes_nothing(tmp_path):
    path = tmp_path / "swapmock.yaml"
    path.write_text("# nothing\n")
    with serving("--port", 0, "--config", path) as (_, url, _):
        assert balance(url)["data"] == {"balance": 1000}


def test_a_taken_port_is_one_line_and_exit_2():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"cannot listen on 127.0.0.1:{port}: Address already in use" in one_line(run("serve", "--port", port))
    with serving("--port", 0) as (_, url, _):
        port = url.rpartition(":")[2]
        assert "Address already in use" in one_line(run("serve", "--port", port))


def test_a_port_is_free_again_at_once():
    with serving("--port", 0) as (process, url, _):
        balance(url)
        process.terminate()
        process.wait(10)
    with serving("--port", url.rpartition(":")[2]) as (_, again, _):
        assert again == url


def test_many_clients_at_once():
    with serving("--port", 0, "--balance", 1e6) as (_, url, _):
        made: list[str] = []
        threads = [threading.Thread(target=lambda: made.extend(detect(url) for _ in range(10))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(made)) == 80


def test_routes_lists_every_operation():
    lines = run("routes").stdout.splitlines()
    for operation in load("crun").operations.values():
        shown = [line.split() for line in lines if operation.id in line.split()]
        assert [operation.method, operation.path, operation.id, operation.evidence["level"]] in shown


@pytest.mark.long
def test_lint_finds_nothing():
    done = run("lint")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"\d contract\(s\), 0 finding\(s\)\n", done.stdout)


@pytest.mark.parametrize("arguments", [["version"]])
def test_version(arguments):
    assert run(*arguments).stdout == f"{swapmock.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], []])
def test_help_names_the_commands(arguments):
    done = run(*arguments)
    assert done.returncode == 0
    assert {"serve", "routes", "lint", "version"} <= set(done.stdout.split())
