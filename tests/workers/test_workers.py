"""Worker processes over real HTTP: every request reaches its sandbox, and the admin API sees all of them."""

import os
import re
import signal
import socket
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from swapmock import RemoteEmulator
from swapmock.mock_server.adapters.clock import monotonic
from tests.conftest import KEY, OTHER_KEY
from tests.receivers import Receiver
from tests.workers.served import BALANCE, DETECT, available, balance, ended, key_of, post, read_answer, serving


@pytest.fixture(scope="module")
def served():
    with serving() as served:
        yield served


@pytest.fixture
def two(served):
    """Two sandboxes in different workers, with different balances."""
    made = [served.control.sandbox(balance=number) for number in (1, 2)]
    assert holder(served, key_of(made[0])) != holder(served, key_of(made[1]))
    for sandbox in made:
        sandbox.clear_journal()
    yield made
    for sandbox in made:
        sandbox.delete()


def holder(served, key):
    """The process that has a connection after its first request."""
    with socket.create_connection(served.address, 5) as client:
        client.sendall(balance(key))
        assert read_answer(client)[0] == 200
        return owner(served, client)


def owner(served, client):
    """The worker that has the other end of `client`."""
    ends = [f"0100007F:{port:04X}" for port in (client.getpeername()[1], client.getsockname()[1])]
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inode = next(line[9] for line in lines if line[1:3] == ends and line[3] == "01")  # 01: established
    until = monotonic() + 5
    while len(having := [process for process in served.workers if has(process, f"socket:[{inode}]")]) != 1:
        assert monotonic() < until, having  # the one that gave it away closes its own descriptor a moment later
    return having[0]


def has(process, name):
    for entry in Path(f"/proc/{process}/fd").iterdir():
        with suppress(OSError):
            if os.readlink(entry) == name:
                return True
    return False


class TestConnections:
    def test_sandboxes_are_spread_and_connections_go_to_them(self, served):
        made = served.sandboxes(8)
        before = holder(served, KEY), holder(served, OTHER_KEY)
        assert before[0] != before[1]
        held = [holder(served, key_of(sandbox)) for sandbox in made for _ in range(3)]
        assert all(len(set(held[start : start + 3])) == 1 for start in range(0, 24, 3))
        assert sorted(Counter(held).values()) == [12, 12]
        for sandbox in made:
            sandbox.delete()

    def test_a_connection_that_changes_its_sandbox_goes_on(self, served, two):
        keys = [key_of(sandbox) for sandbox in two]
        with socket.create_connection(served.address, 5) as client:
            for _ in range(5):
                for number, key in enumerate(keys):
                    client.sendall(balance(key))
                    assert read_answer(client)[1]["data"]["balance"] == number + 1

    def test_pipelined_requests_of_two_sandboxes_are_answered_in_order(self, served, two):
        keys = [key_of(sandbox) for sandbox in two]
        order = [0, 1, 1, 0, 0, 1, 0] * 10
        with socket.create_connection(served.address, 5) as client:
            client.sendall(b"".join(balance(keys[number]) for number in order))
            rest, got = b"", []
            for _ in order:
                _, body, rest = read_answer(client, rest)
                got.append(body["data"]["balance"] - 1)
        assert got == order

    @pytest.mark.parametrize("cut", [1, 40, 150, -30, -1])
    def test_a_request_that_comes_in_two_pieces(self, served, two, cut):
        for sandbox in two:
            whole = post(key_of(sandbox))
            with socket.create_connection(served.address, 5) as client:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(balance(key_of(sandbox)) + whole[:cut])
                assert read_answer(client)[0] == 200
                client.sendall(whole[cut:] + whole[:cut])
                assert read_answer(client)[1]["code"] == 200
                client.sendall(whole[cut:])
                assert read_answer(client)[1]["code"] == 200
            assert len(sandbox.tasks()) == 2
            sandbox.reset()

    def test_a_long_body_and_a_chunked_one(self, served, two):
        picture = b'{"image_url":"https://example.com/' + b"a" * 100_000 + b'.png"}'
        for sandbox in two:
            headers = {"x-api-key": key_of(sandbox), "content-type": "application/json"}
            for body in (picture, (picture[start : start + 1000] for start in range(0, len(picture), 1000))):
                with requests.Session() as session:
                    session.get(f"{served.url}/health", timeout=5)
                    got = session.post(served.url + DETECT, data=body, headers=headers, timeout=5)
                assert got.json()["code"] in (200, 422), got.text
            first, second = sandbox.requests()
            assert first["request"]["body"] == second["request"]["body"]

    def test_who_waits_for_100_continue_gets_it(self, served, two):
        picture = b'{"image_url":"https://example.com/a.png"}'
        for sandbox in two:
            with socket.create_connection(served.address, 5) as client:
                client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")  # it stays where it was accepted
                assert read_answer(client)[0] == 200
                head = post(key_of(sandbox), picture, "Expect: 100-continue")[: -len(picture)]
                client.sendall(head)
                assert client.recv(65536).startswith(b"HTTP/1.1 100 ")
                client.sendall(picture)
                assert read_answer(client)[1]["code"] == 200

    def test_requests_without_a_known_credential_are_answered_where_they_arrive(self, served):
        """Those of one connection stay on it: nothing is forwarded, for one of the two workers is stopped."""
        stopped, other = served.workers
        served.control.default.clear_journal()
        os.kill(stopped, signal.SIGSTOP)
        try:
            for _ in range(3):
                with socket.create_connection(served.address, 5) as client:
                    client.sendall(balance("ak_nobody0000000000000000000000000"))
                    assert read_answer(client)[1]["code"] == 401
                    assert owner(served, client) == other
        finally:
            os.kill(stopped, signal.SIGCONT)
        found = served.control.default.requests(code="401")
        assert [row["problem"] for row in found] == ["key_unknown"] * 3
        assert len({row["id"] for row in found}) == 3


