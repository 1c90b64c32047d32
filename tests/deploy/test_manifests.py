"""Compose, GitHub, GitLab and Kubernetes: each file fits the schema of its tool, and what it says can be run without one is run.

Engines for them are not at hand: the schemas are those of compose-spec and SchemaStore (from check-jsonschema) and of Kubernetes 1.37.
"""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from jsonschema import Draft7Validator

from swapmock import RemoteEmulator
from swapmock.mock_server.cli.environment import unknown_variables
from tests.stores.redis_server import redis_process

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
KUBERNETES = list(yaml.safe_load_all((ROOT / "deploy/kubernetes.yaml").read_text("utf-8")))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
LISTENING = re.compile(r"Listening on http://127\.0\.0\.1:(\d+)")


def filled_in(value):
    """A value of compose with its defaults: ${NAME:-default}."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))


def kept():
    return {name: value for name, value in os.environ.items() if not name.startswith("SWAPMOCK_")}


@pytest.fixture
def serve():
    """Run `swapmock serve` with variables, on a free port of loopback; the result is the port."""
    children = []

    def serve(**variables):
        command = [
            sys.executable,
            "-m",
            "swapmock",
            "serve",
            "--port",
            "0",
            "--host",
            "127.0.0.1",
            "--log-level",
            "info",
        ]
        child = subprocess.Popen(
            command, env={**kept(), **variables}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        children.append(child)
        said, lines = "", child.stdout or ()
        for line in lines:
            said += line
            if found := LISTENING.search(line):
                return int(found[1])
        raise AssertionError(said)

    yield serve
    for child in children:
        child.terminate()
        child.communicate(timeout=20)


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("compose.yaml", ["vendor.compose-spec"]),
        ("action.yml", ["vendor.github-actions"]),
        ("deploy/gitlab-ci.yml", ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"]),
    ],
)
def test_it_fits_the_schema_of_its_tool(path, schema):
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *schema, str(ROOT / path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


SCHEMA = json.loads((ROOT / "tests/deploy/schemas/kubernetes-1.37.json").read_text("utf-8"))
KINDS = {"Deployment": "deployment-apps-v1", "Service": "service-v1", "Secret": "secret-v1"}


def objections(resource):
    schema = {"$ref": f"#/$defs/{KINDS[resource['kind']]}", **SCHEMA}
    return [error.message for error in Draft7Validator(schema).iter_errors(resource)]


@pytest.mark.parametrize("resource", KUBERNETES, ids=lambda resource: resource["kind"])
def test_it_fits_the_schema_of_kubernetes(resource):
    assert objections(resource) == []
    wrong = json.loads(json.dumps(resource))
    wrong["metadata"]["nmae"] = "x"
    assert objections(wrong)


def environments():
    for name, service in COMPOSE["services"].items():
        yield f"compose {name}", service.get("environment", {})
    yield "kubernetes", {row["name"]: "x" for row in container()["env"]}
    (job,) = yaml.safe_load((ROOT / "deploy/gitlab-ci.yml").read_text("utf-8")).values()
    yield "gitlab", job["services"][0]["variables"]


def container():
    (deployment,) = [resource for resource in KUBERNETES if resource["kind"] == "Deployment"]
    (only,) = deployment["spec"]["template"]["spec"]["containers"]
    return only


@pytest.mark.parametrize(
    ("name", "environment"), list(environments()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_variable_is_a_setting(name, environment):
    given = {key: str(value) for key, value in environment.items()}
    assert list(unknown_variables(given)) == []


# --- Compose


def test_compose_has_three_uses():
    profiles = {profile for service in COMPOSE["services"].values() for profile in service["profiles"]}
    assert profiles == {"alone", "app", "replicas"}
    for service in COMPOSE["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), "nothing is open to the network"


@pytest.mark.parametrize("name", ["swapmock", "swapmock-for-app"])
def test_the_environment_of_a_use_serves(serve, name):
    given = {key: filled_in(value) for key, value in COMPOSE["services"][name]["environment"].items()}
    port = serve(**given)
    key = {"x-api-key": filled_in("${CRUN_API_KEY:-ak_local}")}
    answer = requests.get(f"http://127.0.0.1:{port}/api/v1/client/account/balance", headers=key, timeout=10)
    assert answer.json()["code"] == 200
    admin = f"http://127.0.0.1:{port}/__admin/sandboxes"
    assert requests.get(admin, timeout=10).status_code == 401
    assert requests.get(admin, headers={"authorization": "Bearer local"}, timeout=10).status_code == 200


def test_with_an_app_links_and_callbacks_are_right_on_both_sides(serve):
    """The link in an answer names one host, which both sides resolve; a callback may go to the app and to this machine."""
    service = COMPOSE["services"]["swapmock-for-app"]
    given = {key: filled_in(value) for key, value in service["environment"].items()}
    public = given["SWAPMOCK_PUBLIC_URL"]
    host = public.removeprefix("http://")
    assert host.partition(":")[0] in service["networks"]["default"]["aliases"]
    assert host.partition(":")[0].endswith(".localhost"), "loopback, for whoever is on this machine"
    app = COMPOSE["services"]["app"]["environment"]
    assert app["CRUN_BASE_URL"] == public
    assert service["ports"] == ["127.0.0.1:4020:4020"]

    port = serve(**given, SWAPMOCK_SPEED="100")
    base, headers = f"http://127.0.0.1:{port}", {"x-api-key": "ak_local", "host": host}
    targets = [app["CALLBACK_URL"], "http://host.docker.internal:9000/callback", "http://elsewhere.test/callback"]
    for target in targets:
        body = {"model": "z-image", "input": {"prompt": "a"}, "callback_url": target}
        made = requests.post(f"{base}/api/v1/client/job/CreateTask", json=body, headers=headers, timeout=10).json()
    admin = {"authorization": "Bearer local"}
    wait = {"task": {"id": made["data"]["task_id"], "status": "success"}, "timeout": 20}
    requests.post(f"{base}/__admin/sandboxes/default/wait", json=wait, headers=admin, timeout=30)
    params = {"task_id": made["data"]["task_id"]}
    task = requests.get(f"{base}/api/v1/client/job/TaskInfo", params=params, headers=headers, timeout=10).json()
    (link,) = task["data"]["result"]["media_urls"]
    assert link.startswith(f"{public}/media/")
    picture = requests.get(link.replace(public, base), headers={"host": host}, timeout=10)
    assert picture.headers["content-type"].startswith("image/")
    wait = {"delivery": {"status": "blocked"}, "timeout": 20}
    requests.post(f"{base}/__admin/sandboxes/default/wait", json=wait, headers=admin, timeout=30)
    found = requests.get(f"{base}/__admin/sandboxes/default/deliveries", headers=admin, timeout=10).json()["deliveries"]
    failures = {row["host"].partition(":")[0]: str(row["attempts"]) for row in found if row["attempts"]}
    assert {host for host, text in failures.items() if "blocked" in text} == {"elsewhere.test"}
    assert len(found) == len(targets)


def test_three_replicas_know_each_other_and_stand_behind_nginx():
    services = COMPOSE["services"]
    replicas = [f"swapmock-{number}" for number in (1, 2, 3)]
    for name in replicas:
        environment = services[name]["environment"]
        assert environment["SWAPMOCK_ADVERTISE"] == f"http://{name}:4020"
        assert environment["SWAPMOCK_STORE"] == "redis://redis:6379/0"
        assert f"server {name}:4020;" in COMPOSE["configs"]["nginx"]["content"]
    assert len({json.dumps({**services[name], "environment": None}) for name in replicas}) == 1


@pytest.mark.needs("nginx")
def test_nginx_takes_its_configuration(tmp_path):
    content = COMPOSE["configs"]["nginx"]["content"].replace("$$", "$")
    for number in (1, 2, 3):
        content = content.replace(f"swapmock-{number}:4020", f"127.0.0.1:{5000 + number}")
    (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\n{content}")
    done = subprocess.run(
        ["nginx", "-t", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.needs("nginx", "redis-server")
def test_three_replicas_on_redis_behind_nginx_are_one_server(tmp_path):
    """The third use without an engine: its services as processes, the names of its network as ports of loopback."""
    ports = dict(zip(("nginx", "swapmock-1", "swapmock-2", "swapmock-3"), free_ports(4), strict=True))
    with ExitStack() as stack:
        redis = stack.enter_context(redis_process(tmp_path))

        def local(text):
            for name, port in ports.items():
                text = text.replace(f"{name}:4020", f"127.0.0.1:{port}")
            return text.replace("redis://redis:6379/0", f"{redis.url}/0")

        for name in ("swapmock-1", "swapmock-2", "swapmock-3"):
            given = {key: local(filled_in(value)) for key, value in COMPOSE["services"][name]["environment"].items()}
            given |= {"SWAPMOCK_TRUSTED_PROXIES": "127.0.0.1", "SWAPMOCK_SPEED": "20"}
            command = [sys.executable, "-m", "swapmock", "serve", "--port", str(ports[name])]
            stack.enter_context(running(command, {**kept(), **given}, LISTENING))
        content = local(COMPOSE["configs"]["nginx"]["content"].replace("$$", "$"))
        content = content.replace("listen 4020", f"listen 127.0.0.1:{ports['nginx']}")
        content = content.replace(
            "http {",
            f"http {{ access_log off; client_body_temp_path {tmp_path}/body; proxy_temp_path {tmp_path}/proxy;",
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/nginx.pid; error_log stderr notice;\n{content}"
        )
        command = ["nginx", "-c", str(tmp_path / "nginx.conf"), "-p", str(tmp_path)]
        stack.enter_context(running(command, kept(), re.compile("start worker process ")))
        emulator = stack.enter_context(RemoteEmulator(f"http://127.0.0.1:{ports['nginx']}", token="local"))

        with emulator.sandbox(balance=100) as sandbox:
            assert sandbox.base_url == emulator.url
            url, headers = f"{emulator.url}/api/v1/client/job", sandbox.headers("crun")
            body = {"model": "z-image", "input": {"prompt": "a"}}
            made = [requests.post(f"{url}/CreateTask", json=body, headers=headers, timeout=20).json() for _ in range(6)]
            tasks = [answer["data"]["task_id"] for answer in made]
            for task in tasks:
                sandbox.wait_for_task(task, "success", timeout=20)
                read = requests.get(f"{url}/TaskInfo", params={"task_id": task}, headers=headers, timeout=20).json()
                (link,) = read["data"]["result"]["media_urls"]
                assert link.startswith(f"{emulator.url}/media/")
                assert requests.get(link, timeout=20).headers["content-type"].startswith("image/")
            ledger = sandbox.ledger(proof=True)
            assert (ledger["balance"]["available"], ledger["proof"]["holds"]) == (91, True)
        for name in ("swapmock-1", "swapmock-2", "swapmock-3"):
            metrics = requests.get(
                f"http://127.0.0.1:{ports[name]}/__admin/metrics", headers={"authorization": "Bearer local"}, timeout=20
            )
            assert metrics.status_code == 200


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextmanager
def running(command, environment, ready):
    """A process that has printed a line that matches `ready`."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = ""
        for line in child.stdout or ():
            said += line
            if ready.search(line):
                break
        else:
            raise AssertionError(said)
        yield child
    finally:
        child.terminate()
        child.communicate(timeout=20)


