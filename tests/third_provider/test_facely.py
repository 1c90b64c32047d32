"""A third provider, registered from outside: what is its own. What it has in common with the others is in `test_every_provider.py`."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
import requests

from swapmock import Emulator
from swapmock.provider import Problem, Registration
from tests.receivers import Receiver, refuse_first
from tests.third_provider.facely import REGISTRATION

PROVIDERS = {"facely": REGISTRATION}
BODY = {"target_url": "https://example.com/group.png", "source_url": "https://example.com/face.png"}


@pytest.fixture(scope="module")
def emulator():
    with Emulator.with_providers(PROVIDERS, callback_allow=("127.0.0.1",)) as emulator:
        yield emulator


@pytest.fixture
def sandbox(emulator):
    with emulator.sandbox(clock="frozen", seed=7) as sandbox:
        yield sandbox


class Client:
    def __init__(self, emulator, sandbox):
        self.base, self.headers = emulator.url, sandbox.headers("facely")

    def create(self, **more):
        return requests.post(f"{self.base}/v1/swaps", json={**BODY, **more}, headers=self.headers, timeout=10)

    def poll(self, name):
        return requests.get(f"{self.base}/v1/swaps/{name}", headers=self.headers, timeout=10)

    def cancel(self, name):
        return requests.post(f"{self.base}/v1/swaps/{name}/cancel", headers=self.headers, timeout=10)

    def list(self, cursor="", **query):
        asked = {**query, **({"cursor": cursor} if cursor else {})}
        return requests.get(f"{self.base}/v1/swaps", params=asked, headers=self.headers, timeout=10)


@pytest.fixture
def client(emulator, sandbox):
    return Client(emulator, sandbox)


@pytest.fixture
def receiver():
    with Receiver() as receiver:
        yield receiver


def test_a_swap_from_creation_to_its_file(sandbox, client):
    answer = client.create()
    assert answer.status_code == 202
    assert sandbox.headers("facely")["Authorization"].startswith("Bearer fly_")
    name = answer.json()["id"]
    states = [client.poll(name).json()["status"]]
    sandbox.advance(2)
    states.append(client.poll(name).json()["status"])
    sandbox.advance(3)
    done = client.poll(name).json()
    assert [*states, done["status"]] == ["queued", "working", "done"]
    file = requests.get(done["output_url"], timeout=10)
    assert (file.status_code, file.headers["content-type"]) == (200, "image/png")
    sandbox.advance(3600)
    assert requests.get(done["output_url"], timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/v1/nothing", {}, 404, "endpoint_not_found"),
        ("DELETE", "/v1/swaps", {}, 405, "method_not_allowed"),
        ("GET", "/v1/swaps/swp_0", {}, 404, "swap_not_found"),
        ("POST", "/v1/swaps", {}, 422, "invalid"),
        ("GET", "/v1/account", {"Authorization": ""}, 401, "key_missing"),
        ("GET", "/v1/account", {"Authorization": "Bearer fly_unknown"}, 401, "key_unknown"),
        ("GET", "/v1/account", {"Authorization": "Bearer fly_disabled000000000000"}, 403, "key_disabled"),
        ("GET", "/v1/account", {"Authorization": "bearer fly_default0000000000000"}, 200, None),
    ],
)
def test_errors_are_the_providers_own(emulator, sandbox, method, path, headers, status, code):
    sent = {**sandbox.headers("facely"), **headers}
    answer = requests.request(method, emulator.url + path, headers=sent, timeout=10)
    assert answer.status_code == status
    assert answer.json().get("error", {}).get("code") == code


def test_a_body_that_is_too_large_and_a_rate_limit(sandbox, client):
    answer = client.create(source_url="https://example.com/" + "a" * 1_100_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    sandbox.change(rate_limit={"calls": 1, "seconds": 60})
    assert [client.create().status_code, client.create().status_code] == [202, 429]


@pytest.mark.parametrize(
    ("effect", "status", "code"),
    [
        ({"status": 429}, 429, "rate_limited"),
        ({"code": 402}, 402, "insufficient_credits"),
        ({"maintenance": True}, 503, "maintenance"),
        ({"status": 507}, 507, "server_error"),
        ({"refuse": "swap_not_found"}, 404, "swap_not_found"),
        ({"code": 418, "message": "teapot"}, 418, "server_error"),
    ],
)
def test_a_fault_refuses_in_the_providers_words(sandbox, client, effect, status, code):
    sandbox.add_fault(effect, match={"provider": "facely"})
    answer = client.create()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("value", "status", "end"),
    [("402", 402, None), ("429", 429, None), ("429_seconds", 429, None), ("http_503", 503, None), ("fails", 202, "failed"),
     ("no_face", 202, "failed"), ("instant", 202, "done"), ("200", 202, "done")],
)  # fmt: skip
def test_magic_values_are_there_without_being_written_down(sandbox, client, value, status, end):
    answer = client.create(source_url=f"https://errors.invalid/{value}")
    assert answer.status_code == status
    if end is not None:
        sandbox.advance(60)
        assert client.poll(answer.json()["id"]).json()["status"] == end


def test_scenarios_by_name_for_a_provider_for_all_and_for_a_model(emulator, sandbox, client):
    sandbox.queue("fails", model="swap-1")
    sandbox.queue("slow", provider="facely")
    first, second, third = (client.create().json()["id"] for _ in range(3))
    sandbox.advance(6)
    assert [client.poll(name).json()["status"] for name in (first, second, third)] == ["failed", "queued", "done"]
    with emulator.sandbox(clock="frozen", scenario="callback_wrong_code_type") as other:  # crun and imgopen have it
        assert Client(emulator, other).create().status_code == 202


def signature_of(request, secret):
    headers = {name.lower(): value for name, value in request.headers.items()}
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    return headers["webhook-signature"], "v1," + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def test_a_webhook_is_signed_with_the_secret_of_the_sandbox(sandbox, client, receiver):
    secret = sandbox.document["credentials"]["facely"]["secret"]
    name = client.create(webhook_url=receiver.url("/hook")).json()["id"]
    sandbox.advance(6)
    (request,) = receiver.got
    shown, right = signature_of(request, secret)
    assert shown == right
    assert json.loads(request.body)["id"] == name
    assert json.loads(request.body)["status"] == "done"


def test_a_webhook_that_is_refused_comes_again_with_the_same_id_and_body(sandbox, client, receiver):
    receiver.plan = refuse_first(1)
    client.create(webhook_url=receiver.url("/hook"))
    sandbox.advance(11)
    first, second = receiver.got
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert signature_of(second, sandbox.document["credentials"]["facely"]["secret"])[0].startswith("v1,")


def test_a_forged_webhook_has_no_right_signature(sandbox, client, receiver):
    secret = sandbox.document["credentials"]["facely"]["secret"]
    name = client.create(webhook_url=receiver.url("/hook"), source_url="https://errors.invalid/callback_forged").json()[
        "id"
    ]
    sandbox.advance(6)
    by_id = {json.loads(request.body)["id"] == name: signature_of(request, secret) for request in receiver.got}
    assert by_id[True][0] == by_id[True][1]
    assert by_id[False][0] != by_id[False][1]


def test_what_it_would_have_cost_is_in_the_providers_currency(sandbox, client):
    client.create()
    sandbox.advance(6)
    assert sandbox.balance() == 998
    assert sandbox.ledger()["cost"]["money"] == {"EUR": 0.02}


@pytest.mark.parametrize("seconds", [0, 0.999, 1, 4.999])
@pytest.mark.parametrize("scenario", ["fine", "fails", "stuck"])
def test_a_cancelled_swap_has_ended_at_once_and_costs_nothing(emulator, sandbox, client, receiver, scenario, seconds):
    url = f"https://errors.invalid/{scenario}" if scenario != "fine" else BODY["source_url"]
    name = client.create(webhook_url=receiver.url("/hook"), source_url=url).json()["id"]
    other = client.create().json()["id"]
    sandbox.advance(seconds)
    before = client.poll(name).json()["status"]
    ended = client.cancel(name)
    assert ended.status_code == 200
    assert (
        ended.json() == client.poll(name).json() == {"id": name, "status": "failed", "error": "the swap was cancelled"}
    )
    assert client.cancel(name).status_code == 409
    copied = sandbox.fork()
    for one in (sandbox, copied):
        fired = one.advance(until="idle")
        assert {row["task"] for row in fired if row["what"] == "transition"} == {other}
        assert one.balance() == 998
        ledger = one.ledger(proof=True)
        assert (ledger["balance"]["reserved"], ledger["proof"]["holds"]) == (0, True)
    assert [json.loads(request.body)["status"] for request in receiver.got][:1] == ["failed"]
    moves = [
        (row["before"], row["after"])
        for row in sandbox.journal()
        if row["type"] == "transition" and row["task"] == name
    ]
    assert moves[-1] == ({"queued": "queued", "working": "running"}[before], "failed")
    assert "swap was cancelled" in json.dumps(sandbox.why(name))


def test_a_list_shows_the_providers_own_tasks_newest_first(emulator, sandbox, client):
    names = [client.create().json()["id"] for _ in range(5)]
    swap = {"sourceUrl": BODY["source_url"], "targetUrl": BODY["target_url"], "businessTaskId": "1"}
    url = f"{emulator.url}/AIGCImgOpenServ/saas/tool/roop"
    assert requests.post(url, json=swap, headers=sandbox.headers("imgopen"), timeout=10).json()["code"] == "200"
    found, cursor = [], ""
    while True:
        page = client.list(limit=2, cursor=cursor).json()
        found.append([swap["id"] for swap in page["swaps"]])
        cursor = page["next"]
        if not cursor:
            break
        client.create()  # a new swap does not move the pages
    assert [name for page in found for name in page] == names[::-1]
    assert [len(page) for page in found] == [2, 2, 1]
    assert client.list(cursor="nowhere").status_code == 400


def test_a_problem_that_no_table_has_is_a_server_error_in_the_providers_words():
    def make(contract):
        def odd(call, engine):
            raise Problem("no_such_problem")

        made = REGISTRATION.make(contract)
        return replace(made, handlers={**made.handlers, "get_account": odd})

    providers = {"facely": Registration(REGISTRATION.folder, make)}
    with Emulator.with_providers(providers) as emulator, emulator.sandbox() as sandbox:
        answer = requests.get(f"{emulator.url}/v1/account", headers=sandbox.headers("facely"), timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "server_error")


ASKED = [
    ("POST", "/api/v1/client/job/detect-face-image", {"image_url": "https://faces.invalid/2.png"}),
    ("POST", "/api/v1/client/job/detect-face-image", {"image_url": "https://errors.invalid/nothing"}),
    ("POST", "/api/v1/client/job/CreateTask", {"model": "z-image", "input": {"prompt": "a"}}),
    ("POST", "/api/v1/client/job/CreateTask", {"model": "no-such", "input": {"prompt": "a"}}),
    ("GET", "/api/v1/client/account/balance", None),
    ("GET", "/api/v1/client/nothing", None),
    ("POST", "/AIGCImgOpenServ/saas/tool/roop", {"sourceUrl": "https://example.com/a.png", "targetUrl": "https://example.com/b.png", "businessTaskId": "1"}),
    ("POST", "/AIGCImgOpenServ/saas/tool/roop", {"sourceUrl": "https://errors.invalid/402", "targetUrl": "https://example.com/b.png", "businessTaskId": "1"}),
    ("GET", "/AIGCImgOpenServ/saas/nothing", None),
]  # fmt: skip


def told(emulator):
    with emulator.sandbox(id="same", clock="frozen", seed=7) as sandbox:
        headers = {**sandbox.headers("crun"), **sandbox.headers("imgopen")}
        answers = [
            requests.request(method, emulator.url + path, json=body, headers=headers, timeout=10)
            for method, path, body in ASKED
        ]
        sandbox.advance(60)
        journal = [(row["operation"], row["status"], row["problem"]) for row in sandbox.requests()]
        tables = {
            table: {
                name: requests.get(f"{emulator.url}/__admin/{table}?provider={name}", timeout=10).json()
                for name in ("crun", "imgopen")
            }
            for table in ("magic", "variants", "scenarios", "codes", "evidence")
        }
        credentials = {name: list(sandbox.headers(name)) for name in ("crun", "imgopen")}
    return (
        [(a.status_code, a.content.replace(emulator.url.encode(), b"")) for a in answers],
        journal,
        tables,
        credentials,
    )


def test_registering_it_changes_nothing_for_the_first_two(emulator):
    with Emulator() as alone:
        assert told(alone) == told(emulator)
