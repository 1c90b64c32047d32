"""The gateway between client and emulator: what it records, and what it does to answers."""

import json
import socket

import pytest
import requests

from swapmock import Emulator
from swapmock.client_checks.behaviour.conditions import BadCase, corpus, read
from swapmock.client_checks.behaviour.gateway import Gateway
from swapmock.client_checks.behaviour.gateway_effects import EFFECTS, Answer, GatewayFault
from swapmock.client_checks.behaviour.model import Meaning, Role
from swapmock.client_checks.behaviour.providers import PROVIDERS, provider_of
from swapmock.client_checks.behaviour.variation import ALL, Variation
from swapmock.client_checks.clock import RealClock

BODY = {"model": "z-image", "input": {"prompt": "a harbour"}}

CRUN, IMGOPEN = PROVIDERS["crun"], PROVIDERS["imgopen"]


@pytest.fixture
def sandbox():
    with Emulator() as emulator, emulator.sandbox() as sandbox:
        sandbox.queue("instant", times=20)
        yield sandbox


def gateway(sandbox, *faults, **more):
    return Gateway(sandbox.base_url, RealClock(), faults=faults, **more)


def create(server, sandbox):
    return requests.post(f"{server.url}/api/v1/client/job/CreateTask", json=BODY, headers=sandbox.headers(), timeout=10)


def poll(server, sandbox, task):
    url = f"{server.url}/api/v1/client/job/TaskInfo"
    return requests.get(url, params={"task_id": task}, headers=sandbox.headers(), timeout=10)


def test_both_sides_are_recorded_and_links_lead_through_the_gateway(sandbox):
    with gateway(sandbox) as server:
        task = create(server, sandbox).json()["data"]["task_id"]
        told = poll(server, sandbox, task).json()["data"]
        link = told["result"]["media_urls"][0]
        assert link.startswith(server.url)
        assert requests.get(link, timeout=10).headers["content-type"].startswith("image/")
        roles = [(one.role, one.meaning, one.status) for one in server.exchanges]
    assert roles == [
        (Role.CREATE, Meaning.ACCEPTED, 200),
        (Role.POLL, Meaning.SUCCEEDED, 200),
        (Role.MEDIA, Meaning.READ, 200),
    ]
    assert server.exchanges[1].asked == task
    assert server.exchanges[0].headers["x-api-key"] == sandbox.key()


@pytest.mark.parametrize(
    ("effect", "value", "status", "kind"),
    [
        ("html", 502, 502, "text/html"),
        ("status", 408, 408, "text/plain"),
        ("expired", 403, 403, "application/xml"),
        ("placeholder", 404, 404, "image/png"),
    ],
)
def test_pages_in_place_of_an_answer(sandbox, effect, value, status, kind):
    with gateway(sandbox, GatewayFault(Role.CREATE, effect, value, times=1)) as server:
        answer = create(server, sandbox)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, kind)
        assert create(server, sandbox).json()["code"] == 200
        assert server.exchanges[0].fault == effect
    assert len(sandbox.tasks()) == 2, "the submission took effect behind the page"


def test_a_value_is_set_only_where_the_document_has_it(sandbox):
    row = {"/data/status": "aborted", "/data/outputImageUrl": None}
    with gateway(sandbox, GatewayFault(Role.POLL, "set", row)) as server:
        told = poll(server, sandbox, create(server, sandbox).json()["data"]["task_id"]).json()["data"]
        assert told["status"] == "aborted"
        assert "outputImageUrl" not in told
        assert server.exchanges[-1].meaning is Meaning.UNKNOWN


def test_a_body_that_breaks_off_keeps_its_length(sandbox):
    with gateway(sandbox, GatewayFault(Role.MEDIA, "cut")) as server:
        told = poll(server, sandbox, create(server, sandbox).json()["data"]["task_id"]).json()["data"]
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            requests.get(told["result"]["media_urls"][0], timeout=10)
        assert server.exchanges[-1].delivered == "cut"


def test_what_the_emulator_does_to_a_connection_reaches_the_client(sandbox):
    sandbox.add_fault({"connection": "reset"}, times=1)
    with gateway(sandbox) as server:
        with pytest.raises(requests.ConnectionError):
            create(server, sandbox)
        assert (server.exchanges[0].status, server.exchanges[0].meaning) == (None, Meaning.AMBIGUOUS)
    assert len(sandbox.tasks()) == 1


class Killing:
    """A watcher that lets no answer to a submission go to the client."""

    def received(self, role, number):
        pass

    def passed_on(self, role, number):
        return role is not Role.CREATE

    def answered(self, role, meaning):
        pass