# --- Kubernetes


def test_the_pod_serves_with_its_secret(serve, tmp_path):
    (secret,) = [resource for resource in KUBERNETES if resource["kind"] == "Secret"]
    (tmp_path / "credentials").write_text(secret["stringData"]["credentials"])
    (row,) = [row for row in container()["env"] if row["name"] == "SWAPMOCK_CREDENTIAL"]
    mounted = container()["volumeMounts"][0]["mountPath"]
    assert row["value"] == f"@{mounted}/credentials"
    port = serve(
        SWAPMOCK_CREDENTIAL=f"@{tmp_path}/credentials", SWAPMOCK_ADMIN_TOKEN=secret["stringData"]["admin-token"]
    )
    headers = {"x-api-key": "ak_change_me"}
    answer = requests.get(f"http://127.0.0.1:{port}/api/v1/client/account/balance", headers=headers, timeout=10)
    assert answer.json()["code"] == 200
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        path = container()[probe]["httpGet"]["path"]
        assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code == 200


def test_service_deployment_and_secret_fit_together():
    (deployment, service, secret) = (
        next(resource for resource in KUBERNETES if resource["kind"] == kind)
        for kind in ("Deployment", "Service", "Secret")
    )
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["ports"][0]["targetPort"] == container()["ports"][0]["name"]
    (volume, _) = deployment["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"]["secretName"] == secret["metadata"]["name"]
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True


