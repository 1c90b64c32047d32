"""Callback faults: one scenario each, for every provider, and what a receiver then sees."""

import json
import threading

import pytest
import requests

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import START
from tests.control import Admin
from tests.receivers import PATIENCE, accept
from tests.vendors import FURTHER, VENDORS

PHOTO = "https://faces.invalid/2.png"


@pytest.fixture(scope="module")
def admin():
    """An emulator of all three providers."""
    with LiveServer(build(Settings(), ManualTime(START), providers=FURTHER).asgi_app) as live:
        yield Admin(live.url)


@pytest.fixture
def box(admin):
    return admin.sandbox(clock="frozen")


@pytest.fixture(params=VENDORS, ids=lambda one: one.name)
def vendor(request, box):
    return request.param(box)


def submit(vendor, receiver, scenario):
    return vendor.submit(f"https://errors.invalid/{scenario}", receiver.url())


def polled(vendor, task):
    return vendor.told(vendor.ask(task).json())


def deliveries(box):
    return box.ok("GET", "/deliveries")["deliveries"]


def offsets(box):
    """Seconds from the end of the task at which each delivery was first due."""
    return [row["attempts"][0]["due"] - row["created_at"] for row in deliveries(box)]


def test_duplicate(vendor, box, receiver):
    submit(vendor, receiver, "callback_duplicate")
    box.advance(until="idle")
    one, two = receiver.got
    assert one.body == two.body
    assert offsets(box) == [0, 1]


def test_concurrent_duplicate(vendor, box, receiver):
    """Both are under way at the same time: neither is answered before the other has come."""
    both = threading.Barrier(2)

    def plan(got):
        both.wait(PATIENCE)
        return accept(got)

    receiver.plan = plan
    submit(vendor, receiver, "callback_concurrent")
    box.advance(until="idle")
    one, two = receiver.got
    assert one.body == two.body
    assert [row["state"] for row in deliveries(box)] == ["acknowledged"] * 2


def test_before_the_submission_is_answered(vendor, box, receiver):
    """When the callback comes the task can be asked for already, and its submission is still unanswered."""
    seen, answered = [], threading.Event()

    def plan(got):
        task = vendor.task_in(got.json)
        seen.append((answered.is_set(), polled(vendor, task) == got.json))
        return accept(got)

    receiver.plan = plan
    task = submit(vendor, receiver, "callback_before_answer")
    answered.set()
    assert seen == [(False, True)]
    assert [vendor.task_in(body) for body in receiver.bodies()] == [task]
    box.advance(until="idle")
    assert len(receiver.got) == 1


def test_before_the_submission_is_answered_through_wsgi(system, account, receiver):
    """The same through the other asgi_app, for servers of others."""
    body = {
        "model": "image-face-swap",
        "callback_url": receiver.url(),
        "input": {"image_url": "https://errors.invalid/callback_before_answer", "new_face": PHOTO},
    }
    answer = system.app.test_client().post(
        "/api/v1/client/job/CreateTask", json=body, headers={"x-api-key": account.crun.key}
    )
    assert [body["task_id"] for body in receiver.bodies()] == [answer.json["data"]["task_id"]]


def test_late(vendor, box, receiver):
    submit(vendor, receiver, "callback_late")
    box.advance(by="10m")
    assert receiver.got == []
    box.advance(by="10m")
    assert len(receiver.got) == 1
    assert offsets(box) == [600]


def test_out_of_order(vendor, box, receiver):
    task = submit(vendor, receiver, "callback_out_of_order")
    box.advance(until="idle")
    end, start = receiver.bodies()
    assert end == polled(vendor, task)
    assert vendor.task_in(start) == task
    assert vendor.phase_in(start) != vendor.phase_in(end)
    assert offsets(box) == [0, 1]


def test_out_of_order_where_every_change_is_told(make_account, receiver):
    account = make_account(variants={"crun": {"callback_events": "all"}})
    account.swap(receiver.url(), "https://errors.invalid/callback_out_of_order")
    account.advance(until="idle")
    assert [body["status"] for body in receiver.bodies()] == ["success", "running"]