def test_a_client_that_is_being_killed_does_not_see_its_connection_end(sandbox):
    with gateway(sandbox, watcher=Killing()) as server:
        with pytest.raises(requests.ReadTimeout):
            requests.post(
                f"{server.url}/api/v1/client/job/CreateTask", json=BODY, headers=sandbox.headers(), timeout=0.3
            )
        assert (server.exchanges[0].status, server.exchanges[0].delivered) == (None, "lost")
    assert len(sandbox.tasks()) == 1


def test_bytes_that_are_not_http_reach_the_client(sandbox):
    sandbox.add_fault({"connection": "garbage"}, times=1)
    with gateway(sandbox) as server:
        with pytest.raises(requests.ConnectionError, match="BadStatusLine"):
            create(server, sandbox)
        assert (server.exchanges[0].status, server.exchanges[0].meaning) == (None, Meaning.AMBIGUOUS)
    assert len(sandbox.tasks()) == 1


def test_a_fault_by_meaning_strikes_that_answer_only(sandbox):
    sandbox.clear_queue()
    sandbox.set_clock("frozen")
    fault = GatewayFault(Role.POLL, "set", {"/data/result": None}, meaning=Meaning.SUCCEEDED)
    with gateway(sandbox, fault) as server:
        task = create(server, sandbox).json()["data"]["task_id"]
        poll(server, sandbox, task)
        sandbox.advance(until="idle")
        assert poll(server, sandbox, task).json()["data"]["result"] is None
        assert [one.fault for one in server.exchanges] == ["", "", "set"]


def test_two_faults_on_one_kind_of_request_come_one_after_the_other(sandbox):
    first, second = (GatewayFault(Role.CREATE, "status", value, times=1) for value in (503, 408))
    with gateway(sandbox, first, second) as server:
        assert [create(server, sandbox).status_code for _ in range(3)] == [503, 408, 200]


def test_chunked_requests_are_read(sandbox):
    with gateway(sandbox) as server, socket.create_connection(("127.0.0.1", int(server.url.rsplit(":", 1)[1]))) as raw:
        body = json.dumps(BODY).encode()
        head = f"POST /api/v1/client/job/CreateTask HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {sandbox.key()}\r\n"
        head += "content-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        raw.sendall(head.encode() + f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("name", ALL)
def test_each_variation_leaves_the_answer_a_good_one(sandbox, name):
    vary = Variation.read({"seed": 3, "names": [name]}, CRUN)
    with gateway(sandbox, vary=vary) as server:
        task = create(server, sandbox).json()["data"]["task_id"]
        answer = poll(server, sandbox, task)
        assert answer.json()["code"] == 200
        assert answer.json()["data"]["status"] == "success"


def test_the_same_seed_varies_alike():
    from swapmock.client_checks.behaviour.gateway_effects import Answer

    made = []
    for _ in range(2):
        answer = Answer(200, [("content-type", "application/json")], b'{"code": 200, "data": {"a": 1, "b": [2]}}')
        Variation.read({"seed": 5}, CRUN)(answer, Role.POLL)
        made.append((answer.body, answer.headers))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("provider", "method", "target", "role"),
    [
        (CRUN, "POST", "/api/v1/client/job/CreateTask", Role.CREATE),
        (CRUN, "GET", "/api/v1/client/job/detect-face-result?detect_task_id=x", Role.DETECT_POLL),
        (CRUN, "GET", "/media/abc/0.png", Role.MEDIA),
        (CRUN, "GET", "/nothing", Role.OTHER),
        (IMGOPEN, "POST", "/AIGCImgOpenServ/saas/tool/face/fusion", Role.CREATE),
        (IMGOPEN, "POST", "/AIGCImgOpenServ/saas/tool/face/fusion/queryTask", Role.POLL),
        (IMGOPEN, "POST", "/AIGCImgOpenServ/saas/tool/face/detection/queryTask", Role.DETECT_POLL),
    ],
)
def test_what_a_request_is_for(provider, method, target, role):
    assert provider.find(method, target)[1] is role


def test_a_provider_is_known_by_its_prefix():
    assert provider_of("/api/v1/client/job/Models") is CRUN
    assert provider_of("/AIGCImgOpenServ/saas/tool/roop") is IMGOPEN
    assert provider_of("/api/v1/clients") is None


