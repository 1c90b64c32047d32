"""What general code does for a provider is the same for crun.ai, Img Open and Facely, which is no part of this package."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
import requests
from jsonschema import Draft202012Validator

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.admin.test_why import HAR
from tests.conftest import START
from tests.control import Admin, Box
from tests.receivers import Receiver, refuse_first
from tests.vendors import FURTHER, VENDORS, Vendor

SLOW, FAILING = "https://errors.invalid/slow", "https://errors.invalid/fails"


@pytest.fixture(scope="module")
def machine() -> ManualTime:
    return ManualTime(START)


@pytest.fixture(scope="module")
def admin(machine: ManualTime) -> Iterator[Admin]:
    """An emulator of all three. An answer that breaks its contract fails the tests of the module."""
    drifted: list[Exchange] = []
    with LiveServer(build(Settings(), machine, drifted.append, providers=FURTHER).asgi_app) as live:
        yield Admin(live.url)
    assert [(x.operation, x.status, x.answer, x.drift) for x in drifted] == []


@pytest.fixture
def box(admin: Admin) -> Box:
    return admin.sandbox(clock="frozen")


@pytest.fixture(params=VENDORS, ids=lambda one: one.name)
def kind(request: pytest.FixtureRequest) -> type[Vendor]:
    kind: type[Vendor] = request.param
    return kind


@pytest.fixture
def vendor(kind: type[Vendor], box: Box) -> Vendor:
    return kind(box)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as live:
        yield live


# The clock.


def test_a_frozen_clock_stands_still_until_it_is_moved(machine, box, vendor):
    task = vendor.submit()
    machine.advance(1e6)
    assert vendor.phase(task) == "queued"
    queued, running = vendor.seconds
    for seconds, phase in (
        (queued - 0.001, "queued"),
        (0.001, "running"),
        (running - 0.001, "running"),
        (0.001, "succeeded"),
    ):
        box.advance(by=seconds)
        assert vendor.phase(task) == phase


@pytest.mark.parametrize(("mode", "rate"), [("real", 1), ("scaled(128)", 128)])
def test_a_clock_that_runs(machine, admin, kind, mode, rate):
    vendor = kind(admin.sandbox(clock=mode))
    task = vendor.submit()
    found = [vendor.phase(task)]
    for seconds in vendor.seconds:
        machine.advance(seconds / rate)
        found.append(vendor.phase(task))
    assert found == ["queued", "running", "succeeded"]


def test_on_poll_a_client_polls_more_than_once_and_never_waits(machine, admin, kind):
    vendor, before = kind(admin.sandbox(clock="on_poll")), machine.now()
    task = vendor.submit()
    polled = [vendor.phase(task) for _ in range(20)]
    first = polled.index("succeeded")
    assert 1 <= first < 15
    assert polled[first:] == ["succeeded"] * (20 - first)
    assert machine.now() == before


def test_what_fired_and_until(box, vendor):
    task = vendor.submit()
    answer = box.ok("POST", "/clock/advance", {"until": {"task": task, "status": "running"}})
    assert answer["now"] - answer["before"] == vendor.seconds[0]
    answer = box.ok("POST", "/clock/advance", {"until": {"task": task, "status": "succeeded"}})
    assert answer["now"] - answer["before"] == vendor.seconds[1]
    assert [(row["task"], row["before"], row["after"], row["cause"]) for row in answer["fired"]] == [
        (task, "running", "succeeded", "x1")
    ]


# The journal, and what is made of it.


def test_the_journal_tells_of_every_call_and_hides_the_key(box, vendor):
    task = vendor.submit()
    box.advance(until="idle")
    vendor.ask(task)
    vendor.ask("nobody")
    vendor.account()
    rows = box.ok("GET", "/journal")["records"]
    exchanges = [row for row in rows if row["type"] == "exchange"]
    assert [row["operation"] for row in exchanges][:3] == [vendor.create, vendor.poll, vendor.poll]
    assert {row["provider"] for row in exchanges} == {vendor.name}
    assert [(row["before"], row["after"]) for row in rows if row["type"] == "transition"] == [
        ("queued", "running"),
        ("running", "succeeded"),
    ]
    assert box.ok("GET", "/journal", provider=vendor.name)["total"] == len(exchanges)
    assert box.ok("GET", "/journal", operation=vendor.create)["total"] == 1
    assert box.ok("GET", "/journal", task=task)["total"] == 4
    assert exchanges[2]["problem"].endswith("not_found")
    secrets = [value for value in box.headers(vendor.name).values() if not value.startswith("application/")]
    told = [rows, box.ok("GET", "/har"), box.ok("GET", "/why/x1"), box.ok("GET", "/snapshot")]
    for secret in secrets:
        assert secret.removeprefix("Bearer ") not in json.dumps(told)


def test_a_har_file(box, vendor):
    vendor.submit()
    vendor.ask("nobody")
    document = box.ok("GET", "/har")
    assert [error.message for error in Draft202012Validator(HAR).iter_errors(document)] == []
    assert [entry["comment"].split(",")[0] for entry in document["log"]["entries"]] == ["x1", "x2"]


def test_why_a_task_is_as_it_is(box, vendor):
    task = vendor.submit(FAILING)
    box.advance(until="idle")
    why = box.ok("GET", f"/why/{task}")
    assert why["subject"] == {"type": "task", "id": task}
    whats = [event["what"] for event in why["chain"]]
    assert [what for what in whats if what != "step"] == [
        "request",
        "ledger",
        "answer",
        "transition",
        "transition",
        "ledger",
    ]
    assert [event["at"] for event in why["chain"]] == sorted(event["at"] for event in why["chain"])
    request = box.ok("GET", "/why/x1")
    assert (request["scenario"], request["task"]["id"]) == ("fails", task)
    assert request["state"]["after"]["balance"] == {
        "available": 1000 - vendor.price,
        "reserved": vendor.price,
        "spent": 0,
    }


def test_metrics_and_evidence_name_it(admin, vendor):
    vendor.submit()
    assert f'provider="{vendor.name}"' in admin.call("GET", "/metrics").text
    rows = admin.ok("GET", "/evidence", provider=vendor.name)["behaviours"]
    assert {vendor.create, vendor.poll} <= {row["name"] for row in rows}


# Money.


def moves(box):
    return [(row["move"], row["amount"]) for row in box.ok("GET", "/ledger")["entries"]]


def test_the_life_of_a_charge(box, vendor):
    price, task = vendor.price, vendor.submit()
    assert moves(box) == [("grant", 1000), ("reserve", price)]
    assert box.ok("GET", "/ledger")["balance"] == {"available": 1000 - price, "reserved": price, "spent": 0}
    box.advance(until="idle")
    assert moves(box)[2:] == [("settle", price)]
    failed = vendor.submit(FAILING)
    box.advance(until="idle")
    assert moves(box)[3:] == [("reserve", price), ("release", price)]
    ledger = box.ok("GET", "/ledger", proof=1)
    assert ledger["balance"] == {"available": 1000 - price, "reserved": 0, "spent": price}
    assert [row["task"] for row in ledger["entries"]] == [None, task, task, failed, failed]
    assert [(row["from"], row["to"]) for row in ledger["entries"][:3]] == [
        ("vendor", "available"),
        ("available", "reserved"),
        ("reserved", "spent"),
    ]
    assert ledger["proof"]["holds"]
    assert all(invariant["holds"] for invariant in ledger["proof"]["invariants"])
    for row in ledger["entries"][1:3]:
        assert row["cause"]["request"]["operation"] == vendor.create
        assert row["cause"]["task"] == {"id": task, "model": vendor.model, "scenario": "fine"}
    assert {row["model"]: row["credits"] for row in ledger["cost"]["by_model"]} == {vendor.model: price}


def test_a_refund(box, vendor):
    task = vendor.submit()
    box.refused(409, "POST", "/ledger/refund", {"task": task})
    box.advance(until="idle")
    assert box.pointers("POST", "/ledger/refund", {"task": task, "amount": vendor.price + 1}) == ["/amount"]
    box.ok("POST", "/ledger/refund", {"task": task, "amount": 1})
    assert box.ok("POST", "/ledger/refund", {"task": task}) == {"available": 1000, "reserved": 0, "spent": 0}
    assert moves(box)[-2:] == [("refund", 1), ("refund", vendor.price - 1)]
    assert box.ok("GET", "/ledger", proof=1)["proof"]["holds"]


def test_thirty_two_race_for_the_last_credits(admin, kind):
    price = kind.price
    box = admin.sandbox(clock="frozen", balance=price * 7 + price / 2)
    vendor = kind(box)
    with ThreadPoolExecutor(32) as pool:
        codes = list(pool.map(lambda _: vendor.code_of(vendor.send()), range(32)))
    assert sorted(codes) == [""] * 7 + ["402"] * 25
    for until, balance in (
        ("0s", {"available": price / 2, "reserved": price * 7, "spent": 0}),
        ("1h", {"available": price / 2, "reserved": 0, "spent": price * 7}),
    ):
        box.advance(by=until)
        ledger = box.ok("GET", "/ledger", proof=1)
        assert (ledger["balance"], ledger["proof"]["holds"]) == (balance, True)


# Faults and scenarios.


@pytest.mark.parametrize("effect", [{"code": 500}, {"status": 503}, {"maintenance": True}, {"refuse": "rate_limited"}])
def test_a_fault_of_one_provider_leaves_the_others_alone(box, kind, effect):
    box.ok("POST", "/faults", {"effect": effect, "match": {"provider": kind.name}})
    for other in VENDORS:
        vendor = other(box)
        assert (vendor.code_of(vendor.send()) != "") is (other is kind)
    assert len(box.ok("GET", "/tasks")["tasks"]) == 2


@pytest.mark.parametrize(("moment", "count"), [("before", 0), ("after", 1)])
def test_a_fault_before_or_after_the_task_is_made(box, vendor, moment, count):
    box.ok(
        "POST",
        "/faults",
        {"effect": {"code": 500}, "moment": moment, "match": {"operation": vendor.create}, "times": 1},
    )
    assert vendor.code_of(vendor.send()) == "500"
    assert len(box.ok("GET", "/tasks")["tasks"]) == count
    assert box.ok("GET", "/journal", type="exchange")["records"][0]["fault"] == "fault-1"
    assert vendor.code_of(vendor.send()) == ""


def test_a_lost_connection(box, vendor):
    box.ok("POST", "/faults", {"effect": {"connection": "hang_up"}, "match": {"operation": vendor.create}})
    with pytest.raises(requests.ConnectionError):
        vendor.send()
    assert vendor.code_of(vendor.account()) == ""


def test_a_rate_limit(admin, kind):
    box = admin.sandbox(clock="frozen", rate_limit={"calls": 2, "seconds": 60})
    vendor = kind(box)
    codes = [vendor.code_of(vendor.account()) for _ in range(3)]
    box.advance(by="59.999s")
    codes.append(vendor.code_of(vendor.account()))
    box.advance(by="0.001s")
    codes.append(vendor.code_of(vendor.account()))
    assert codes[:2] == ["", ""]
    assert codes[2] == codes[3] != ""
    assert codes[4] == ""


def test_magic_wins_over_the_queue_and_the_queue_over_the_sandbox(admin, kind):
    box = admin.sandbox(clock="frozen", scenario="stuck")
    vendor = kind(box)
    box.ok("POST", "/scenarios", {"scenario": "fails"})
    tasks = [vendor.submit("https://errors.invalid/200"), vendor.submit(), vendor.submit(), vendor.submit(SLOW)]
    box.advance(by=5.9 if vendor.name == "crun" else 4.9)
    assert vendor.phase(tasks[0]) == "running"
    box.advance(by="1s")
    assert [vendor.phase(task) for task in tasks] == ["succeeded", "failed", "running", "queued"]
    box.advance(by="1h")
    assert [vendor.phase(task) for task in tasks] == ["succeeded", "failed", "running", "succeeded"]


@pytest.mark.parametrize("wanted", ["all", "provider", "model", "operation"])
def test_several_outcomes_in_a_row(box, vendor, wanted):
    by = {"provider": vendor.name, "model": vendor.model, "operation": vendor.create}
    box.ok("POST", "/scenarios", {"scenario": "flaky_then_fine", **({} if wanted == "all" else {wanted: by[wanted]})})
    tasks = [vendor.submit() for _ in range(4)]
    box.advance(until="idle")
    assert [vendor.phase(task) for task in tasks] == ["failed", "failed", "succeeded", "succeeded"]
    assert box.ok("GET", "/scenarios") == {"queue": []}


def test_a_refused_submission_uses_nothing_up(box, vendor):
    box.ok("POST", "/scenarios", {"scenario": "fails"})
    box.ok("PATCH", "", {"balance": 0})
    assert vendor.code_of(vendor.send()) == "402"
    box.ok("PATCH", "", {"balance": 10})
    assert len(box.ok("GET", "/scenarios")["queue"]) == 1


# Snapshots and copies.


def test_a_snapshot_is_restored_and_a_copy_goes_its_own_way(admin, box, vendor):
    task = vendor.submit(callback_url="http://127.0.0.1:9/")
    saved = box.ok("POST", "/snapshot")
    fired = box.advance(until="idle")
    after = vendor.ask(task).json()
    box.ok("POST", "/restore", saved)
    assert vendor.phase(task) == "queued"
    assert box.advance(until="idle") == fired
    assert vendor.ask(task).json() == after
    box.ok("POST", "/restore", saved)
    copy = type(vendor)(Box(admin, admin.ok("POST", f"{box.path}/fork", {})))
    copy.box.advance(by="1h")
    assert (copy.phase(task), vendor.phase(task)) == ("succeeded", "queued")


def test_a_link_to_a_file_is_good_for_its_lifetime(box, vendor):
    task = vendor.submit()
    box.advance(until="idle")
    link = vendor.link_in(vendor.told(vendor.ask(task).json()))
    assert requests.get(link, timeout=30).headers["content-type"] == "image/png"
    box.advance(by="100d")
    assert requests.get(link, timeout=30).status_code in (403, 404)


# Callbacks.


def test_the_end_of_a_task_is_told_as_a_poll_tells_it(box, vendor, receiver):
    task = vendor.submit(callback_url=receiver.url("/hook?a=b%26c"))
    box.advance(until="idle")
    (got,) = receiver.got
    assert (got.method, got.path, got.headers["content-type"]) == ("POST", "/hook?a=b%26c", "application/json")
    assert got.json == vendor.told(vendor.ask(task).json())
    assert (vendor.task_in(got.json), vendor.phase_in(got.json)) == (task, "succeeded")


def test_a_failure_is_told_too_and_without_an_address_nothing_is(box, vendor, receiver):
    vendor.submit(FAILING, receiver.url())
    vendor.submit()
    box.advance(until="idle")
    assert [vendor.phase_in(body) for body in receiver.bodies()] == ["failed"]


def test_a_callback_that_is_refused_comes_again_until_its_schedule_ends(box, vendor, receiver):
    receiver.plan = lambda got: 503
    vendor.submit(callback_url=receiver.url())
    box.advance(until="idle")
    (row,) = box.ok("GET", "/deliveries")["deliveries"]
    assert row["state"] == "dead"
    dues = [attempt["due"] for attempt in row["attempts"]]
    assert [after - before for before, after in pairwise(dues)] == vendor.waits
    assert len({got.body for got in receiver.got}) == 1
    receiver.plan = lambda got: (200, {"code": "200"})
    again = box.ok("POST", f"/deliveries/{row['id']}/redeliver")
    assert (again["state"], len(again["attempts"])) == ("acknowledged", len(vendor.waits) + 2)
    assert f"after {len(vendor.waits) + 2} attempt(s)" in box.ok("GET", f"/why/{row['id']}")["summary"]


def test_only_what_is_due_is_sent(box, vendor, receiver):
    receiver.plan = refuse_first(1)
    vendor.submit(callback_url=receiver.url())
    counts = []
    for seconds in (sum(vendor.seconds) - 0.5, 0.5, vendor.waits[0] - 0.5, 0.5, 1e6):
        box.advance(by=seconds)
        counts.append(len(receiver.got))
    assert counts == [0, 1, 1, 2, 2]


def test_an_address_that_is_not_allowed_is_blocked(box, vendor):
    vendor.submit(callback_url="http://10.0.0.1/hook")
    box.advance(until="idle")
    (row,) = box.ok("GET", "/deliveries")["deliveries"]
    assert (row["state"], row["attempts"][0]["failure"][:8]) == ("blocked", "blocked:")
