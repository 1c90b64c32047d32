"""Files as HTTP resources: through the live server and any WSGI server, with validators, ranges, journal and HAR."""

import hashlib
import json
import shutil
import subprocess
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
import requests
from werkzeug.test import Client

from swapmock import Emulator
from swapmock.mock_server.web.build import build

START = {"mode": "frozen", "start": "2025-01-02T00:00:00Z"}
UPLOADED = bytes(range(256)) * 1200


@pytest.fixture(scope="module")
def emulator():
    with Emulator() as live:
        yield live


@pytest.fixture(scope="module")
def box(emulator):
    with emulator.sandbox(clock=START, seed=7) as made:
        yield made


def api(box, emulator, method, path, **more):
    url = f"{emulator.url}/api/v1/client/{path}"
    return requests.request(method, url, headers=box.headers("crun"), timeout=30, **more).json()["data"]


def made_links(box, emulator):
    """Kind of file -> its link."""
    detection = api(box, emulator, "POST", "job/detect-face-image", json={"image_url": "https://faces.invalid/2.png"})
    swap = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
    tasks = [
        api(box, emulator, "POST", "job/CreateTask", json={"model": model, "input": given})["task_id"]
        for model, given in (
            ("image-face-swap", swap),
            ("bytedance/seedance2-0-fast-r2v", {"prompt": "x", "duration": 5, "resolution": "480p"}),
        )
    ]
    box.advance(120)
    faces = api(box, emulator, "GET", "job/detect-face-result", params=detection)["result"]["faces"]
    face = next(value for value in faces[0].values() if str(value).startswith("http"))
    picture, video = (
        api(box, emulator, "GET", "job/TaskInfo", params={"task_id": task})["result"]["media_urls"][0] for task in tasks
    )
    upload = api(box, emulator, "GET", "files/upload-url", params={"content_type": "video/mp4", "ext": ".mp4"})
    stored = requests.put(upload["presigned_url"], data=UPLOADED, headers={"Content-Type": "video/mp4"}, timeout=30)
    assert stored.headers["ETag"] == f'"{hashlib.md5(UPLOADED).hexdigest()}"'
    preview = api(box, emulator, "GET", "job/vidu-templates")["templates"][0]["video"]
    return {"face": face, "picture": picture, "video": video, "upload": upload["file_url"], "preview": preview}


@pytest.fixture(scope="module")
def links(box, emulator):
    return made_links(box, emulator)


KINDS = ("face", "picture", "video", "upload", "preview")