class TestLinks:
    def test_an_upload_and_its_file(self, served, two):
        for sandbox in two:
            headers = {"x-api-key": key_of(sandbox)}
            asked = {"content_type": "image/png", "ext": ".png"}
            path = "/api/v1/client/files/upload-url"
            link = requests.get(served.url + path, params=asked, headers=headers, timeout=5).json()["data"]
            for _ in range(4):  # whichever worker accepts it
                put = requests.put(
                    link["presigned_url"], b"x" * 300_000, headers={"content-type": "image/png"}, timeout=5
                )
                assert (put.status_code, put.content) == (200, b"")
                assert requests.get(link["file_url"], timeout=5).content == b"x" * 300_000
                part = requests.get(link["file_url"], headers={"range": "bytes=5-9"}, timeout=5)
                assert (part.status_code, part.content) == (206, b"xxxxx")

    def test_two_sandboxes_with_one_seed_do_not_share_uploads(self, served):
        made = served.sandboxes(4, seed=7)
        links = []
        for sandbox in made:
            asked = {"content_type": "image/png", "ext": ".png"}
            got = requests.get(
                f"{served.url}/api/v1/client/files/upload-url",
                params=asked,
                headers={"x-api-key": key_of(sandbox)},
                timeout=5,
            )
            links.append(got.json()["data"])
        assert len({link["file_url"] for link in links}) == 4
        for number, link in enumerate(links):
            requests.put(link["presigned_url"], b"%d" % number, headers={"content-type": "image/png"}, timeout=5)
        assert [requests.get(link["file_url"], timeout=5).content for link in links] == [b"0", b"1", b"2", b"3"]
        for sandbox in made:
            sandbox.delete()

    def test_pictures_of_tasks(self, served):
        made = served.sandboxes(4, clock="frozen", seed=5)
        for sandbox in made:
            headers = {"x-api-key": key_of(sandbox)}
            body = {"image_url": "https://example.com/a.png"}
            task = requests.post(served.url + DETECT, json=body, headers=headers, timeout=5).json()["data"]
            sandbox.advance("1h")
            path = "/api/v1/client/job/detect-face-result"
            found = requests.get(served.url + path, params=task, headers=headers, timeout=5).json()["data"]
            links = [face["link"] for face in found["result"]["faces"]]
            for _ in range(3):
                assert requests.get(links[0], timeout=5).headers["content-type"] == "image/jpeg"
        for sandbox in made[1:]:
            sandbox.delete()
        assert requests.get(links[0], timeout=5).status_code == 200, "one of them still has it"
        made[0].delete()
        assert requests.get(links[0], timeout=5).status_code == 404


