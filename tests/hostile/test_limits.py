"""What is bounded says so when the bound is reached, and works again below it."""

from __future__ import annotations

import errno
import os
from threading import Thread
from typing import Any
from xml.etree import ElementTree

import pytest

from swapmock.mock_server.core.delivery import SendResult
from swapmock.mock_server.engine.concurrency import ConcurrencyLimit
from swapmock.mock_server.settings import SettingError, Settings
from swapmock.mock_server.web.build import build
from tests.control import Admin

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
URL = {"image_url": "https://example.com/a.png"}


@pytest.fixture
def admin(server):
    return Admin(server.url)


@pytest.fixture
def box(admin):
    """A sandbox with a still clock."""
    return admin.sandbox(clock="frozen")


@pytest.mark.parametrize("settings", [{"max_tasks": 3}], indirect=True)
class TestTasks:
    def test_a_full_sandbox_refuses_and_takes_no_money(self, crun, other_crun):
        for _ in range(3):
            crun.detect(URL["image_url"])
        balance = crun.balance()
        made = {"model": "image-face-swap", "input": {**URL, "new_face": "https://example.com/b.png"}}
        for path, body in (("job/detect-face-image", URL), ("job/CreateTask", made)):
            refused = crun.refused("POST", path, json=body)
            assert (refused["code"], refused["message"]) == (429, "the sandbox holds 3 tasks; --max-tasks allows more")
        assert crun.balance() == balance
        assert other_crun.detect(URL["image_url"])


@pytest.mark.parametrize("settings", [{"max_tasks_bytes": 1000}], indirect=True)
def test_bytes_of_tasks(crun, other_crun):
    made = {"model": "image-face-swap", "input": {**URL, "new_face": "https://example.com/b.png", "more": "x" * 500}}
    assert crun.data("POST", "job/CreateTask", json=made)
    refused = crun.refused("POST", "job/CreateTask", json=made)
    assert refused["code"] == 429
    assert "bytes of tasks; --max-tasks-bytes allows more" in refused["message"]
    assert crun.detect(URL["image_url"])
    assert other_crun.data("POST", "job/CreateTask", json=made)


