"""The pages in a real browser: every panel on a run of both providers, light and dark, on a phone, by keyboard, live.

Each test that looks at a panel leaves a screenshot in `screenshots/`, which git ignores. With SWAPMOCK_PICTURES=1 the pictures of
the documentation (`docs/images/`) are made anew from these.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from swapmock import Emulator
from tests.inspector.conftest import PICTURE, Story, crun, run_both
from tests.inspector.test_pages import CHECK, CONFORM

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.early, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "screenshots"
PICTURES = ROOT / "docs" / "images"
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]  # fmt: skip

#: The pictures of the documentation: file name -> the panel.
SHOWN = {
    "inspector-now": "now",
    "inspector-exchange": "violation",
    "inspector-task": "task",
    "inspector-media": "media",
}

#: The most bytes of one of them.
LARGEST = 150_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def story(emulator: Emulator) -> Story:
    """The run of both providers, with verdicts of both kinds."""
    made = run_both(emulator)
    emulator.add_run("check", CHECK)
    made.ids["run"] = emulator.add_run("conform", CONFORM)["id"]
    return made


def panels(story: Story) -> dict[str, str]:
    """Every kind of page: a name, and its path."""
    own, ids = story.path, story.ids
    return {
        "home": "/__admin",
        "now": own(),
        "ledger": own("/ledger"),
        "exchanges": own("/requests"),
        "violation": own(f"/requests/{ids['violation']}"),
        "cut": own(f"/requests/{ids['cut']}"),
        "task": own(f"/tasks/{ids['swap']}"),
        "failed": own(f"/tasks/{ids['failed']}"),
        "deliveries": own("/deliveries"),
        "delivery": own(f"/deliveries/{ids['dead']}"),
        "media": own("/media"),
        "try": own("/try"),
        "rows": own("/try?operation=crun:create_task&form=image-face-swap-multi"),
        "inbox": own("/inbox"),
        "verdicts": "/__admin/runs",
        "verdict": f"/__admin/runs/{ids['run']}",
        "copy": f"/__admin/ui/sandboxes/demo/requests/{ids['polled']}/copy",
        "missing": own("/tasks/none"),
    }


NAMES = ["home", "now", "ledger", "exchanges", "violation", "cut", "task", "failed", "deliveries", "delivery", "media", "try",
         "rows", "inbox", "verdicts", "verdict", "copy", "missing"]  # fmt: skip

#: Panels that together have every kind of element: the clock and rows of tasks, an exchange with its request, a form.
TYPICAL = {"now", "violation", "rows"}


class Watched:
    """A page that notes what it logs and what it loads from elsewhere."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("console", lambda message: self._said(message.type, message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._loads(request.url, url))

    def _said(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") and "404" not in text:
            self.problems.append(text)

    def _loads(self, loaded: str, own: str) -> None:
        if not loaded.startswith((f"{own}/", "data:", "blob:")):
            self.problems.append(f"loaded {loaded}")


def opened(context: BrowserContext, story: Story, name: str) -> Page:
    page = context.new_page()
    page.goto(story.url + panels(story)[name])
    page.wait_for_function("document.readyState === 'complete'")
    return page


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, from its npm package."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on PATH")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        ["npm", "pack", "axe-core@4"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode and os.environ.get("CI") != "true":
        pytest.skip("npm reaches no registry")
    assert done.returncode == 0, done.stderr
    (file,) = folder.glob("*.tgz")
    with tarfile.open(file) as archive:
        script = archive.extractfile("package/axe.min.js")
        assert script is not None
        return script.read().decode()


def violations(page: Page, axe: str, *rules: str) -> list[str]:
    """What axe-core finds on a page, with the elements: by all its rules, or by some."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    options = {"runOnly": list(rules)} if rules else {}
    found = page.evaluate("async options => (await axe.run(document, options)).violations", options)
    return [
        f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}" for one in found for node in one["nodes"]
    ]


@pytest.fixture(scope="module")
def watched(browser: Browser, story: Story) -> Iterator[Watched]:
    """One page for all panels, into which axe-core can be put."""
    with browser.new_context(viewport=WINDOW, bypass_csp=True) as context:
        yield Watched(context.new_page(), story.url)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in TYPICAL else pytest.mark.long) for name in NAMES]
)
def test_a_panel_is_sound(watched: Watched, story: Story, axe: str, name: str) -> None:
    """In light and dark, at 400 %, which is 320 pixels wide in a window of 1280, as on a phone: nothing is cut off (WCAG
    1.4.10), axe-core finds nothing, nothing comes from elsewhere."""
    page = watched.page
    watched.problems.clear()
    SCREENSHOTS.mkdir(exist_ok=True)
    page.set_viewport_size(WINDOW)
    page.emulate_media(color_scheme="light")
    page.goto(story.url + panels(story)[name])
    page.wait_for_function("document.readyState === 'complete'")
    for picture, panel in SHOWN.items():
        if panel == name and os.environ.get("SWAPMOCK_PICTURES"):
            write_picture(page, PICTURES / f"{picture}.webp")
    page.screenshot(path=SCREENSHOTS / f"{name}-light.png", full_page=name not in ("try", "rows"))
    assert violations(page, axe) == []
    page.emulate_media(color_scheme="dark")
    page.screenshot(path=SCREENSHOTS / f"{name}-dark.png", full_page=name not in ("try", "rows"))
    assert violations(page, axe, "color-contrast") == []
    page.set_viewport_size({"width": 320, "height": 640})
    page.screenshot(path=SCREENSHOTS / f"{name}-phone.png", full_page=True)
    assert page.evaluate(CUT_OFF) == []
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    assert violations(page, axe, "color-contrast", "target-size", "scrollable-region-focusable") == []
    assert watched.problems == []


WINDOW: Any = {"width": 1280, "height": 860}

#: What reaches beyond the right edge of the window.
CUT_OFF = """() => [...document.querySelectorAll('body *')].filter(one => one.getBoundingClientRect().right > innerWidth + 1
    && getComputedStyle(one).visibility !== 'hidden' && !one.closest('.unseen, .skip, thead, dialog, pre, .magic'))
    .map(one => one.outerHTML.slice(0, 120))"""


def write_picture(page: Page, path: Path) -> None:
    """A picture of the documentation: the window, as WebP."""
    from io import BytesIO

    from PIL import Image

    path.parent.mkdir(exist_ok=True)
    Image.open(BytesIO(page.screenshot())).save(path, quality=84, method=6)


CHINESE = ("now", "violation", "task", "rows")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n == "violation" else pytest.mark.long) for n in CHINESE])
def test_a_panel_is_sound_in_chinese(browser: Browser, story: Story, axe: str, name: str) -> None:
    with browser.new_context(locale="zh-CN", bypass_csp=True) as context:
        page = opened(context, story, name)
        page.screenshot(path=SCREENSHOTS / f"{name}-chinese.png", full_page=True)
        assert page.locator("html").get_attribute("lang") == "zh-Hans"
        expect(page.get_by_role("link", name="回调投递")).to_be_visible()
        assert violations(page, axe) == []
        page.get_by_role("link", name="English").click()
        expect(page.get_by_role("link", name="Deliveries")).to_be_visible()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with browser.new_context(viewport={"width": 1280, "height": 860}) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context.new_page()


class TestLive:
    @pytest.fixture
    def at(self, emulator: Emulator) -> Iterator[Any]:
        with emulator.sandbox(clock="frozen", balance=100) as sandbox:
            yield sandbox

    def test_a_request_appears_without_loading_the_page(self, page: Page, at: Any) -> None:
        page.goto(f"{at.base_url}/__admin/sandboxes/{at.id}/requests")
        expect(page.get_by_text("No request has come yet.")).to_be_visible()
        page.evaluate("window.stays = true")
        crun(at, "POST", "job/detect-face-image", json={"imageUrl": "https://example.com/a.png"})
        expect(page.get_by_text("You sent imageUrl")).to_be_visible(timeout=10_000)
        assert page.evaluate("window.stays")

    def test_a_task_moves_with_the_clock(self, page: Page, at: Any) -> None:
        page.goto(f"{at.base_url}/__admin/sandboxes/{at.id}")
        crun(at, "POST", "job/CreateTask", json={"model": "image-face-swap", "input": PICTURE})
        expect(page.locator(".tasks .badge")).to_contain_text("pending", timeout=10_000)
        page.get_by_role("button", name="Until idle").click()
        expect(page.locator(".tasks .badge")).to_contain_text("success")
        expect(page.get_by_role("status")).to_contain_text("things happened")

    @pytest.mark.long
    def test_ten_pages_of_one_browser_stay_live_on_one_connection(self, browser: Browser, at: Any) -> None:
        """A browser opens six connections to a server: ten streams would leave none for anything else."""
        with browser.new_context() as context:
            pages = [context.new_page() for _ in range(10)]
            for one in pages:
                one.goto(f"{at.base_url}/__admin/sandboxes/{at.id}/requests")
            crun(at, "GET", "account/balance")
            for one in pages:
                expect(one.get_by_text("get_account_balance", exact=True).last).to_be_visible(timeout=20_000)

    def test_updates_can_be_paused(self, page: Page, at: Any) -> None:
        page.goto(f"{at.base_url}/__admin/sandboxes/{at.id}/requests")
        page.get_by_role("button", name="Pause live updates").click()
        crun(at, "GET", "account/balance")
        page.wait_for_timeout(1500)
        expect(page.get_by_text("No request has come yet.")).to_be_visible()
        page.get_by_role("button", name="Pause live updates").click()
        expect(page.locator("#live").get_by_text("get_account_balance")).to_be_visible(timeout=10_000)

    def test_a_reader_who_selects_is_not_disturbed(self, page: Page, at: Any) -> None:
        page.goto(f"{at.base_url}/__admin/sandboxes/{at.id}")
        page.evaluate("getSelection().selectAllChildren(document.querySelector('#live h2'))")
        crun(at, "GET", "account/balance")
        page.wait_for_timeout(1500)
        assert page.evaluate("String(getSelection())") == "Clock"
        page.evaluate("getSelection().removeAllRanges()")
        expect(page.get_by_text("1 exchange,")).to_be_visible(timeout=10_000)

    def test_a_running_clock_ticks(self, page: Page, at: Any) -> None:
        at.set_clock("scaled", 3600)
        page.goto(f"{at.base_url}/__admin/sandboxes/{at.id}")
        before = page.locator("#clock").text_content()
        page.wait_for_timeout(600)
        assert page.locator("#clock").text_content() != before


class TestKeyboard:
    def test_panels_rows_and_the_filter(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path())
        page.keyboard.press("3")
        page.wait_for_url("**/requests")
        page.keyboard.press("j")
        page.keyboard.press("j")
        page.keyboard.press("k")
        first = page.evaluate("document.activeElement.id")
        assert first.startswith("x-x")
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/requests/{first[2:]}")
        page.go_back()
        page.keyboard.press("/")
        page.keyboard.type("balanse\n")
        page.wait_for_url("**text=balanse*")
        expect(page.locator("tr.row")).to_have_count(1)

    def test_keys_can_be_switched_off(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path())
        page.keyboard.press("?")
        page.get_by_label("Switch these keys off").check()
        page.get_by_role("button", name="Close").click()
        page.keyboard.press("3")
        page.reload()
        page.keyboard.press("3")
        assert page.url == story.url + story.path()

    def test_everything_is_reached_by_the_tab_key(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path())
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        reached = set()
        for _ in range(60):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.textContent.trim()"))
        assert {"Exchanges", "Advance", "Until idle", "Run", "Add", "Remove"} <= reached


class TestActions:
    def test_a_request_is_sent_from_its_form(self, page: Page, emulator: Emulator) -> None:
        with emulator.sandbox(clock="frozen", balance=100) as sandbox:
            page.goto(f"{emulator.url}/__admin/sandboxes/{sandbox.id}/try")
            page.locator("select[name=form]").select_option("video-face-swap")
            page.wait_for_url("**form=video-face-swap*")
            page.get_by_label("input.video_url").fill("https://example.com/own.mp4")
            page.get_by_role("button", name="Send", exact=True).click()
            page.wait_for_url("**/requests/x*")
            expect(page.locator(".verdict")).to_contain_text("HTTP 200")
            (task,) = sandbox.tasks()
            assert (task["model"], task["body"]["input"]["video_url"]) == (
                "video-face-swap",
                "https://example.com/own.mp4",
            )
            assert task["callback_url"] == sandbox.inbox()["url"]

    def test_a_test_is_copied(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path(f"/requests/{story.ids['violation']}"))
        for name, text in (
            ("Copy as a pytest test", "def test_detect_face_image_answers_422"),
            ("Copy as curl", "curl -i -X POST"),
        ):
            page.get_by_role("button", name=name).click()
            expect(page.get_by_text("Copied")).to_be_visible()
            assert text in page.evaluate("navigator.clipboard.readText()")
            expect(page.get_by_text("Copied")).to_be_hidden(timeout=5_000)

    def test_a_callback_is_sent_again(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path(f"/deliveries/{story.ids['delivery']}"))
        before = page.locator(".attempts > li").count()
        page.get_by_role("button", name="Send it again now").click()
        expect(page.locator(".attempts > li")).to_have_count(before + 1)

    def test_a_video_plays_and_seeks_and_pictures_load(self, page: Page, story: Story) -> None:
        page.goto(story.url + story.path("/media"))
        plays = """video => new Promise((done, failed) => { video.muted = true; video.onerror = () => failed('error ' + video.error.code)
            video.ontimeupdate = () => { if (video.currentTime > 0) done(video.videoWidth) }
            setTimeout(() => failed('time-out'), 15000); video.play() })"""
        assert page.locator("video").first.evaluate(plays) > 0
        seeks = """video => new Promise((done, failed) => { video.pause(); video.onseeked = () => done(video.currentTime)
            setTimeout(() => failed('time-out'), 15000); video.currentTime = video.duration / 2 })"""
        assert page.locator("video").first.evaluate(seeks) > 0
        page.evaluate("document.querySelectorAll('img').forEach(image => image.loading = 'eager')")
        page.wait_for_function(
            "[...document.images].every(image => image.complete && image.naturalWidth > 0)", timeout=30_000
        )

    def test_it_works_without_scripts(self, browser: Browser, emulator: Emulator) -> None:
        with emulator.sandbox(clock="frozen") as sandbox, browser.new_context(java_script_enabled=False) as context:
            page = context.new_page()
            page.goto(f"{emulator.url}/__admin/sandboxes/{sandbox.id}")
            page.get_by_label("Move forward by").fill("90s")
            before = sandbox.clock()["now"]
            page.get_by_role("button", name="Advance").click()
            expect(page.get_by_role("status")).to_be_visible()
            assert sandbox.clock()["now"] == before + 90

    def test_a_login_leads_to_the_page_that_was_asked_for(self, page: Page) -> None:
        with Emulator(admin_token="s3cret") as guarded:
            page.goto(f"{guarded.url}/__admin/sandboxes/default/requests?status=200")
            page.get_by_label("Token").fill("wrong")
            page.get_by_role("button", name="Log in").click()
            expect(page.get_by_role("alert")).to_have_text("This is not the token.")
            page.get_by_label("Token").fill("s3cret")
            page.get_by_role("button", name="Log in").click()
            page.wait_for_url("**/requests?status=200")
            requests.get(
                f"{guarded.url}/api/v1/client/account/balance", headers=guarded.default.headers("crun"), timeout=10
            )
            expect(page.locator("#live").get_by_text("get_account_balance")).to_be_visible(timeout=10_000)


def test_stored_scripts_do_not_run(browser: Browser, emulator: Emulator) -> None:
    with emulator.sandbox(clock="frozen") as sandbox, browser.new_context() as context:
        attack = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
        crun(sandbox, "POST", "job/detect-face-image", json={"image_url": attack, attack: attack})
        requests.post(sandbox.inbox()["url"], data=attack, headers={"x-a": attack}, timeout=10)
        page = context.new_page()
        for rest in ("/requests", f"/requests/{sandbox.requests()[0]['id']}", "/inbox", f"/requests?text={attack}"):
            page.goto(f"{emulator.url}/__admin/sandboxes/{sandbox.id}{rest}")
            page.wait_for_function("document.readyState === 'complete'")
            assert "owned" not in page.title()
            assert page.locator("main script").count() == 0


@pytest.mark.parametrize("name", SHOWN)
def test_the_pictures_of_the_documentation_are_there_and_small(name: str) -> None:
    path = PICTURES / f"{name}.webp"
    assert 0 < path.stat().st_size < LARGEST
    texts = [(ROOT / "README.md").read_text("utf-8"), (ROOT / "docs" / "inspector.md").read_text("utf-8")]
    assert any(f"images/{name}.webp" in text for text in texts)


def test_names_are_those_of_the_panels(story: Story) -> None:
    assert sorted(panels(story)) == sorted(NAMES)
