"""A real browser on a page of another origin: each attack fails, each legitimate use works."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Error, Page, sync_playwright

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.media import Face
from swapmock.mock_server.media.clip import Clip
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import System, build
from swapmock.mock_server.web.server import LiveServer
from tests.conftest import KEY, START, CrunClient

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.early]

FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP evil.example 127.0.0.1",  # a name server of the attacker that says what it likes
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip

ADMIN = "/__admin/sandboxes/default"
RULE = {"effect": {"status": 503}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the whole run, for no other module needs one. Playwright keeps an event loop running in this thread
    until its end, and other tests of the same worker want one of their own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


class Elsewhere(BaseHTTPRequestHandler):
    """A server on another port of loopback, with an empty page. It notes who posts to it."""

    posted: list[bytes]

    def do_GET(self) -> None:
        body = b"<!doctype html><title>elsewhere</title>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.posted.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def elsewhere() -> Iterator[tuple[str, list[bytes]]]:
    """The base URL of that server, and the bodies that were posted to it."""
    posted: list[bytes] = []
    handler = type("Handler", (Elsewhere,), {"posted": posted})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", posted
        server.shutdown()


@pytest.fixture
def page(browser: Browser, elsewhere: tuple[str, list[bytes]]) -> Iterator[Page]:
    """A page of another origin than the emulator's."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(elsewhere[0])
        yield page


def state(system: System) -> bytes:
    """All that the default sandbox holds, its journal aside, which notes each download."""
    with system.app.test_client() as client:
        client.delete(f"{ADMIN}/journal")
        found: Any = client.get(f"{ADMIN}/snapshot").json
        found["state"]["numbers"].pop("exchange", None)
        return json.dumps(found).encode()


def call(page: Page, script: str, *values: Any) -> Any:
    """The result of an async function of `values`, or the text "failed" if it throws."""
    text = f"async (values) => {{ try {{ return await ({script})(...values) }} catch (error) {{ return 'failed' }} }}"
    return page.evaluate(text, list(values))


FETCH = (
    "async (url, options) => { const answer = await fetch(url, options); return [answer.type, await answer.text()] }"
)
BLIND = "async (url, body) => { await fetch(url, {method: 'POST', mode: 'no-cors', body}); return 'sent' }"

#: Ways in which a page sends a POST that needs no preflight.
BLIND_POSTS = {
    "a blob without a type": "(url, text) => fetch(url, {method: 'POST', mode: 'no-cors', body: new Blob([text])})",
    "text": "(url, text) => fetch(url, {method: 'POST', mode: 'no-cors', body: text})",
    "a beacon": "async (url, text) => { navigator.sendBeacon(url, text); await new Promise(r => setTimeout(r, 300)) }",
    "a form": """async (url, text) => {
        const form = document.createElement('form'), field = document.createElement('input')
        const frame = document.createElement('iframe')
        Object.assign(frame, {name: 'target'}); document.body.append(frame)
        Object.assign(form, {action: url, method: 'POST', enctype: 'text/plain', target: 'target'})
        const [name, value] = [text.slice(0, -1) + ',"x":"', '"}']
        Object.assign(field, {name, value}); form.append(field); document.body.append(form)
        form.submit(); await new Promise(r => setTimeout(r, 300)) }""",
}


