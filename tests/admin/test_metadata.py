"""The tables, the evidence, the deliveries, and who may ask for them."""

import re
import socket
import subprocess
import sys
from collections import Counter
from contextlib import closing

import pytest
import requests

from swapmock import AdminError, Emulator, RemoteEmulator
from swapmock.contracts import load
from tests.control import CRUN, PICTURE, Admin

LEVELS = {"documented", "observed", "inferred", "invented"}


def test_the_index_lists_every_operation(admin):
    index = admin.ok("GET", "")
    assert len(index["operations"]) == len(load("admin").operations)
    assert set(index["providers"]) == {"crun", "imgopen"}


def test_evidence(admin):
    answer = admin.ok("GET", "/evidence")
    rows = answer["behaviours"]
    assert {row["provider"] for row in rows} == {"crun", "imgopen"}
    assert {row["level"] for row in rows} == LEVELS
    assert all(row["source"] for row in rows)
    assert answer["counts"] == Counter(row["level"] for row in rows)
    kinds = {row["kind"] for row in rows}
    assert {"operation", "body_code", "refusal", "scenario", "variant", "magic", "lifetime", "limit"} <= kinds
    names = {(row["provider"], row["kind"], row["name"]) for row in rows}
    for name in ("crun", "imgopen"):
        contract = load(name)
        assert {(name, "operation", operation) for operation in contract.operations} <= names
        assert {(name, "variant", variant) for variant in contract.behaviour.variants} <= names
    some = admin.ok("GET", "/evidence", provider="crun", level="invented")["behaviours"]
    assert some == [row for row in rows if (row["provider"], row["level"]) == ("crun", "invented")]
    admin.refused(404, "GET", "/evidence", provider="acme")
    assert admin.pointers("GET", "/evidence", level="certain") == ["/query/level"]


def test_every_price_and_series_has_its_evidence(admin):
    rows = admin.ok("GET", "/evidence")["behaviours"]
    names = {(row["provider"], row["name"]) for row in rows}
    models, tools = load("crun").tables["models"]["models"], load("imgopen").tables["tools"]["tools"]
    assert {("crun", f"{row['name']} (price)") for row in models} <= names
    assert {("imgopen", f"{row['code']} (price)") for row in tools} <= names
    for provider in ("crun", "imgopen"):
        assert {(provider, name) for name in load(provider).behaviour.series} <= names


def test_the_command_prints_the_evidence(admin):
    command = [sys.executable, "-m", "swapmock", "evidence"]
    printed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.splitlines()
    rows = admin.ok("GET", "/evidence")["behaviours"]
    assert len(printed) == len(rows)
    for line, row in zip(printed, rows, strict=True):
        assert line.split()[:2] == [row["provider"], row["level"]]
        assert row["name"] in line
        assert row["source"] in line


@pytest.mark.parametrize("provider", ["crun", "imgopen"])
def test_the_tables_are_those_of_the_contract(admin, provider):
    behaviour = load(provider).behaviour
    tables = {name: admin.ok("GET", f"/{name}")[provider] for name in ("magic", "variants", "scenarios", "codes")}
    assert [row["value"] for row in tables["magic"]] == list(behaviour.magic)
    assert [row["name"] for row in tables["variants"]] == list(behaviour.variants)
    assert [row["name"] for row in tables["scenarios"]["scenarios"]] == list(behaviour.scenarios)
    assert [row["name"] for row in tables["scenarios"]["series"]] == list(behaviour.series)
    assert [row["code"] for row in tables["codes"]] == list(behaviour.body_codes)
    assert all(row["about"] for row in (*tables["magic"], *tables["variants"]))
    assert list(admin.ok("GET", "/codes", provider=provider)) == [provider]


def test_answers_say_how_far_they_can_be_trusted_if_asked(admin):
    box, plain = admin.sandbox(evidence_header=True), admin.sandbox()
    answer = box.crun("GET", "account/balance")
    trust = load("crun").operations["get_account_balance"].evidence
    assert answer.headers["x-swapmock-evidence"].startswith(f'{trust["level"]}; source="')
    assert answer.headers["x-swapmock-request"] == "x1"
    row = load("crun").behaviour.refusals["invalid"]
    refused = box.crun("POST", "job/detect-face-image", {})
    assert refused.headers["x-swapmock-evidence"].startswith(row.evidence)
    assert box.imgopen("tool/face/detection", {}).headers["x-swapmock-evidence"].startswith("invented")
    fusion = {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "own"}
    assert box.imgopen("tool/face/fusion", fusion).headers["x-swapmock-evidence"].startswith("inferred")
    assert box.crun("GET", "nothing").headers["x-swapmock-evidence"].startswith("inferred")
    box.ok("POST", "/faults", {"effect": {"code": 455}, "moment": "after"})
    assert box.crun("GET", "account/balance").headers["x-swapmock-evidence"].startswith("invented")
    assert not [name for name in plain.crun("GET", "account/balance").headers if "swapmock" in name.lower()]


def test_deliveries(box):
    task = box.swapped(callback_url="http://127.0.0.1:9/hook")
    box.advance(until="idle")
    listed = box.ok("GET", "/deliveries")
    (delivery,) = listed["deliveries"]
    assert listed["total"] == 1
    assert (delivery["task"], delivery["state"], len(delivery["attempts"])) == (task, "dead", 4)
    assert delivery["body"]["task_id"] == task
    assert box.ok("GET", "/deliveries/d1") == delivery
    assert box.ok("GET", "/deliveries", status="dead", task=task, limit=1) == listed
    assert box.ok("GET", "/deliveries", status="pending")["total"] == 0
    assert box.pointers("GET", "/deliveries", status="lost") == ["/query/status"]
    again = box.ok("POST", "/deliveries/d1/redeliver")
    assert (len(again["attempts"]), again["state"]) == (5, "dead")
    box.refused(404, "GET", "/deliveries/d9")
    box.refused(404, "POST", "/deliveries/d9/redeliver")


