"""Callback faults: one scenario each, for both providers, and what a receiver then sees."""

import json
import threading

import pytest
import requests

from tests.receivers import PATIENCE, accept

PHOTO = "https://faces.invalid/2.png"


class Crun:
    """crun.ai as these stories need it."""

    name = "crun"

    def __init__(self, account):
        self.account = account

    def submit(self, url, scenario):
        return self.account.swap(url, f"https://errors.invalid/{scenario}")

    def polled(self, task):
        return self.account.crun.info(task)

    def told_task(self, body):
        return body["task_id"]

    def outcome(self, body):
        return body["status"]

    def knows(self, task):
        answer = self.account.crun.call("GET", "job/TaskInfo", params={"task_id": task})
        return answer.json()["code"] == 200


class ImgOpen:
    """Img Open, asked for a face fusion."""

    name = "imgopen"

    def __init__(self, account):
        self.account = account

    def submit(self, url, scenario):
        return self.account.imgopen.fuse([f"https://errors.invalid/{scenario}"], PHOTO, callbackUrl=url)["taskId"]

    def polled(self, task):
        return {"code": "200", "msg": "success", "data": self.account.imgopen.query("face/fusion", task)}

    def told_task(self, body):
        return body["data"]["taskId"]

    def outcome(self, body):
        return body["data"]["status"]

    def knows(self, task):
        answer = self.account.imgopen.call("tool/face/fusion/queryTask", {"businessTaskId": task})
        return answer.json()["code"] == "200"


@pytest.fixture(params=[Crun, ImgOpen], ids=lambda provider: provider.name)
def vendor(request, account):
    return request.param(account)


def offsets(account):
    """Seconds from the end of the task at which each delivery was first due."""
    return [row["attempts"][0]["due"] - row["created_at"] for row in account.deliveries()]


def test_duplicate(vendor, account, receiver):
    vendor.submit(receiver.url(), "callback_duplicate")
    account.advance(until="idle")
    one, two = receiver.got
    assert one.body == two.body
    assert offsets(account) == [0, 1]


def test_concurrent_duplicate(vendor, account, receiver):
    """Both are under way at the same time: neither is answered before the other has come."""
    both = threading.Barrier(2)

    def plan(got):
        both.wait(PATIENCE)
        return accept(got)

    receiver.plan = plan
    vendor.submit(receiver.url(), "callback_concurrent")
    account.advance(until="idle")
    one, two = receiver.got
    assert one.body == two.body
    assert [row["state"] for row in account.deliveries()] == ["acknowledged"] * 2


def test_before_the_submission_is_answered(vendor, account, receiver):
    """When the callback comes the task can be asked for already, and its submission is still unanswered."""
    seen, answered = [], threading.Event()

    def plan(got):
        task = vendor.told_task(got.json)
        seen.append((answered.is_set(), vendor.polled(task) == got.json))
        return accept(got)

    receiver.plan = plan
    task = vendor.submit(receiver.url(), "callback_before_answer")
    answered.set()
    assert seen == [(False, True)]
    assert [vendor.told_task(body) for body in receiver.bodies()] == [task]
    account.advance(until="idle")
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


def test_late(vendor, account, receiver):
    vendor.submit(receiver.url(), "callback_late")
    account.advance(by="10m")
    assert receiver.got == []
    account.advance(by="10m")
    assert len(receiver.got) == 1
    assert offsets(account) == [600]


def test_out_of_order(vendor, account, receiver):
    task = vendor.submit(receiver.url(), "callback_out_of_order")
    account.advance(until="idle")
    end, start = receiver.bodies()
    assert end == vendor.polled(task)
    assert vendor.told_task(start) == task
    assert vendor.outcome(start) != vendor.outcome(end)
    assert offsets(account) == [0, 1]


def test_out_of_order_where_every_change_is_told(make_account, receiver):
    account = make_account(variants={"crun": {"callback_events": "all"}})
    account.swap(receiver.url(), "https://errors.invalid/callback_out_of_order")
    account.advance(until="idle")
    assert [body["status"] for body in receiver.bodies()] == ["success", "running"]


def test_contradicting_the_poll(vendor, account, receiver):
    task = vendor.submit(receiver.url(), "callback_contradicts")
    account.advance(until="idle")
    (told,) = receiver.bodies()
    polled = vendor.polled(task)
    assert vendor.told_task(told) == task
    assert vendor.outcome(told) != vendor.outcome(polled)


def test_truncated(vendor, account, receiver):
    """The first attempt breaks off half-way; a receiver that refuses it gets the whole body at the first retry."""

    def plan(got):
        try:
            json.loads(got.body)
        except ValueError:
            return 400
        return accept(got)

    receiver.plan = plan
    task = vendor.submit(receiver.url(), "callback_truncated")
    account.advance(until="idle")
    broken, whole = receiver.got
    assert whole.body.startswith(broken.body)
    assert len(broken.body) == len(whole.body) // 2
    assert whole.json == vendor.polled(task)


def codes(value):
    if isinstance(value, dict):
        return [item for name, item in value.items() if name == "code"] + [c for v in value.values() for c in codes(v)]
    return []


def test_a_code_of_the_wrong_type(vendor, account, receiver):
    task = vendor.submit(receiver.url(), "callback_wrong_code_type")
    account.advance(until="idle")
    told, right = codes(receiver.bodies()[0]), codes(vendor.polled(task))
    assert right
    assert [str(code) for code in told] == [str(code) for code in right]
    assert [type(code) for code in told] == [int if isinstance(code, str) else str for code in right]


def test_forged(vendor, account, receiver):
    """Beside the true one comes another, of the same form, for a task that nobody knows."""
    task = vendor.submit(receiver.url(), "callback_forged")
    account.advance(until="idle")
    told = {vendor.told_task(body) for body in receiver.bodies()}
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
    assert not ImgOpen(account).knows(forged)


def test_never(vendor, account, receiver):
    task = vendor.submit(receiver.url(), "callback_never")
    account.advance(until="idle")
    assert receiver.got == []
    row = account.delivery()
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
