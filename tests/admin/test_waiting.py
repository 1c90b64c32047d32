"""Blocking until something has happened: each condition, time running out, and what happens to who waits."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from swapmock import Emulator
from tests.control import PICTURE, Admin


@pytest.fixture(scope="module")
def emulator():
    """On real time: waiting is about that."""
    with Emulator(speed=100) as emulator:
        yield emulator


@pytest.fixture
def live(emulator):
    return Admin(emulator.url)


def waits(box, condition):
    """The answer to a wait, to be had from the future that is returned."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(box.admin.call, "POST", f"{box.path}/wait", condition)
    pool.shutdown(wait=False)
    return future


def test_for_requests_to_an_operation(live):
    box = live.sandbox()
    waiting = waits(box, {"requests": {"operation": "detect_face_image", "count": 2}, "timeout": 20})
    for _ in range(2):
        assert not waiting.done()
        box.crun("GET", "account/balance")
        box.crun("POST", "job/detect-face-image", {"image_url": PICTURE})
    answer = waiting.result(20)
    assert answer.status_code == 200
    assert answer.json()["met"] is True
    assert answer.json()["detail"] == ["x2", "x4"]


@pytest.mark.parametrize(
    ("wanted", "met"),
    [({"code": 200}, True), ({"code": "200"}, True), ({"status": 200}, True), ({"code": 500}, False),
     ({"provider": "crun"}, True), ({"provider": "imgopen"}, False), ({"task": "nobody"}, False), ({}, True)],
)  # fmt: skip
def test_for_requests_of_a_kind(live, wanted, met):
    box = live.sandbox()
    box.crun("GET", "account/balance")
    answer = live.call("POST", f"{box.path}/wait", {"requests": wanted, "timeout": 0.05})
    assert answer.status_code == (200 if met else 408)


def test_for_a_tasks_state(live):
    box = live.sandbox(clock="scaled(50)")
    task = box.swapped()
    for status in ("success", "succeeded"):
        answer = box.ok("POST", "/wait", {"task": {"id": task, "status": status}, "timeout": 20})
        assert answer["detail"] == {"task": task, "status": "succeeded"}


def test_for_a_deliverys_end(live):
    box = live.sandbox(clock="scaled(1000)", variants={"crun": {"callback_ladder": "short"}})
    task = box.swapped(callback_url="http://127.0.0.1:9/")
    answer = box.ok("POST", "/wait", {"delivery": {"task": task}, "timeout": 20})
    assert answer["detail"] == [{"delivery": "d1", "status": "dead"}]
    assert box.ok("POST", "/wait", {"delivery": {"id": "d1", "status": "dead"}})["met"] is True
    problem = box.refused(408, "POST", "/wait", {"delivery": {"status": "acknowledged"}, "timeout": 0.05})
    assert "d1 is dead" in problem["detail"]


def test_those_who_wait_keep_nobody_else_waiting_and_leave_their_places(monkeypatch):
    monkeypatch.setattr("swapmock.mock_server.web.asgi.MOST_WAITERS", 2)
    body = b'{"requests": {"count": 99}, "timeout": 300}'
    head = "POST /__admin/sandboxes/default/wait HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    asked = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with Emulator() as emulator, ExitStack() as held:
        admin = Admin(emulator.url)
        address = urlsplit(emulator.url)
        for _ in range(5):
            client = held.enter_context(socket.create_connection((address.hostname, address.port), 10))
            client.sendall(asked)
        assert admin.call("GET", "/metrics").status_code == 200
        wanted = {"requests": {"count": 99}, "timeout": 0.01}
        refused = admin.call("POST", "/sandboxes/default/wait", wanted)
        assert (refused.status_code, refused.json()["detail"]) == (
            503,
            "2 calls wait already; one of them has to end first",
        )
        held.close()
        waited = refused
        while waited.status_code == 503:  # until the server has noticed that they have left
            waited = admin.call("POST", "/sandboxes/default/wait", wanted)
        assert waited.status_code == 408