SET_CHILD_SUBREAPER = 36  # of prctl(2)


# --- The GitHub action: its scripts, run by the shell that GitHub runs them with


@pytest.fixture
def step(tmp_path):
    """Run the script of a step; the result has `outputs`, `summary` and what `subprocess.run` tells."""
    files = {name: tmp_path / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    pids = []
    # What a script leaves behind is handed to this process, not to the first one of the machine: there the image's health check
    # looks for its server.
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)

    def run(name, **given):
        (found,) = [step for step in ACTION["runs"]["steps"] if step["name"] == name]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        variables = {key: str(file) for key, file in files.items()} | {"RUNNER_TEMP": str(tmp_path), "PATH": path}
        assert set(given) == set(found["env"])
        script = found["run"].replace("server=$!", "server=$!; echo $server >>$RUNNER_TEMP/pids")
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env={**kept(), **variables, **given}, capture_output=True, text=True, timeout=110
        )
        lines = files["GITHUB_OUTPUT"].read_text().splitlines()
        done.outputs = dict(line.split("=", 1) for line in lines)  # type: ignore[attr-defined]
        done.summary = files["GITHUB_STEP_SUMMARY"].read_text()  # type: ignore[attr-defined]
        return done

    yield run
    if (tmp_path / "pids").exists():
        pids += [int(line) for line in (tmp_path / "pids").read_text().split()]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_the_action_starts_waits_and_checks(step):
    done = step("Start swapmock and wait for it", PORT="0", ARGUMENTS="--speed 50", TIMEOUT="30")
    assert done.returncode == 0, done.stdout + done.stderr
    url = done.outputs["url"]
    assert requests.get(f"{url}/ready", timeout=10).status_code == 200
    assert f"`{url}`" in done.summary
    done = step("Check the contract", CHECK="crun", URL=url, ARGUMENTS="--parts flows --flow account")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "#### check crun: passed" in done.summary
    done = step("Check the contract", CHECK="acme", URL=url, ARGUMENTS="")
    assert done.returncode == 2
    assert "#### check acme: failed (2)" in done.summary


@pytest.mark.slow
def test_the_action_judges_a_client(step):
    good = ROOT / "examples/good"
    arguments = f"--declaration {good}/conform-python.toml --case plain --time on_poll"
    client = f"{sys.executable} {good}/crun.py"
    done = step("Judge the client", COMMAND=client, PROVIDER="crun", ARGUMENTS=arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "credits paid twice" in done.summary


def test_the_action_tells_why_nothing_started(step):
    done = step("Start swapmock and wait for it", PORT="0", ARGUMENTS="--no-such-flag", TIMEOUT="30")
    assert done.returncode == 1
    assert "::error::swapmock did not start" in done.stdout
    assert "No such option" in done.stdout


def test_the_actions_inputs_are_used():
    text = (ROOT / "action.yml").read_text("utf-8")
    for name in ACTION["inputs"]:
        assert f"inputs.{name}" in text
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"], "an input reaches a script as a variable, so that it cannot be code"
