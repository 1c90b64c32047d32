"""What is copied as a test passes as it is: each snippet of a run is pasted into a file and run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from swapmock import Emulator
from tests.inspector.conftest import PICTURE, Reader, Story, crun, imgopen, run_both
from tests.npm.packed import Packed

pytestmark = [pytest.mark.early, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def copied(emulator: Emulator, story: Story) -> list[tuple[str, str]]:
    """Kind and id of everything that can be copied: of the run of both providers, and of a sandbox with special answers."""
    special = emulator.sandbox(
        id="special", clock="frozen", balance=3, prefer_header=True, variants={"crun": {"http_status": "code"}}
    )
    base = special.base_url
    for headers in ({}, {"x-api-key": "ak_wrong"}, {**special.headers("crun"), "prefer": "code=500"}):
        requests.get(f"{base}/api/v1/client/account/balance", headers=headers, timeout=10)
    crun(special, "POST", "job/CreateTask", json={"model": "image-face-swap", "input": PICTURE})
    crun(special, "POST", "job/CreateTask", json={"model": "image-face-swap", "input": PICTURE})  # too few credits
    special.grant(100)
    magic = {**PICTURE, "image_url": "https://faces.invalid/0.png"}
    crun(special, "POST", "job/CreateTask", json={"model": "image-face-swap", "input": magic})
    special.add_fault({"status": 503, "raw": {"text": "<h1>gone</h1>"}}, times=1, id="gone")
    requests.get(f"{base}/api/v1/client/account/balance", headers=special.headers("crun"), timeout=10)
    special.delete_fault("gone")
    requests.post(
        f"{base}/api/v1/client/job/CreateTask",
        data='{"model": \'',
        headers={**special.headers("crun"), "content-type": "application/json"},
        timeout=10,
    )
    link = crun(special, "GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})["data"]
    requests.put(link["presigned_url"], bytes(range(256)), headers={"content-type": "image/png"}, timeout=10)
    crun(special, "POST", "job/detect-face-image", json={"image_url": link["file_url"]})
    detection = crun(special, "POST", "job/detect-face-image", json={"image_url": "https://faces.invalid/2.png"})[
        "data"
    ]
    special.advance(10)
    found = crun(special, "GET", "job/detect-face-result", params={"detect_task_id": detection["detect_task_id"]})[
        "data"
    ]["result"]
    faces = [{"face_id": 0, "target": found["faces"][1]["link"]}]
    chosen = {"detect_id": found["id"], "image_url": "https://faces.invalid/2.png", "faces": faces}
    crun(special, "POST", "job/CreateTask", json={"model": "image-face-swap-multi", "input": chosen})
    special.change(rate_limit={"calls": 0, "seconds": 5, "retry_after": "seconds"})
    crun(special, "GET", "account/balance")
    special.change(rate_limit=None)
    imgopen(special, "tool/faceFusion/queryTask", {"businessTaskId": "nobody"})
    rows = []
    for sandbox in (story.sandbox, special):
        rows += [(sandbox.id, "requests", row["id"]) for row in sandbox.requests(limit=1000)]
        rows += [(sandbox.id, "tasks", row["id"]) for row in sandbox.tasks(limit=1000)]
        rows += [(sandbox.id, "deliveries", row["id"]) for row in sandbox.deliveries(limit=1000)]
    return [
        (f"{sandbox}_{kind}_{name}", f"/__admin/ui/sandboxes/{sandbox}/{kind}/{name}/copy")
        for sandbox, kind, name in rows
    ]


def clean(**more: str) -> dict[str, str]:
    given = {
        name: value for name, value in os.environ.items() if not name.startswith(("SWAPMOCK_", "CRUN_", "IMGOPEN_"))
    }
    return {**given, **more}


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.long)])
def test_each_is_a_test_that_passes_as_it_is(copied: Any, reader: Reader, tmp_path: Path, step: int) -> None:
    """Each, or every fourth of them."""
    copied = copied[::step]
    for name, path in copied:
        text = reader.get(f"{path}/pytest").text
        assert "cannot be repeated" not in text, (name, text)
        plain = re.sub(r"\W", "_", name)
        (tmp_path / f"test_{plain}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "no:cacheprovider",
        "-c",
        os.devnull,
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=350, env=clean(), cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:]
    assert f"{len(copied)} passed" in done.stdout


@pytest.mark.long
@pytest.mark.needs("npm", "node")
def test_a_sample_is_a_test_for_vitest_that_passes_as_it_is(
    copied: Any, reader: Reader, npm_package: Packed, tmp_path: Path
) -> None:
    copied = copied[:: max(1, len(copied) // 12)]  # each file starts a process of its own
    project = tmp_path
    (project / "package.json").write_text('{"name": "foreign", "private": true, "type": "module"}')
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    install = ["npm", "install", "--no-audit", "--no-fund", str(npm_package.file), "vitest@3"]
    done = subprocess.run(install, cwd=project, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    for name, path_of in copied:
        plain = re.sub(r"\W", "_", name)
        (project / f"{plain}.test.ts").write_text(reader.get(f"{path_of}/vitest").text)
    with Emulator() as shared:
        environment = clean(PATH=path, SWAPMOCK_URL=shared.url)
        done = subprocess.run(
            ["npx", "vitest", "run"],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
            check=False,
        )
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert re.search(rf"Tests\s+{len(copied)} passed", re.sub(r"\x1b\[\d+m", "", done.stdout))


@pytest.mark.needs("curl", "jq")
def test_curl_sends_the_same_again(story: Story, reader: Reader, tmp_path: Path) -> None:
    for name in ("violation", "swap", "fusion", "unmatched"):
        exchange = story.ids["created"] if name == "swap" else story.ids[name]
        text = reader.get(f"/__admin/ui/sandboxes/demo/requests/{exchange}/copy/curl").text
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stderr
        before = requests.get(f"{story.url}/__admin/sandboxes/demo/requests/{exchange}", timeout=10).json()
        again = story.sandbox.requests(limit=1000)[-1] if before["operation"] else None
        assert f"HTTP/1.1 {before['status']}" in done.stdout
        if again is not None:
            assert (again["operation"], again["code"]) == (before["operation"], before["code"])
            assert again["request"]["body"] == before["request"]["body"]


def test_no_shell_runs_what_a_client_sent(emulator: Emulator, reader: Reader, tmp_path: Path) -> None:
    target = tmp_path / "owned"
    evil = f"$(touch {target})`touch {target}`';touch {target};'\"\n\ttouch {target}"
    with emulator.sandbox(clock="frozen") as sandbox:
        one_line = evil.replace("\n", " ")
        headers = {**sandbox.headers("crun"), "x-note": one_line, "content-type": "application/json"}
        requests.post(
            f"{sandbox.base_url}/api/v1/client/{evil}",
            json={evil: evil},
            headers=headers,
            params={"a": evil},
            timeout=10,
        )
        crun(sandbox, "POST", "job/detect-face-image", json={"image_url": f"https://example.com/{evil}", evil: 1})
        names = [row["id"] for row in sandbox.requests()]
        assert len(names) == 2
        for name in names:
            path = f"/__admin/ui/sandboxes/{sandbox.id}/requests/{name}/copy"
            subprocess.run(
                ["bash", "-c", reader.get(f"{path}/curl").text], capture_output=True, timeout=30, check=False
            )
            compile(reader.get(f"{path}/pytest").text, "snippet", "exec")
        assert not target.exists()


EXPORTS = [
    ("tasks", "swap"),
    ("tasks", "failed"),
    ("requests", "violation"),
    ("requests", "cut"),
    ("deliveries", "delivery"),
]


@pytest.mark.parametrize(("kind", "name"), EXPORTS)
def test_an_export_is_one_file_that_needs_nothing_else(story: Story, reader: Reader, kind: str, name: str) -> None:
    answer = reader.get(f"/__admin/ui/sandboxes/demo/{kind}/{story.ids[name]}/export")
    assert answer.headers["content-disposition"].startswith("attachment;")
    for text in ("<script", "<link", "<button", "<a ", "<form", 'src="/', 'src="http'):
        assert text not in answer.text, text
    assert story.ids[name] in answer.text
    assert story.sandbox.key("crun") not in answer.text


def test_an_exported_task_has_its_pictures(story: Story, reader: Reader) -> None:
    text = reader.get(f"/__admin/ui/sandboxes/demo/tasks/{story.ids['swap']}/export").text
    assert "data:image/" in text


def test_a_run_is_exported(emulator: Emulator, reader: Reader) -> None:
    run = emulator.add_run("check", {"exit_code": 0, "targets": []})
    answer = reader.get(f"/__admin/ui/runs/{run['id']}/export")
    assert (answer.status_code, "No rule is broken." in answer.text) == (200, True)


def test_two_runs_are_alike(emulator: Emulator, story: Story) -> None:
    """The ids follow from the seed, so that a report about one run is a report about the other."""
    with Emulator(journal_size=20_000) as other:
        assert run_both(other).ids == story.ids