def test_time_runs_out(live):
    box = live.sandbox(clock="frozen")
    task = box.swapped()
    problem = box.refused(408, "POST", "/wait", {"task": {"id": task, "status": "success"}, "timeout": 0.1})
    assert f"task {task} is queued" in problem["detail"]
    problem = box.refused(408, "POST", "/wait", {"requests": {"count": 5}, "timeout": 0})
    assert "1 of 5 requests arrived" in problem["detail"]
    problem = box.refused(408, "POST", "/wait", {"task": {"id": "nobody", "status": "success"}, "timeout": 0})
    assert "no task 'nobody'" in problem["detail"]


def test_others_get_on_while_somebody_waits(live):
    box = live.sandbox(clock="frozen")
    task = box.swapped()
    waiting = [waits(box, {"task": {"id": task, "status": "success"}, "timeout": 30}) for _ in range(20)]
    for _ in range(10):
        assert box.crun("GET", "account/balance").elapsed.total_seconds() < 5
    assert not any(future.done() for future in waiting)
    box.advance(until="idle")
    assert [future.result(20).status_code for future in waiting] == [200] * 20


def test_a_sandbox_that_is_deleted_ends_the_waiting(live):
    box = live.sandbox(clock="frozen")
    waiting = waits(box, {"requests": {"count": 5}, "timeout": 60})
    box.ok("DELETE")
    assert waiting.result(10).status_code == 404


def test_deleted_while_it_is_used(live):
    """Whoever comes too late hears 401 from the vendor and 404 from the admin API; nobody hears 500."""
    for _ in range(10):
        box = live.sandbox()
        with ThreadPoolExecutor(8) as pool:
            used = [pool.submit(box.swap) for _ in range(8)]
            asked = [pool.submit(live.call, "GET", f"{box.path}/journal") for _ in range(4)]
            deleted = [pool.submit(live.call, "DELETE", box.path) for _ in range(2)]
        assert {future.result().status_code for future in used} <= {200, 401}
        assert {future.result().status_code for future in asked} <= {200, 404}
        assert sorted(future.result().status_code for future in deleted) == [200, 404]


@pytest.mark.parametrize(
    ("condition", "pointers"),
    [
        ({}, [""]),
        ({"timeout": 1}, [""]),
        ({"requests": {}, "task": {"id": "x", "status": "success"}}, [""]),
        ({"requests": {"count": 0}}, ["/requests/count"]),
        ({"requests": {"operation": "make"}}, ["/requests/operation"]),
        ({"requests": {"provider": "acme"}}, ["/requests/provider"]),
        ({"task": {"id": "x"}}, ["/task/status"]),
        ({"requests": {}, "timeout": -1}, ["/timeout"]),
        ({"requests": {}, "timeout": 301}, ["/timeout"]),
        ({"moon": {}}, ["/moon"]),
    ],
)
def test_bad_conditions(live, condition, pointers):
    assert live.sandbox().pointers("POST", "/wait", condition) == pointers


def test_a_status_that_does_not_exist(live):
    box = live.sandbox()
    task = box.swapped()
    assert box.pointers("POST", "/wait", {"task": {"id": task, "status": "cooked"}}) == ["/task/status"]


def test_switching_a_clock_on_sends_what_was_waiting(live):
    """Callbacks do not wait for the next look round: one is due at once when a still clock begins to run."""
    box = live.sandbox(clock="frozen")
    box.swapped(callback_url="http://127.0.0.1:9/")
    box.ok("PATCH", "/clock", {"mode": "scaled", "rate": 100000})
    answer = box.ok("POST", "/wait", {"delivery": {}, "timeout": 3})
    assert answer["waited"] < 3
    assert box.ok("GET", "/why/d1")["deliveries"][0]["state"] == "dead"
