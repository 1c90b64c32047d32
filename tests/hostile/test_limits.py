"""What is bounded says so when the bound is reached, and works again below it."""

from __future__ import annotations

import errno
import os
from typing import Any

import pytest

from mock_server.settings import SettingError, Settings
from mock_server.web.build import build

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
URL = {"image_url": "https://example.com/a.png"}


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


@pytest.mark.parametrize("settings", [{"max_sandboxes": 4}], indirect=True)
def test_sandboxes(server):
    import requests

    admin = f"{server.url}/__admin/sandboxes"
    made = [requests.post(admin, json={}, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert "--max-sandboxes" in made[2].json()["detail"]
    requests.delete(f"{admin}/{made[0].json()['id']}", timeout=10)
    assert requests.post(admin, json={}, timeout=10).status_code == 201


@pytest.mark.parametrize("settings", [{"max_body": 2000}], indirect=True)
def test_bodies(crun):
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": "https://example.com/" + "a" * 2000})
    assert (refused["http"], refused["errors"]) == (413, ["body: larger than 2000 bytes"])
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


@pytest.mark.parametrize("settings", [{"max_upload": 1000}], indirect=True)
def test_uploads(crun):
    assert upload(crun)[0].status_code == 200
    refused, _ = upload(crun, bytes(1001))
    assert refused.status_code == 413


class TestFullDisk:
    @pytest.fixture
    def settings(self, tmp_path):
        return Settings(data_dir=tmp_path)

    def test_it_refuses_keeps_nothing_and_recovers(self, crun, tmp_path, monkeypatch):
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
        assert (refused.status_code, refused.json()["code"]) == (500, 500)
        assert requests.get(address, timeout=10).status_code == 404
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        kept, address = upload(crun)
        assert kept.status_code == 200
        assert requests.get(address, timeout=10).content == PNG


@pytest.mark.parametrize(
    "name", ["max_body", "max_upload", "max_tasks", "max_sandboxes", "max_headers", "max_connections"]
)
def test_a_bound_that_is_none_is_refused(name):
    make: Any = Settings
    with pytest.raises(SettingError, match=f"--{name.replace('_', '-')}: 0 is not between"):
        make(**{name: 0})


def test_bounds_hold_for_the_command_line_too():
    assert build(Settings(max_tasks=7)).engine.max_tasks == 7