def test_tasks(box):
    task = box.swapped()
    row = box.ok("GET", f"/tasks/{task}")
    assert (row["status"], row["phase"], row["credits"], row["request"]) == ("pending", "queued", 3, "x1")
    box.imgopen("tool/face/fusion", {"sourceUrl": [PICTURE], "targetUrl": PICTURE, "businessTaskId": "own"})
    assert box.ok("GET", "/tasks", provider="imgopen")["total"] == 1
    assert box.ok("GET", "/tasks", status="pending")["total"] == 1
    assert box.ok("GET", "/tasks", status="queued")["total"] == 2
    box.refused(404, "GET", "/tasks/nobody")


@pytest.fixture(scope="module")
def guarded():
    with Emulator(admin_token="s3cret") as emulator:
        yield emulator


def test_a_token_is_demanded_everywhere(guarded):
    stranger = Admin(guarded.url)
    for operation in load("admin").operations.values():
        path = re.sub(r"\{\w+\}", "default", operation.path.removeprefix("/__admin"))
        assert stranger.refused(401, operation.method, path)["title"] == "Unauthorized"
    stranger.refused(401, "GET", "/nothing")
    assert stranger.call("GET", "/sandboxes").headers["www-authenticate"] == "Bearer"
    for wrong in ("s3cre", "s3cret2", "", "é".encode().decode("latin-1")):
        assert Admin(guarded.url, wrong or " ").call("GET", "/sandboxes").status_code == 401
    basic = requests.get(f"{guarded.url}/__admin", headers={"Authorization": "Basic s3cret"}, timeout=10)
    assert basic.status_code == 401
    assert Admin(guarded.url, "s3cret").ok("GET", "/sandboxes")
    assert requests.get(f"{guarded.url}/health", timeout=10).status_code == 200


def test_both_python_classes_show_it(guarded):
    assert guarded.token == "s3cret"
    assert guarded.sandboxes()
    assert RemoteEmulator(guarded.url, token="s3cret").sandboxes()
    with pytest.raises(AdminError) as refused:
        RemoteEmulator(guarded.url).sandboxes()
    assert refused.value.status == 401


def test_a_token_is_drawn_where_others_can_reach_the_server():
    with Emulator(host="0.0.0.0") as emulator:
        port = emulator.url.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}"
        assert len(emulator.token) > 20
        Admin(url).refused(401, "GET", "/sandboxes")
        assert Admin(url, emulator.token).sandbox().base_url == url


def serve(*arguments):
    """`(what it printed until it listened, process)`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "swapmock", "serve", "--port", "0", *arguments], stdout=subprocess.PIPE, text=True
    )
    said = ""
    assert process.stdout is not None
    while "Listening on " not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    return said, process


@pytest.mark.parametrize(
    ("arguments", "printed"),
    [(["--host", "0.0.0.0"], True), (["--host", "0.0.0.0", "--admin-token", "chosen-by-me"], False), ([], False)],
)
def test_the_command_prints_the_token_that_it_drew_once(arguments, printed):
    said, process = serve(*arguments)
    try:
        tokens = re.findall(r"token (\S+)", said)
        assert len(tokens) == (1 if printed else 0)
        assert "chosen-by-me" not in said
        url = "http://127.0.0.1:" + said.strip().rpartition(":")[2]
        if arguments:
            Admin(url).refused(401, "GET", "/sandboxes")
            Admin(url, (tokens or ["chosen-by-me"])[0]).ok("GET", "/sandboxes")
        else:
            Admin(url).ok("GET", "/sandboxes")
    finally:
        process.kill()
        process.communicate()


def free_port():
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("by", ["emulator", "command"])
def test_a_port_of_its_own(by):
    if by == "emulator":
        with Emulator(admin_port=0) as emulator:
            assert emulator.url != emulator.admin_url
            assert emulator.sandbox().base_url == emulator.url
            look_at_both_ports(emulator.url, emulator.admin_url)
    else:
        said, process = serve("--admin-port", str(free_port()))
        try:
            admin_url = re.findall(r"admin +(http\S+)/__admin", said)[0]
            look_at_both_ports(said.strip().rpartition("Listening on ")[2], admin_url)
        finally:
            process.kill()
            process.communicate()


def look_at_both_ports(vendor_url, admin_url):
    for path in ("/__admin", "/__admin/sandboxes"):
        assert requests.get(vendor_url + path, timeout=10).status_code == 404
    for path in (f"{CRUN}account/balance", "/AIGCImgOpenServ/saas/ai/queryTaskInfo/V2.0", "/media/x/0.png", "/u/x"):
        answer = requests.get(admin_url + path, timeout=10)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
    box = Admin(admin_url).sandbox()
    assert box.base_url == vendor_url
    assert box.document["admin_url"].startswith(f"{admin_url}/__admin/sandboxes/")
    assert box.crun("GET", "account/balance").json()["data"] == {"balance": 1000}
    remote = RemoteEmulator(vendor_url, admin_url=admin_url)
    assert remote.get(box.id).requests()[0]["operation"] == "get_account_balance"


def test_a_port_that_is_taken_leaves_nothing_behind():
    with Emulator() as other:
        port = int(other.url.rpartition(":")[2])
        emulator = Emulator(port=port, admin_port=0)
        with pytest.raises(OSError, match="in use"):
            emulator.start()
        with pytest.raises(RuntimeError):
            _ = emulator.url