def test_contradicting_the_poll(vendor, box, receiver):
    task = submit(vendor, receiver, "callback_contradicts")
    box.advance(until="idle")
    (told,) = receiver.bodies()
    assert vendor.task_in(told) == task
    assert vendor.phase_in(told) != vendor.phase_in(polled(vendor, task))


def test_truncated(vendor, box, receiver):
    """The first attempt breaks off half-way; a receiver that refuses it gets the whole body at the first retry."""

    def plan(got):
        try:
            json.loads(got.body)
        except ValueError:
            return 400
        return accept(got)

    receiver.plan = plan
    task = submit(vendor, receiver, "callback_truncated")
    box.advance(until="idle")
    broken, whole = receiver.got
    assert whole.body.startswith(broken.body)
    assert len(broken.body) == len(whole.body) // 2
    assert whole.json == polled(vendor, task)


def codes(value):
    if isinstance(value, dict):
        return [item for name, item in value.items() if name == "code"] + [c for v in value.values() for c in codes(v)]
    return []


def test_a_code_of_the_wrong_type(vendor, box, receiver):
    """A provider without an envelope has no codes, and no such scenario."""
    if vendor.name == "facely":
        assert vendor.code_of(vendor.send("https://errors.invalid/callback_wrong_code_type")) == "422"
        return
    task = submit(vendor, receiver, "callback_wrong_code_type")
    box.advance(until="idle")
    told, right = codes(receiver.bodies()[0]), codes(polled(vendor, task))
    assert right
    assert [str(code) for code in told] == [str(code) for code in right]
    assert [type(code) for code in told] == [int if isinstance(code, str) else str for code in right]


def test_forged(vendor, box, receiver):
    """Beside the true one comes another, of the same form, for a task that nobody knows."""
    task = submit(vendor, receiver, "callback_forged")
    box.advance(until="idle")
    told = {vendor.task_in(body) for body in receiver.bodies()}
    (forged,) = told - {task}
    assert len(told) == 2
    assert len(forged) == len(task)
    assert vendor.knows(task)
    assert not vendor.knows(forged)


def test_a_forged_one_of_img_open_names_no_known_id_of_the_callers_either(account, receiver):
    account.imgopen.fuse(["https://errors.invalid/callback_forged"], PHOTO, own_id="mine-1", callbackUrl=receiver.url())
    account.advance(until="idle")
    true, forged = sorted(
        (body["data"]["businessTaskId"] for body in receiver.bodies()), key=lambda own: own != "mine-1"
    )
    assert true == "mine-1"
    assert account.imgopen.refused("tool/face/fusion/queryTask", {"businessTaskId": forged})["code"] == "404"


def test_never(vendor, box, receiver):
    task = submit(vendor, receiver, "callback_never")
    box.advance(until="idle")
    assert receiver.got == []
    (row,) = deliveries(box)
    assert (row["task"], row["state"], row["attempts"]) == (task, "withheld", [])
    assert vendor.knows(task)


def test_the_scenario_of_a_sandbox_does_the_same(make_account, receiver):
    account = make_account(scenario="callback_duplicate")
    account.swap(receiver.url())
    account.advance(until="idle")
    assert len(receiver.got) == 2


def test_adversities_have_stable_names(account, receiver):
    """The deliveries carry the name of what went wrong with them, and the same ids every time."""
    account.swap(receiver.url(), "https://errors.invalid/callback_forged")
    account.advance(until="idle")
    assert [(row["id"], row["adversity"]) for row in account.deliveries()] == [("d1", "forged"), ("d2", "forged")]


def test_the_list_of_them_is_served(account):
    rows = requests.get(f"{account.base_url}/__admin/scenarios", timeout=10)
    assert rows.status_code == 200, rows.text
    assert rows.text.count("callback_") >= 10