class TestAdmin:
    def test_lists_are_merged_in_the_order_of_creation(self, served):
        made = served.sandboxes(5)
        found = [row.id for row in served.control.sandboxes()]
        assert found[-5:] == [sandbox.id for sandbox in made]
        assert found[:2] == ["default", "other"]
        made[2].delete()
        assert made[2].id not in [row.id for row in served.control.sandboxes()]
        assert served.control.sandbox(id=made[2].id).delete() is None
        for sandbox in (*made[:2], *made[3:]):
            sandbox.delete()

    def test_an_id_is_given_once(self, served):
        made = served.sandboxes(2)
        for sandbox in made:
            with pytest.raises(Exception, match="exist already"):
                served.control.sandbox(id=sandbox.id)
        short = served.control.sandbox(id="short", ttl=0.001)
        assert served.control.sandbox(id="short", balance=3).balance() == 3
        assert short.id == "short"
        for name in ("short", *(sandbox.id for sandbox in made)):
            requests.delete(f"{served.url}/__admin/sandboxes/{name}", timeout=5)

    def test_metrics_are_summed(self, served, two):
        before = answered(served)
        for sandbox in two:
            for _ in range(3):
                available(served.url, key_of(sandbox))
        assert answered(served) == before + 6

    def test_verbs_reach_the_sandbox(self, served, two):
        for number, sandbox in enumerate(two):
            sandbox.grant(10)
            assert available(served.url, key_of(sandbox)) == number + 11
            snapshot = sandbox.snapshot()
            sandbox.reset()
            assert available(served.url, key_of(sandbox)) == number + 1
            sandbox.restore(snapshot)
            assert available(served.url, key_of(sandbox)) == number + 11

    def test_forks_are_spread(self, served):
        origin = served.control.sandbox(balance=5, clock="frozen")
        requests.post(
            served.url + DETECT,
            json={"image_url": "https://example.com/a.png"},
            headers={"x-api-key": key_of(origin)},
            timeout=5,
        )
        forks = [origin.fork() for _ in range(5)]
        assert sorted(Counter(holder(served, key_of(one)) for one in (origin, *forks)).values()) == [3, 3]
        assert len({one.id for one in forks}) == 5
        for one in forks:
            assert [task["id"] for task in one.tasks()] == [task["id"] for task in origin.tasks()]
            assert one.ledger(proof=True)["proof"]["holds"]
            one.delete()
        origin.delete()

    def test_a_wait_is_answered_by_the_sandbox(self, served, two):
        for sandbox in two:
            available(served.url, key_of(sandbox))
            assert sandbox.wait_for_requests(1, timeout=5, operation="get_account_balance")

    def test_the_default_sandbox_has_the_requests_of_nobody(self, served):
        served.control.default.clear_journal()
        for _ in range(6):
            requests.get(f"{served.url}/api/v1/client/nowhere", timeout=5)
        assert len(served.control.default.requests()) == 6
        assert len(served.control.default.wait_for_requests(6, timeout=5)) == 6

    def test_the_settings_of_the_default_sandbox_hold_in_each_worker(self, served):
        served.control.default.change(variants={"crun": {"http_status": "always200"}})
        wanted = {"x-api-key": "ak_nobody0000000000000000000000000"}
        path = f"{served.url}/api/v1/client/account/balance"
        assert {requests.get(path, headers=wanted, timeout=5).status_code for _ in range(6)} == {200}
        served.control.default.change(variants={"crun": {"http_status": "code"}}, evidence_header=True)
        got = [requests.get(path, headers=wanted, timeout=5) for _ in range(6)]
        assert {answer.status_code for answer in got} == {401}
        told = [answer.headers["x-swapmock-request"] for answer in got]
        assert [row["id"] for row in served.control.default.requests()][-6:] == told
        served.control.default.change(evidence_header=False)