class TestAttacks:
    @pytest.mark.parametrize("way", BLIND_POSTS)
    def test_a_fault_cannot_be_planted(self, page: Page, server: LiveServer, system: System, way: str) -> None:
        before = state(system)
        call(page, BLIND_POSTS[way], f"{server.url}{ADMIN}/faults", json.dumps(RULE))
        assert state(system) == before

    @pytest.mark.parametrize("verb", ["reset", "faults", "ledger/grant", "clock/advance"])
    def test_nothing_is_wiped_or_granted(
        self, page: Page, server: LiveServer, system: System, crun: CrunClient, verb: str
    ) -> None:
        """With a body of no type, without one, and by a method that needs a preflight."""
        crun.create("z-image", {"prompt": "a"})
        before = state(system)
        url = f"{server.url}{ADMIN}/{verb}"
        call(page, BLIND_POSTS["a blob without a type"], url, '{"credits": 5, "seconds": 5}')
        call(page, BLIND, url, "")
        for method in ("POST", "DELETE", "PUT"):
            options = {"method": method, "body": "{}", "headers": {"Content-Type": "application/json"}}
            assert call(page, FETCH, url, options) == "failed"
        assert state(system) == before

    @pytest.mark.parametrize("way", BLIND_POSTS)
    def test_a_crafted_snapshot_sends_nothing_to_another_port(
        self,
        page: Page,
        server: LiveServer,
        system: System,
        elsewhere: tuple[str, list[bytes]],
        way: str,
        crun: CrunClient,
    ) -> None:
        url, posted = elsewhere
        crun.create("z-image", {"prompt": "a"}, callback_url=f"{url}/owned")
        crafted = state(system).decode()
        assert f"{url}/owned" in crafted
        requests.post(f"{server.url}{ADMIN}/reset", timeout=10)
        before = state(system)
        call(page, BLIND_POSTS[way], f"{server.url}{ADMIN}/restore", crafted)
        requests.post(f"{server.url}{ADMIN}/clock/advance", json={"seconds": 60}, timeout=30)
        assert posted == []
        assert b"owned" not in state(system)
        assert b"owned" not in before

    @pytest.mark.parametrize("path", ["/", "/__admin", "/__admin/sandboxes", "/__admin/sandboxes/default/har"])
    def test_nothing_is_read(self, page: Page, server: LiveServer, path: str) -> None:
        assert call(page, FETCH, server.url + path, {}) == "failed"
        assert call(page, FETCH, server.url + path, {"mode": "no-cors"}) in ("failed", ["opaque", ""])

    @pytest.mark.parametrize("path", ["/", "/__admin", "/__admin/sandboxes"])
    def test_no_frame_shows_a_page(self, page: Page, server: LiveServer, path: str) -> None:
        page.evaluate(
            """url => new Promise(done => { const frame = document.createElement('iframe')
            frame.onload = done; frame.src = url; document.body.append(frame) })""",
            server.url + path,
        )
        assert page.frames[1].url == "chrome-error://chromewebdata/"

    @pytest.mark.parametrize("path", ["/", "/__admin/sandboxes", f"{ADMIN}/journal", "/api/v1/client/models"])
    def test_a_name_that_is_bound_to_loopback_reads_nothing(self, page: Page, server: LiveServer, path: str) -> None:
        """DNS rebinding: for the browser it is one origin."""
        port = server.url.rpartition(":")[2]
        answer = page.goto(f"http://evil.example:{port}{path}")
        assert answer is not None
        assert answer.status == 403
        assert call(page, FETCH, f"http://evil.example:{port}/__admin/sandboxes", {})[1].count("allow-host") == 1

    def test_the_vendors_are_not_called_without_being_asked(self, page: Page, server: LiveServer) -> None:
        for options in ({}, {"headers": {"x-api-key": KEY}}):
            assert call(page, FETCH, f"{server.url}/api/v1/client/account/balance", options) == "failed"

    @pytest.mark.parametrize(
        ("ending", "content_type"),
        [(".svg", "image/svg+xml"), (".html", "text/html"), (".xml", "text/xml"), (".bin", "application/octet-stream")],
    )
    def test_an_uploaded_script_does_not_run(
        self, page: Page, crun: CrunClient, server: LiveServer, system: System, ending: str, content_type: str
    ) -> None:
        attack = f"fetch('{server.url}{ADMIN}/reset', {{method: 'POST'}})"
        active = f'<svg xmlns="http://www.w3.org/2000/svg"><script>{attack}</script></svg>'
        link = crun.call("GET", "files/upload-url", params={"ext": ending, "content_type": content_type}).json()
        if link["code"] != 200:  # the vendor takes no such file
            assert link["code"] == 422
            return
        data = link["data"]
        sent = requests.put(data["presigned_url"], active.encode(), headers={"Content-Type": content_type}, timeout=10)
        assert sent.ok
        before = state(system)
        with pytest.raises(Error, match=r"Download is starting|ERR_ABORTED"):
            page.goto(data["file_url"])
        page.evaluate(
            """url => { for (const kind of ['iframe', 'embed', 'object', 'script']) {
            const element = document.createElement(kind); element.src = element.data = url; document.body.append(element) } }""",
            data["file_url"],
        )
        page.wait_for_timeout(300)
        assert state(system) == before