@pytest.mark.parametrize("success", [1, 2, 0])
def test_the_number_of_success_is_the_tools_own(success):
    tools = {2: "face/fusion", 1: "interrogate", 0: "prompts/expand"}
    target = f"/AIGCImgOpenServ/saas/tool/{tools[success]}/queryTask"
    answer = {"code": "200", "data": {"status": success}}
    assert IMGOPEN.meaning(Role.POLL, "query_image_tool_task_info", target, 200, answer, "whole") is Meaning.SUCCEEDED


def test_every_case_of_the_corpus_reads_and_is_told():
    assert len({one.name for one in corpus()}) == len(corpus())
    assert all(one.about for one in corpus())
    assert {row["effect"] for one in corpus() for row in one.gateway} <= set(EFFECTS)
    again = read(json.loads(json.dumps([one.as_row() for one in corpus()])))
    assert [one.name for one in again] == [one.name for one in corpus()]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({}, "'name' is a required property"),
        ({"name": "x", "fault": []}, "'fault' was unexpected"),
        ({"name": "x", "gateway": [{"role": "poll", "effect": "explode"}]}, "no effect 'explode'"),
        ({"name": "x", "faults": [{"role": "pol", "effect": {}}]}, "case 0.faults.0.role"),
    ],
)
def test_a_case_that_does_not_read_is_told(row, text):
    with pytest.raises(BadCase, match=text):
        read([row])


def test_a_file_of_cases_is_a_list():
    with pytest.raises(BadCase, match="case list"):
        read({"name": "x"})


@pytest.mark.parametrize("facts", PROVIDERS.values(), ids=lambda facts: facts.name)
def test_a_vendors_table_fits_its_contract(facts):
    operations, words = facts.contract.operations, facts.contract.behaviour.status_words
    assert set(facts.roles) <= set(operations)
    assert set(facts.words.values()) <= set(words)
    paid = {name for name, one in operations.items() if one.may_cost and one.callback_requests}
    assert {facts.roles.get(name) for name in paid} <= {Role.CREATE, Role.DETECT}
    polls = {name for name, role in facts.roles.items() if role in (Role.POLL, Role.DETECT_POLL)}
    assert polls == set(facts.contract.poll_places)


@pytest.mark.parametrize("path", ["/media/a/0.png", "/u/a.png", "/Output-Img2/sd/text2image/a-0.png"])
def test_files_are_known_by_the_contracts_links(path):
    assert CRUN.find("GET", path)[1] is Role.MEDIA


@pytest.mark.parametrize(
    ("effect", "longest", "expected"),
    [
        ({"delay": "late"}, 135.0, 3.375),
        ({"delay": 4.0}, 4.0, 0.1),
        ({"delay": [2.0, 4.0]}, 4.0, [0.05, 0.1]),
        ({"stall": 5.0}, 0.0, None),
    ],
)
def test_an_answer_that_is_held_back_on_purpose_is_known(effect, longest, expected):
    held = read([{"name": "x", "faults": [{"role": "create", "effect": effect}]}])[0]
    assert held.delayed_roles == {Role.CREATE}
    assert held.longest_delay(90.0) == longest
    assert held.fault_rules(CRUN, 40.0, 90.0)[0]["effect"].get("delay") == pytest.approx(expected)


@pytest.mark.parametrize(("delayed", "measured"), [((), 1), ((Role.CREATE,), 0)])
def test_what_is_delayed_on_purpose_says_nothing_about_the_harness(sandbox, delayed, measured):
    with gateway(sandbox, delayed=delayed) as server:
        create(server, sandbox)
        assert len(server.undelayed) == measured


def test_what_another_case_fetched_is_not_served_where_the_media_host_fails(sandbox):
    sandbox.clear_queue()
    sandbox.queue("media_404")
    kept: dict[str, Answer] = {}
    with gateway(sandbox, fetches_ahead=False, media=kept) as server:
        task = create(server, sandbox).json()["data"]["task_id"]
        sandbox.advance(until="idle")
        link = poll(server, sandbox, task).json()["data"]["result"]["media_urls"][0]
        kept[link.removeprefix(server.url)] = Answer(200, [("content-type", "image/png")], b"of the plain case")
        assert requests.get(link, timeout=10).status_code == 404


def test_results_are_not_fetched_ahead_where_the_media_host_fails(sandbox):
    sandbox.clear_queue()
    sandbox.queue("media_503_twice", times=2)
    with gateway(sandbox, fetches_ahead=False) as server:
        task = create(server, sandbox).json()["data"]["task_id"]
        sandbox.advance(until="idle")
        link = poll(server, sandbox, task).json()["data"]["result"]["media_urls"][0]
        assert [requests.get(link, timeout=10).status_code for _ in range(3)] == [503, 503, 200]
