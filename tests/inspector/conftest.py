"""One emulator for all pages, with a run of both providers in the sandbox `demo`: failures, faults, callbacks that fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from swapmock import Emulator, Sandbox

HTML = {"Accept": "text/html"}
PICTURE = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
VIDEO = {"video_url": "https://example.com/a.mp4", "new_face": "https://example.com/b.png"}

#: The retry schedule of crun with which a callback is given up within the run.
SHORT = {"crun": {"callback_ladder": "short"}}


@dataclass
class Story:
    """What the run made: the ids of tasks, exchanges and deliveries by a name."""

    sandbox: Sandbox
    url: str
    ids: dict[str, str] = field(default_factory=dict)

    def path(self, rest: str = "") -> str:
        return f"/__admin/sandboxes/{self.sandbox.id}{rest}"


def crun(sandbox: Sandbox, method: str, path: str, **more: Any) -> Any:
    url = f"{sandbox.base_url}/api/v1/client/{path}"
    answer = requests.request(method, url, headers=sandbox.headers("crun"), timeout=30, **more)
    return answer.json()


def imgopen(sandbox: Sandbox, path: str, body: Any) -> Any:
    url = f"{sandbox.base_url}/AIGCImgOpenServ/saas/{path}"
    return requests.post(url, json=body, headers=sandbox.headers("imgopen"), timeout=30).json()


def newest(sandbox: Sandbox) -> str:
    """The id of the newest exchange."""
    return str(sandbox.requests(limit=1000)[-1]["id"])


def run_both(emulator: Emulator, sandbox_id: str = "demo") -> Story:
    """A run of both providers on a frozen clock."""
    sandbox = emulator.sandbox(
        id=sandbox_id, clock="frozen", balance=200, seed=7, labels={"suite": "checkout"}, variants=SHORT
    )
    story = Story(sandbox, emulator.url)
    inbox = f"{emulator.url}/__inbox/{sandbox.id}"
    emulator.ask("PUT", f"/sandboxes/{sandbox.id}/inbox", {"answers": [500, 500, 200]})
    crun(sandbox, "POST", "job/detect-face-image", json={"imageUrl": "https://example.com/a.png"})
    story.ids["violation"] = newest(sandbox)
    detection = crun(sandbox, "POST", "job/detect-face-image", json={"image_url": "https://example.com/a.png"})["data"]
    story.ids["detection"] = detection["detect_task_id"]
    sandbox.advance(5)
    crun(sandbox, "GET", "job/detect-face-result", params={"detect_task_id": detection["detect_task_id"]})
    story.ids["detected"] = newest(sandbox)
    body: dict[str, Any] = {"model": "image-face-swap", "callback_url": inbox, "input": PICTURE}
    story.ids["swap"] = crun(sandbox, "POST", "job/CreateTask", json=body)["data"]["task_id"]
    story.ids["created"] = newest(sandbox)
    sandbox.queue("fails", code=501, message="GPU on fire", provider="crun")
    body = {"model": "video-face-swap", "callback_url": "http://127.0.0.1:9/nobody", "input": VIDEO}
    story.ids["failed"] = crun(sandbox, "POST", "job/CreateTask", json=body)["data"]["task_id"]
    story.ids["video"] = crun(sandbox, "POST", "job/CreateTask", json={"model": "video-face-swap", "input": VIDEO})[
        "data"
    ]["task_id"]
    for _ in range(3):
        sandbox.advance(4)
        crun(sandbox, "GET", "job/TaskInfo", params={"task_id": story.ids["swap"]})
    story.ids["polled"] = newest(sandbox)
    link = crun(sandbox, "GET", "job/TaskInfo", params={"task_id": story.ids["swap"]})["data"]["result"]["media_urls"][
        0
    ]
    requests.get(link, headers={"Range": "bytes=0-9"}, timeout=30)
    story.ids["download"] = newest(sandbox)
    sandbox.add_fault({"code": 429, "retry_after": 5}, match={"operation": "get_account_balance"}, times=1, id="busy")
    crun(sandbox, "GET", "account/balance")
    story.ids["fault"] = newest(sandbox)
    sandbox.add_fault({"connection": "reset"}, match={"operation": "get_account_balance"}, times=1, id="cut")
    with pytest.raises(requests.ConnectionError):
        crun(sandbox, "GET", "account/balance")
    story.ids["cut"] = newest(sandbox)
    crun(sandbox, "GET", "account/balanse")
    story.ids["unmatched"] = newest(sandbox)
    fusion = {"sourceUrl": ["https://example.com/x.png"], "targetUrl": "https://example.com/y.png"}
    imgopen(sandbox, "tool/face/detection", {"imageUrl": "https://example.com/x.png", "businessTaskId": "10086996"})
    imgopen(sandbox, "tool/face/fusion", {**fusion, "businessTaskId": "10086997", "callbackUrl": inbox})
    story.ids["fusion"] = newest(sandbox)
    imgopen(sandbox, "tool/face/fusion", fusion)
    story.ids["imgopen violation"] = newest(sandbox)
    sandbox.advance(120)
    found = {one["task"]: one["id"] for one in sandbox.deliveries()}
    story.ids["delivery"], story.ids["dead"] = found[story.ids["swap"]], found[story.ids["failed"]]
    return story


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator(journal_size=20_000) as made:
        yield made


@pytest.fixture(scope="module")
def story(emulator: Emulator) -> Story:
    return run_both(emulator)


@dataclass
class Reader:
    """A browser without scripts: it keeps cookies and fills forms."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.session.get(self.url + path, headers={**HTML, **headers}, timeout=30)

    def post(self, path: str, back: str, **fields: str) -> requests.Response:
        """Fill a form of the page `back`."""
        found = re.search(r'name="csrf" value="(\w+)"', self.get(back).text)
        value = "" if found is None else found[1]
        data = {"csrf": value, "back": back, **fields}
        return self.session.post(self.url + path, data=data, headers=HTML, timeout=60)


@pytest.fixture
def reader(emulator: Emulator) -> Reader:
    return Reader(emulator.url)