class TestPages:
    def test_the_home_page_lists_all_and_each_has_its_page(self, served, two):
        html = {"accept": "text/html"}
        for _ in range(3):
            home = requests.get(f"{served.url}/__admin", headers=html, timeout=5).text
            for sandbox in (*two, served.control.default):
                assert f"/__admin/sandboxes/{sandbox.id}" in home
        for number, sandbox in enumerate(two):
            page = requests.get(f"{served.url}/__admin/sandboxes/{sandbox.id}", headers=html, timeout=5)
            assert page.status_code == 200
            assert sandbox.id in page.text
            assert available(served.url, key_of(sandbox)) == number + 1

    def test_a_form_reaches_the_sandbox(self, served, two):
        html = {"accept": "text/html"}
        for sandbox in two:
            with requests.Session() as session:
                page = session.get(f"{served.url}/__admin/sandboxes/{sandbox.id}", headers=html, timeout=5).text
                fields = {"csrf": re.findall(r'name="csrf" value="([^"]+)"', page)[0], "amount": "5"}
                before = sandbox.balance()
                path = f"{served.url}/__admin/ui/sandboxes/{sandbox.id}/grant"
                made = session.post(path, data=fields, headers=html, timeout=10, allow_redirects=False)
                assert made.status_code == 303, made.text
                assert sandbox.balance() == before + 5

    def test_events_are_passed_on(self, served, two):
        for sandbox in two:
            for other in two:  # on the connection of another sandbox, so that it is forwarded
                with requests.Session() as session:
                    session.get(served.url + BALANCE, headers={"x-api-key": key_of(other)}, timeout=5)
                    path = f"{served.url}/__admin/ui/events?sandbox={sandbox.id}"
                    with session.get(path, stream=True, timeout=5) as events:
                        lines = events.iter_lines()
                        seen = next(line for line in lines if line.startswith(b"data:"))
                        assert sandbox.id.encode() in seen
                        available(served.url, key_of(sandbox))
                        assert next(line for line in lines if line == b"event: changed")

    def test_an_inbox_is_its_sandbox_s(self, served, two):
        for sandbox in two:
            for _ in range(3):
                requests.post(f"{served.url}/__inbox/{sandbox.id}", json={"a": 1}, timeout=5)
            got = requests.get(f"{served.url}/__admin/sandboxes/{sandbox.id}/inbox", timeout=5).json()
            assert got["total"] == 3

    def test_runs_are_the_same_in_each_worker(self, served):
        served.control.add_run("conform", {"title": "x"})
        for _ in range(4):
            assert len(requests.get(f"{served.url}/__admin/runs", timeout=5).json()["runs"]) == 1


def answered(served):
    lines = served.control.metrics().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("swapmock_requests_total"))


def test_callbacks_are_sent(served, two):
    with Receiver() as receiver:
        for sandbox in two:
            sandbox.set_clock("scaled", 1000)
            sandbox.grant(100)
            given = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
            body = {"model": "image-face-swap", "input": given, "callback_url": receiver.url()}
            path = "/api/v1/client/job/CreateTask"
            made = requests.post(served.url + path, json=body, headers={"x-api-key": key_of(sandbox)}, timeout=5)
            assert made.json()["code"] == 200
        for sandbox in two:
            assert sandbox.wait_for_delivery(timeout=5)
        assert len(receiver.got) == 2