@pytest.fixture
def video_url(crun: CrunClient) -> str:
    task = crun.create(
        "video-face-swap", {"video_url": "https://example.com/a.mp4", "new_face": "https://example.com/b.png"}
    )
    crun.time.advance(120)
    return str(crun.info(task)["result"]["media_urls"][0])


@pytest.fixture
def picture_url(crun: CrunClient) -> str:
    task = crun.create(
        "image-face-swap", {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
    )
    crun.time.advance(60)
    return str(crun.info(task)["result"]["media_urls"][0])


PLAYS = """video => new Promise((done, failed) => {
    video.muted = true; video.onerror = () => failed('error ' + video.error.code)
    video.ontimeupdate = () => { if (video.currentTime > 0) done(video.videoWidth) }
    setTimeout(() => failed('time-out'), 15000); video.play() })"""


SEEKS = """(video, second) => new Promise((done, failed) => {
    video.pause(); video.onseeked = () => done([video.currentTime, video.readyState >= 2]); video.onerror = failed
    video.currentTime = second; setTimeout(() => failed('time-out'), 15000) })"""


class TestUses:
    def test_a_page_uploads_a_file_and_reads_it_back(self, page: Page, crun: CrunClient) -> None:
        link = crun.data("GET", "files/upload-url", params={"ext": ".png", "content_type": "image/png"})
        script = """async (put, get) => {
            const body = new Uint8Array([137, 80, 78, 71])
            const sent = await fetch(put, {method: 'PUT', headers: {'Content-Type': 'image/png'}, body})
            const found = await fetch(get)
            return [sent.status, found.headers.get('content-type'), [...new Uint8Array(await found.arrayBuffer())]] }"""
        assert call(page, script, link["presigned_url"], link["file_url"]) == [200, "image/png", [137, 80, 78, 71]]

    def test_a_page_draws_a_result_on_a_canvas_and_reads_it(self, page: Page, picture_url: str) -> None:
        script = """async url => {
            const image = new Image(); image.crossOrigin = 'anonymous'; image.src = url; await image.decode()
            const canvas = document.createElement('canvas'); canvas.width = canvas.height = 8
            canvas.getContext('2d').drawImage(image, 0, 0, 8, 8)
            return canvas.toDataURL().slice(0, 15) }"""
        assert call(page, script, picture_url) == "data:image/png;"

    @pytest.mark.parametrize("settings", [{"cors": ("*",)}], indirect=True)
    def test_a_page_calls_the_api(self, page: Page, server: LiveServer) -> None:
        script = """async (url, key) => {
            const headers = {'x-api-key': key, 'Content-Type': 'application/json'}
            const body = JSON.stringify({model: 'z-image', input: {prompt: 'a'}})
            const made = await (await fetch(url + '/job/CreateTask', {method: 'POST', headers, body})).json()
            const refused = await fetch(url + '/job/TaskInfo?task_id=x', {headers})
            return [made.code, refused.status, (await refused.json()).code] }"""
        assert call(page, script, f"{server.url}/api/v1/client", KEY) == [200, 404, 404]
        assert call(page, FETCH, f"{server.url}/__admin/sandboxes", {}) == "failed"

    def test_with_its_origin_named_a_page_uses_the_admin_api(
        self, page: Page, elsewhere: tuple[str, list[bytes]], browser: Browser
    ) -> None:
        from swapmock import Emulator

        with Emulator(admin_origin=(elsewhere[0],)) as emulator:
            options = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": json.dumps(RULE)}
            kind, text = call(page, FETCH, f"{emulator.url}{ADMIN}/faults", options)
            assert (kind, json.loads(text)["effect"]) == ("cors", RULE["effect"])

    def test_a_video_plays_where_it_is_embedded(self, page: Page, video_url: str) -> None:
        page.evaluate(
            "url => { const v = document.createElement('video'); v.src = url; document.body.append(v) }", video_url
        )
        assert page.eval_on_selector("video", PLAYS) > 0

    def test_a_video_plays_where_it_is_opened(self, page: Page, video_url: str) -> None:
        page.goto(video_url)
        assert page.eval_on_selector("video", PLAYS) > 0

    def test_a_video_can_be_sought(self, page: Page, video_url: str) -> None:
        page.evaluate(
            "url => { const v = document.createElement('video'); v.src = url; document.body.append(v) }", video_url
        )
        assert page.eval_on_selector("video", PLAYS) > 0
        seek = """video => new Promise((done, failed) => {
            video.pause(); video.onseeked = () => done(video.currentTime); video.onerror = failed
            video.currentTime = video.duration / 2; setTimeout(() => failed('time-out'), 15000) })"""
        assert page.eval_on_selector("video", seek) > 0
        assert page.eval_on_selector("video", "video => video.seekable.length && video.seekable.end(0)") > 0

    @pytest.mark.parametrize("place", ["memory", "folder"])
    def test_an_uploaded_video_is_sought_to_a_second_by_sendfile(
        self, page: Page, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sent: list[int] = []
        sendfile = os.sendfile

        def counted(*args: Any) -> int:
            sent.append(sendfile(*args))
            return sent[-1]

        monkeypatch.setattr(os, "sendfile", counted)
        content = b"".join(Clip((Face("a", 0),), 640, 360, 8, 24).read())
        settings = Settings(data_dir=tmp_path if place == "folder" else None)
        with LiveServer(build(settings).asgi_app) as live:
            crun = CrunClient(live.url, ManualTime(START))
            link = crun.data("GET", "files/upload-url", params={"ext": ".mp4", "content_type": "video/mp4"})
            requests.put(link["presigned_url"], content, headers={"Content-Type": "video/mp4"}, timeout=30)
            url = link["file_url"]
            page.evaluate(
                "url => { const v = document.createElement('video'); v.src = url; document.body.append(v) }", url
            )
            assert page.eval_on_selector("video", PLAYS) == 640
            for second in (6, 1, 4):
                told = page.eval_on_selector("video", SEEKS, second)
                assert told == [second, True]
            assert len(content) > 1 << 18
            assert sum(sent) > 0
            whole = requests.get(url, timeout=30)
            part = requests.get(url, headers={"Range": f"bytes=1000-{len(content) - 2}"}, timeout=30)
        assert (whole.content, part.content) == (content, content[1000:-1])

    def test_a_picture_is_shown_where_it_is_opened(self, page: Page, picture_url: str) -> None:
        page.goto(picture_url)
        assert page.eval_on_selector("img", "image => image.decode().then(() => image.naturalWidth)") > 0

    @pytest.mark.parametrize("path", ["/", "/__admin", "/__admin/sandboxes"])
    def test_a_link_on_another_page_opens_ours(self, page: Page, server: LiveServer, path: str) -> None:
        with page.expect_navigation() as navigation:
            page.evaluate("url => { location.href = url }", server.url + path)
        assert navigation.value.status == 200