@pytest.mark.parametrize("settings", [{"max_sandboxes": 4}], indirect=True)
def test_sandboxes(server):
    import requests

    admin = f"{server.url}/__admin/sandboxes"
    made = [requests.post(admin, json={}, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert "--max-sandboxes" in made[2].json()["detail"]
    requests.delete(f"{admin}/{made[0].json()['id']}", timeout=10)
    assert requests.post(admin, json={}, timeout=10).status_code == 201


def test_a_body_that_breaks_a_rule_a_hundred_thousand_times(crun):
    """One of them is told: all of them made an answer of 50 MB, and held the server up for 15 seconds."""
    body = {"model": "image-face-swap-multi", "input": {**URL, "detect_id": "d", "faces": [{}] * 100_000}}
    refused = crun.refused("POST", "job/CreateTask", json=body)
    assert refused["code"] == 422
    assert [error.rpartition(": ")[2] for error in refused["errors"]] == ["Field required"]


@pytest.mark.parametrize("settings", [{"max_body": 2000}], indirect=True)
def test_bodies(crun):
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": "https://example.com/" + "a" * 2000})
    assert (refused["http"], refused["errors"]) == (413, ["body: larger than 2000 bytes; --max-body allows more"])
    assert crun.detect(URL["image_url"])


@pytest.mark.parametrize("settings", [{"journal_size": 5}], indirect=True)
def test_the_journal_forgets_its_oldest_and_says_so(crun, system):
    for _ in range(9):
        crun.balance()
    with system.engine.store.open("default") as box:
        assert (len(box.records()), box.dropped()) == (5, 4)


def upload(crun, content=PNG):
    """The answer to an upload, and the address of the file."""
    import requests

    given = crun.data("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})
    answer = requests.put(given["presigned_url"], content, headers={"content-type": "image/png"}, timeout=10)
    return answer, given["file_url"]


def code_of(answer):
    """The error code in the XML of the store."""
    return ElementTree.fromstring(answer.content).findtext("Code")


@pytest.mark.parametrize("settings", [{"max_upload": 1000}], indirect=True)
def test_uploads(crun):
    assert upload(crun)[0].status_code == 200
    refused, _ = upload(crun, bytes(1001))
    assert (refused.status_code, code_of(refused)) == (400, "EntityTooLarge")


class TestControl:
    """How much the admin API may add to a sandbox."""

    def test_faults(self, admin, box, monkeypatch):
        monkeypatch.setattr("swapmock.mock_server.admin.faults.MAX_RULES", 2)
        rule = {"effect": {"code": 429}}
        for _ in range(2):
            box.ok("POST", "/faults", rule)
        assert box.refused(409, "POST", "/faults", rule)["detail"] == "there are 2 faults already; delete some first"
        assert box.ok("DELETE", "/faults")["cleared"] == {"faults": 2}
        made = box.ok("POST", "/faults", rule)
        large = {"effect": {"code": 429, "message": "x" * 70_000}}
        assert "65536 bytes" in box.refused(413, "POST", "/faults", large)["detail"]
        assert [fault["id"] for fault in box.ok("GET", "/faults")["faults"]] == [made["id"]]

    def test_queued_outcomes(self, box, monkeypatch):
        monkeypatch.setattr("swapmock.mock_server.admin.scenario_queue.MAX_QUEUED", 5)
        box.ok("POST", "/scenarios", {"scenario": ["fails", "slow"], "times": 2})
        refused = box.refused(409, "POST", "/scenarios", {"scenario": ["fails", "slow"]})
        assert refused["detail"] == "the queue may hold 5 scenarios; 4 wait already, and this request adds 2"
        assert len(box.ok("POST", "/scenarios", {"scenario": "slow"})["queue"]) == 5
        box.ok("DELETE", "/scenarios")
        box.ok("POST", "/scenarios", {"scenario": "slow"})

    def test_entries_by_hand(self, box, monkeypatch):
        monkeypatch.setattr("swapmock.mock_server.admin.ledger.MAX_MANUAL_ENTRIES", 2)
        box.ok("POST", "/ledger/grant", {"amount": 1})
        box.ok("PATCH", "", {"balance": 5})
        for method, path, body in (
            ("POST", "/ledger/grant", {"amount": 1}),
            ("PATCH", "", {"balance": 7, "labels": {"a": "b"}}),
        ):
            assert "2 manual entries" in box.refused(409, method, path, body)["detail"]
        here = box.ok("GET", "")
        assert (here["balance"]["available"], here["labels"]) == (5, {})
        box.swapped()
        box.ok("POST", "/reset")
        box.ok("POST", "/ledger/grant", {"amount": 1})

    def test_redeliveries(self, box, monkeypatch):
        monkeypatch.setattr("swapmock.mock_server.admin.tasks.MAX_ATTEMPTS", 3)
        box.swapped(callback_url="http://127.0.0.1:9/")
        box.advance(by="60s")
        (delivery,) = box.ok("GET", "/deliveries")["deliveries"]
        path = f"/deliveries/{delivery['id']}"
        for _ in range(3 - len(delivery["attempts"])):
            box.ok("POST", f"{path}/redeliver")
        assert "has 3 attempts" in box.refused(409, "POST", f"{path}/redeliver")["detail"]
        assert len(box.ok("GET", path)["attempts"]) == 3

    @pytest.mark.parametrize(
        "labels",
        [{str(n): "" for n in range(101)}, {"name": "x" * 1001}, {"x" * 201: "name"}],
        ids=["many", "long", "names"],
    )
    def test_labels(self, admin, labels):
        assert admin.refused(400, "POST", "/sandboxes", {"labels": labels})["errors"]
        saved = admin.ok("POST", "/sandboxes/default/snapshot")
        saved["sandbox"]["labels"] = labels
        (pointer,) = admin.pointers("POST", "/sandboxes/default/restore", saved)
        assert pointer.startswith("/sandbox/labels")

    def test_a_snapshot_brings_no_more_than_may_be(self, box, monkeypatch):
        box.swapped()
        box.ok("POST", "/faults", {"effect": {"code": 429}})
        box.ok("POST", "/scenarios", {"scenario": "slow"})
        saved = box.ok("GET", "/snapshot")
        box.ok("POST", "/restore", saved)
        monkeypatch.setattr("swapmock.mock_server.admin.faults.MAX_RULES", 0)
        monkeypatch.setattr("swapmock.mock_server.admin.scenario_queue.MAX_QUEUED", 0)
        found = {error["detail"] for error in box.refused(400, "POST", "/restore", saved)["errors"]}
        assert found == {
            "has 1 faults; a sandbox may hold 0",
            "has 1 queued scenarios; a sandbox may hold 0",
        }

    @pytest.mark.parametrize("settings", [{"max_sandboxes": 3}], indirect=True)
    def test_a_copy_is_a_sandbox_too(self, box):
        assert "--max-sandboxes" in box.refused(409, "POST", "/fork", {})["detail"]


def test_a_code_that_a_client_makes_up_is_no_label_for_ever(crun, server, monkeypatch):
    import requests

    monkeypatch.setattr("swapmock.mock_server.adapters.meter.MOST_LABELS", 5)
    requests.patch(f"{server.url}/__admin/sandboxes/default", json={"prefer_header": True}, timeout=10)
    for code in range(1000, 1020):
        crun.call("GET", "account/balance", headers={"Prefer": f"code={code}, message=x"})
    text = requests.get(f"{server.url}/__admin/metrics", timeout=10).text
    lines = [line for line in text.splitlines() if line.startswith("swapmock_requests_total")]
    assert next(line for line in lines if 'code="other"' in line).endswith(" 15.0")
    assert len(lines) == 6


def test_hosts_that_are_slow_are_forgotten_in_the_end(monkeypatch):
    monkeypatch.setattr("swapmock.mock_server.engine.concurrency.SLOW_HOSTS_KEPT", 2)
    limit, slow = ConcurrencyLimit(per_host=2, in_all=4), SendResult(None, timed_out=True)
    for host in ("a", "b"):
        assert limit.acquire(host)
        limit.release(host, slow)
    assert [limit.acquire(host) for host in ("a", "b", "a", "c")] == [True, True, False, True]
    limit.release("c", slow)  # now a is not slow any more
    assert [limit.acquire(host) for host in ("a", "c", "b")] == [True, True, False]


def link(crun):
    return crun.call("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})


@pytest.fixture(params=["memory", "folder"])
def small(request, tmp_path):
    """Settings that leave room for three files of 300 bytes together."""
    kept = {"data_dir": tmp_path} if request.param == "folder" else {}
    return Settings(max_files=3, max_files_bytes=300, **kept)


class TestFiles:
    @pytest.fixture
    def settings(self, small):
        return small

    def test_a_full_sandbox_gives_no_link_until_one_has_ended(self, crun, other_crun, time):
        for _ in range(3):
            assert link(crun).status_code == 200
        refused = crun.refused("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})
        assert (refused["code"], refused["message"]) == (429, "the sandbox holds 3 files; --max-files allows more")
        assert link(other_crun).status_code == 200
        time.advance(900)
        assert link(crun).status_code == 200

    def test_bytes_are_counted_together_and_those_of_a_new_version_in_place_of_the_old(self, crun):
        import requests

        kept, _ = upload(crun, bytes(200))
        given = link(crun).json()["data"]
        headers = {"content-type": "image/png"}
        refused = requests.put(given["presigned_url"], bytes(101), headers=headers, timeout=10)
        assert (kept.status_code, refused.status_code, code_of(refused)) == (200, 403, "QuotaExceeded")
        assert "the sandbox holds at most 300 bytes of files; --max-files-bytes allows more" in refused.text
        assert requests.get(given["file_url"], timeout=10).status_code == 404
        for size in (100, 99, 100):
            answer = requests.put(given["presigned_url"], bytes(size), headers=headers, timeout=10)
            assert answer.status_code == 200

    def test_an_expired_file_makes_room_and_is_nowhere_any_more(self, crun, time, system, tmp_path):
        _, address = upload(crun, bytes(300))
        name = address.rpartition("/")[2]
        assert upload(crun, b"x")[0].status_code == 403
        time.advance(14 * 86_400)
        assert upload(crun, bytes(299))[0].status_code == 200
        assert system.engine.store.owner(name) is None
        assert system.engine.blobs.get(f"default/{name}") is None
        assert sum(path.is_file() for path in tmp_path.rglob("*")) in (0, 1)

    def test_a_link_that_was_never_used_is_refused_as_ended_after_it_was_forgotten(self, crun, time):
        import requests

        given = link(crun).json()["data"]
        time.advance(900)
        for _ in range(2):
            late = requests.put(given["presigned_url"], PNG, headers={"content-type": "image/png"}, timeout=10)
            assert late.status_code == 403
            assert link(crun).status_code == 200

    def test_an_upload_leaves_nothing_behind_in_a_sandbox_that_is_dropped_meanwhile(self, box, system, monkeypatch):
        import requests

        engine, kept = system.engine, []
        dropping = Thread(target=engine.drop, args=(box.id,))
        put = engine.blobs.put

        def slowly(key, content):
            dropping.start()
            dropping.join(0.1)
            put(key, content)
            kept.append(key)

        monkeypatch.setattr(engine.blobs, "put", slowly)
        params = {"ext": ".png", "content_type": "image/png"}
        given = box.crun("GET", "files/upload-url", params=params).json()["data"]
        headers = {"content-type": "image/png"}
        assert requests.put(given["presigned_url"], PNG, headers=headers, timeout=10).status_code == 200
        dropping.join()
        assert [engine.blobs.get(key) for key in kept] == [None]
        assert requests.put(given["presigned_url"], PNG, headers=headers, timeout=10).status_code == 403

    def test_a_reset_makes_room(self, crun, server):
        import requests

        assert upload(crun, bytes(300))[0].status_code == 200
        requests.post(f"{server.url}/__admin/sandboxes/default/reset", timeout=10)
        assert upload(crun, bytes(300))[0].status_code == 200


class TestFullDisk:
    @pytest.fixture
    def settings(self, tmp_path):
        return Settings(data_dir=tmp_path)

    def test_a_folder_that_cannot_be_emptied_leaves_the_sandbox_as_it_is(self, crun, server, system, monkeypatch):
        import requests

        def drop(_):
            raise OSError(errno.EROFS, "Read-only file system")

        kept, address = upload(crun)
        monkeypatch.setattr(system.engine.blobs, "drop", drop)
        sandbox = f"{server.url}/__admin/sandboxes/default"
        refused = requests.post(f"{sandbox}/reset", timeout=10)
        assert refused.status_code == 500
        assert "Read-only file system" in refused.json()["detail"]
        assert kept.status_code == 200
        assert requests.get(address, timeout=10).content == PNG

    def test_it_refuses_keeps_nothing_and_recovers(self, crun, tmp_path, monkeypatch, caplog):
        import requests

        class Full:
            def __init__(self, handle, mode):
                os.close(handle)

            def __enter__(self):
                return self

            def __exit__(self, *_):
                return None

            def write(self, content):
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fdopen", Full)
        refused, address = upload(crun)
        monkeypatch.undo()
        assert (refused.status_code, code_of(refused)) == (500, "InternalError")
        assert "put_upload failed: [Errno 28] No space left on device" in caplog.text
        assert requests.get(address, timeout=10).status_code == 404
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        kept, address = upload(crun)
        assert kept.status_code == 200
        assert requests.get(address, timeout=10).content == PNG


@pytest.mark.parametrize(
    "name",
    [
        "max_body",
        "max_upload",
        "max_bodies_bytes",
        "max_unread_bytes",
        "max_tasks",
        "max_tasks_bytes",
        "max_files",
        "max_files_bytes",
        "max_sandboxes",
        "max_headers",
        "max_connections",
    ],
)
def test_a_bound_that_is_none_is_refused(name):
    make: Any = Settings
    with pytest.raises(SettingError, match=f"--{name.replace('_', '-')}: 0 is not between"):
        make(**{name: 0})


def test_bounds_hold_for_the_command_line_too():
    assert build(Settings(max_tasks=7)).engine.max_tasks == 7