def test_a_client_cannot_pass_for_another_worker(served, two):
    """A hop header without the secret is nothing: it is taken out, and the request is answered as ever."""
    for value in ("guess {}", 'guess ["GET","https","evil",null,true,"",false]', ""):
        headers = {"x-api-key": key_of(two[0]), "x-swapmock-hop": value}
        got = requests.get(f"{served.url}/api/v1/client/account/balance", headers=headers, timeout=5)
        assert got.json()["data"]["balance"] == 1
    for name in ("link", "changes", "records", "sandbox"):
        assert requests.post(f"{served.url}/__between/{name}", json="x", timeout=5).status_code == 404
    assert "x-swapmock-hop" not in two[0].requests()[-1]["request"]["headers"]


@pytest.mark.needs("openssl")
def test_tls_connections_stay_and_their_requests_are_forwarded(tmp_path):
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "chain.pem",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    chain = tmp_path / "chain.pem"
    with serving("--tls-cert", str(chain), "--tls-key", str(tmp_path / "key.pem")) as served:
        made = served.sandboxes(2, balance=7)
        with requests.Session() as session:
            session.verify, session.trust_env = str(chain), False
            for _ in range(3):
                for sandbox in made:
                    headers = {"x-api-key": key_of(sandbox)}
                    got = session.get(served.url + BALANCE, headers=headers, timeout=5)
                    assert got.json()["data"]["balance"] == 7
            body = {"image_url": "https://example.com/a.png"}
            got = session.post(served.url + DETECT, json=body, headers={"x-api-key": key_of(made[1])}, timeout=5)
            assert got.json()["code"] == 200
            asked = {"content_type": "image/png", "ext": ".png"}
            for sandbox in made:
                headers = {"x-api-key": key_of(sandbox)}
                path = "/api/v1/client/files/upload-url"
                link = session.get(served.url + path, params=asked, headers=headers, timeout=5).json()["data"]
                assert link["file_url"].startswith("https://")
                content = bytes(range(256)) * 20_000
                session.put(link["presigned_url"], content, headers={"content-type": "image/png"}, timeout=5)
                assert session.get(link["file_url"], timeout=5).content == content


def test_a_unix_socket_and_an_admin_port(tmp_path):
    path = tmp_path / "socket"
    with serving("--uds", str(path), "--admin-port", "0", workers=3) as served:
        admin = next(line for line in served.said if line.startswith("  admin")).split()[1].removesuffix("/__admin")
        assert served.url == f"unix:{path}"
        with RemoteEmulator(admin) as control:
            made = [control.sandbox(balance=number) for number in range(6)]
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.settimeout(5)
                for number, sandbox in enumerate(made):
                    client.sendall(balance(key_of(sandbox)))
                    assert read_answer(client)[1]["data"]["balance"] == number
            for sandbox in made:
                assert len(sandbox.requests()) == 1
            assert len(control.sandboxes()) == 8
    assert not path.exists()


class TestLife:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_all(self, number):
        with serving(workers=3) as served:
            workers = served.workers
            assert len(workers) == 3
            assert ended(served.process, number)[0] == 0
            assert [process for process in workers if Path(f"/proc/{process}").exists()] == []

    def test_a_worker_that_dies_ends_all_and_is_named(self):
        with serving() as served:
            first, second = served.workers
            os.kill(second, signal.SIGKILL)
            _, told = served.process.communicate(timeout=20)
            assert served.process.returncode == 70
            assert f"worker 1 (process {second}) was killed by SIGKILL" in told
            assert not Path(f"/proc/{first}").exists()

    def test_workers_end_with_their_parent(self):
        with serving() as served:
            workers = served.workers
            served.process.kill()
            until = monotonic() + 10
            while monotonic() < until and any(is_running(process) for process in workers):
                pass
            assert not any(is_running(process) for process in workers)


def is_running(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