def ask(url, method="GET", **headers):
    link = urlsplit(url)
    connection = HTTPConnection(link.netloc, timeout=30)
    connection.request(method, link.path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, [pair for pair in answer.getheaders() if pair[0] != "date"], body


@pytest.mark.parametrize("kind", KINDS)
def test_head_has_every_header_of_get(links, kind):
    got, headed = ask(links[kind]), ask(links[kind], "HEAD")
    assert (headed[0], headed[1], headed[2]) == (200, got[1], b"")
    assert dict(got[1])["content-length"] == str(len(got[2]))


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_are_parts_of_the_same_file(links, kind):
    _, headers, whole = ask(links[kind])
    etag = dict(headers)["etag"]
    for asked, span in (
        ("0-1", slice(0, 2)),
        (f"{len(whole) // 2}-", slice(len(whole) // 2, None)),
        ("-500", slice(-500, None)),
    ):
        status, headers, part = ask(links[kind], Range=f"bytes={asked}", If_Range=etag)
        assert (status, part, dict(headers)["etag"]) == (206, whole[span], etag)
    assert ask(links[kind], Range=f"bytes={len(whole)}-")[0] == 416
    assert ask(links[kind], Range="bytes=0-1", If_Range='"other"')[0] == 200


@pytest.mark.parametrize("kind", KINDS)
def test_conditions(links, kind):
    headers = dict(ask(links[kind])[1])
    status, again, body = ask(links[kind], If_None_Match=headers["etag"])
    assert (status, body, dict(again)["etag"]) == (304, b"", headers["etag"])
    assert "content-length" not in dict(again)
    assert ask(links[kind], If_Modified_Since=headers["last-modified"])[0] == 304
    assert ask(links[kind], If_Match='"other"')[0] == 412
    assert ask(links[kind], "POST")[0] == 405


def test_validators_are_facts_of_the_file(links):
    """In sandbox time: the ends of the tasks, the moment of the upload."""
    shown = {kind: dict(ask(links[kind])[1])["last-modified"] for kind in KINDS}
    assert shown == {
        "face": "Thu, 02 Jan 2025 00:00:01 GMT",
        "picture": "Thu, 02 Jan 2025 00:00:06 GMT",
        "video": "Thu, 02 Jan 2025 00:00:12 GMT",
        "upload": "Thu, 02 Jan 2025 00:02:00 GMT",
        "preview": "Wed, 01 Jan 2020 00:00:00 GMT",
    }


def test_they_are_the_same_after_a_restart_a_restore_and_a_fork(box, emulator, links):
    def validators(found):
        headers = {kind: dict(ask(url)[1]) for kind, url in found.items()}
        return {kind: (row["etag"], row["last-modified"], row["content-length"]) for kind, row in headers.items()}

    before = validators(links)
    saved = box.snapshot()
    with Emulator() as other, other.sandbox(clock=START, seed=7) as again:
        assert validators(made_links(again, other)) == before
    with Emulator() as other, other.sandbox() as restored:
        restored.restore(saved)
        assert validators({kind: url.replace(emulator.url, other.url) for kind, url in links.items()}) == before
    fork = box.fork()
    box.reset()
    try:
        assert validators(links) == before
    finally:
        fork.delete()
        box.restore(saved)


def test_a_file_is_never_younger_than_its_answer(emulator):
    with emulator.sandbox(clock="real") as live:
        task = api(
            live, emulator, "POST", "job/CreateTask",
            json={"model": "image-face-swap", "input": {"image_url": "https://example.com/a", "new_face": "https://example.com/b"}},
        )["task_id"]  # fmt: skip
        live.advance("2h")
        url = api(live, emulator, "GET", "job/TaskInfo", params={"task_id": task})["result"]["media_urls"][0]
        found = [requests.get(url, timeout=30).headers for _ in range(2)]
        assert found[0]["last-modified"] == found[1]["last-modified"]
        from email.utils import parsedate_to_datetime as read

        assert read(found[0]["last-modified"]) <= read(found[0]["date"])


def test_the_journal_and_har_tell_of_each_transfer(box, emulator, links):
    ask(links["upload"], Range="bytes=256-511")
    record = box.journal(operation="download_upload")[-1]
    assert record["transfer"] == {
        "length": len(UPLOADED),
        "digest": hashlib.sha256(UPLOADED).hexdigest(),
        "range": f"bytes 256-511/{len(UPLOADED)}",
        "sent": 256,
    }
    ask(links["video"])
    record = box.journal(operation="download_media")[-1]
    assert record["transfer"]["sent"] == record["transfer"]["length"] > 400_000
    assert record["task"]
    body = ask(links["video"])[2]
    assert record["transfer"]["digest"] == hashlib.sha256(body).hexdigest()
    (put,) = box.journal(operation="put_upload")
    assert (put["transfer"]["length"], put["transfer"]["sent"]) == (len(UPLOADED), len(UPLOADED))
    entry = box.har()["log"]["entries"][-1]
    content = entry["response"]["content"]
    assert (entry["response"]["bodySize"], content["size"]) == (len(body), len(body))
    assert (content["encoding"], len(content["text"])) == ("base64", 1368)
    assert f"sha-256 {hashlib.sha256(body).hexdigest()}" in content["comment"]
    assert f"{len(body)} bytes of a body" in str(box.why(record["id"])["chain"])


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("GET", {"Range": "bytes=0-1"}, 206),
        ("GET", {"Range": "bytes=0-1,5-9"}, 206),
        ("GET", {"Range": "bytes=99999999-"}, 416),
        ("GET", {"If-Match": '"x"'}, 412),
        ("GET", {"If-None-Match": "*"}, 304),
    ],
)
def test_har_has_the_sizes_of_what_was_answered(box, links, method, headers, status):
    answer = requests.request(method, links["picture"], headers=headers, timeout=30)
    assert answer.status_code == status
    response = box.har()["log"]["entries"][-1]["response"]
    assert (response["content"]["size"], response["bodySize"]) == (len(answer.content), len(answer.content))


def test_metrics_wait_and_windows_see_downloads(emulator, box, links):
    before = len(box.journal(operation="download_media"))
    ask(links["picture"])
    assert len(box.wait_for_requests(before + 1, operation="download_media")) > before
    assert 'operation="download_media"' in emulator.metrics()
    box.change(download_rate_limit={"calls": 1, "seconds": 60, "retry_after": "seconds"})
    try:
        assert [ask(links["picture"])[0] for _ in range(2)] == [200, 429]
        assert api(box, emulator, "GET", "account/balance")["balance"] > 0
    finally:
        box.change(download_rate_limit=None)


def test_a_wsgi_server_gives_the_same_bytes(links):
    system = build()
    client = Client(system.app)
    key = {"x-api-key": "ak_swapmock000000000000000000000000"}
    asked = client.get("/api/v1/client/files/upload-url?content_type=video/mp4&ext=.mp4", headers=key)
    made = json.loads(asked.data)["data"]
    link = urlsplit(made["presigned_url"])
    stored = client.put(f"{link.path}?{link.query}", data=UPLOADED, headers={"Content-Type": "video/mp4"})
    assert stored.status_code == 200
    answer = client.get(urlsplit(made["file_url"]).path, headers={"Range": "bytes=5-"})
    assert (answer.status_code, answer.data) == (206, UPLOADED[5:])
    ours = {name: value for name, value in ask(links["upload"], Range="bytes=5-")[1] if name != "last-modified"}
    assert {
        name.lower(): value for name, value in answer.headers if name.lower() not in ("last-modified", "date")
    } == ours
    assert client.get("/media/x/0.png").status_code == 404
    assert client.post("/media/x/0.png").status_code == 405


def test_a_page_of_another_origin_may_read_files(links):
    headers = ask(links["picture"], Origin="https://example.com")[1]
    assert [value for name, value in headers if name == "access-control-allow-origin"] == ["*"]
    status, headers, _ = ask(
        links["upload"], "OPTIONS", Origin="https://a.example", Access_Control_Request_Method="GET"
    )
    assert (status, dict(headers)["access-control-allow-origin"]) == (204, "*")


@pytest.mark.needs("curl")
def test_curl_resumes_and_checks_again(links, tmp_path):
    def curl(*more):
        command = [shutil.which("curl"), "-sS", "--max-time", "30", "-o", str(tmp_path / "file"), *more, links["video"]]
        subprocess.run(command, check=True, capture_output=True)

    whole = ask(links["video"])[2]
    curl("-r", "0-99999")
    assert (tmp_path / "file").read_bytes() == whole[:100_000]
    curl("-C", "-")
    assert (tmp_path / "file").read_bytes() == whole
    curl("--etag-save", str(tmp_path / "etag"))
    (tmp_path / "file").write_bytes(b"")
    curl("--etag-compare", str(tmp_path / "etag"))
    assert (tmp_path / "file").read_bytes() == b""
    curl("-z", "Thu, 02 Jan 2025 00:00:12 GMT")
    assert (tmp_path / "file").read_bytes() == b""
    curl("-z", "Thu, 02 Jan 2025 00:00:11 GMT")
    assert (tmp_path / "file").read_bytes() == whole
