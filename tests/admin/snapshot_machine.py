"""Drives a sandbox over HTTP in any order, and restores it elsewhere: the bytes are the same, and both go on alike.

`run(examples, steps)` is the whole test; `make test` runs it in a short form, `make fuzz` in a long one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from swapmock.contracts import load
from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.control import CRUN, IMGOPEN, Admin, Box
from tests.receivers import Got, Receiver
from tests.stories.imgopen_jobs import job

#: The name by which both emulators are addressed, so that their links are the same.
HOST = "emulator.test"

PHOTO = "https://faces.invalid/2.png"
TOOLS = [tool["operation"] for tool in load("imgopen").tables["tools"]["tools"]]
MODELS = ["z-image", "nano-banana", "suno-music", "kling-v1-6", "image-face-swap", "video-face-swap"]
SCENARIOS = sorted(load("crun").behaviour.scenarios.keys() & load("imgopen").behaviour.scenarios.keys())
MODES = ["frozen", "on_poll", "real", "scaled(4)"]
VARIANTS = [
    (name, variant.name, choice)
    for name in ("crun", "imgopen")
    for variant in load(name).behaviour.variants.values()
    for choice in variant.choices
]
FAULTS: list[dict[str, Any]] = [
    {"effect": {"code": 429, "retry_after": 5}, "match": {"nth": 2}},
    {"effect": {"status": 503}, "times": 1},
    {"effect": {"rate_limit": {"calls": 2, "seconds": 10, "retry_after": "date"}}, "match": {"provider": "crun"}},
    {"effect": {"connection": "hang_up"}, "match": {"operation": "get_account_balance", "probability": 0.5}},
    {"effect": {"delay": [0, 0.01]}, "match": {"body": {"$.model": {"matches": "^z"}}}},
    {"effect": {"code_type": "string"}, "moment": "wire", "times": 3},
    {"effect": {"maintenance": True}, "match": {"headers": {"x-unlucky": "yes"}}},
]
STEPS = ["500ms", "1s", "2.5s", "40s", "12m", "25h"]

#: Sandbox times and rates are sums of halves, so that both emulators calculate the same.
PAUSES = st.sampled_from([0.25, 1.5, 8.0, 64.0])


def answer_callback(got: Got) -> Any:
    """The receiver's answer, by the path alone, so that both sandboxes get the same."""
    return (200, {"code": "200"}) if got.path.startswith("/ok") else (500, {"code": "500"})


class World:
    """Two emulators at different times, and one receiver of callbacks."""

    def __init__(self, here: Admin, there: Admin, times: tuple[ManualTime, ManualTime], receiver: Receiver) -> None:
        self.here, self.there, self.times, self.receiver = here, there, times, receiver

    def pause(self, seconds: float) -> None:
        for time in self.times:
            time.pause(seconds)


@contextmanager
def world() -> Iterator[World]:
    times = ManualTime(1_748_433_600.0), ManualTime(2_000_000_000.0)
    here, there = (build(Settings(seed=seed, public_url=f"http://{HOST}"), time) for seed, time in enumerate(times))
    with LiveServer(here.asgi_app) as a, LiveServer(there.asgi_app) as b, Receiver(answer_callback) as receiver:
        admins = Admin(a.url), Admin(b.url)
        for admin in admins:
            admin.session.headers["host"] = HOST
        yield World(*admins, times, receiver)


def plain(text: str, box: Box) -> str:
    """An answer's text without what must differ between two sandboxes: id, keys, time of creation."""
    keys = {value for name in ("crun", "imgopen") for value in box.headers(name).values()}
    for secret in sorted(keys, key=len, reverse=True):
        text = text.replace(secret, "KEY")
    text = re.sub(r"[\w-]{5}…\w{2}", "KEY", text)  # the keys of the sandbox from which a snapshot came stay masked
    text = re.sub(r'"created_at":[\d.]+,"scenario":(null|"\w+"),"rate_limit"', '"created_at":0', text)
    return text.replace(box.id, "ID")


def difference(left: str, right: str) -> str:
    """Where two texts begin to differ."""
    at = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    return f"{left[max(0, at - 80) : at + 80]!r} != {right[max(0, at - 80) : at + 80]!r}"


class SnapshotMachine(RuleBasedStateMachine):
    """`box` lives in one emulator. From the first restore on, `twin` in the other does the same and must answer alike."""

    world: World

    @initialize(
        clock=st.sampled_from(MODES),
        seed=st.integers(0, 3),
        headers=st.booleans(),
        scenario=st.sampled_from([None, None, "fails", "callback_duplicate"]),
    )
    def create(self, clock: str, seed: int, headers: bool, scenario: str | None) -> None:
        options = {"clock": clock, "seed": seed, "evidence_header": headers, "prefer_header": headers}
        self.box = self.world.here.sandbox(**options, scenario=scenario, balance=200)
        self.twin: Box | None = None
        self.number = 0

    def teardown(self) -> None:
        for box in (getattr(self, "box", None), getattr(self, "twin", None)):
            if box is not None:
                box.admin.call("DELETE", box.path)

    # --- how to ask

    def alike(self, ask: Callable[[Box], requests.Response]) -> Any:
        """Ask the sandbox, and its twin if there is one: the answers are the same. Returns the JSON of the answer."""
        status, text, content = self._asked(ask, self.box)
        assert status < 500 or text.count("server_error") == 0, text
        if self.twin is not None:
            told = self._asked(ask, self.twin)
            assert told[:2] == (status, text), difference(text, told[1])
        return content

    @staticmethod
    def _asked(ask: Callable[[Box], requests.Response], box: Box) -> tuple[int, str, Any]:
        try:
            answer = ask(box)
        except requests.ConnectionError:
            return 0, "cut", None
        text = plain(answer.text if "json" in answer.headers.get("content-type", "") else repr(answer.content), box)
        try:
            return answer.status_code, text, answer.json()
        except ValueError:
            return answer.status_code, text, None

    def admin(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        def ask(box: Box) -> requests.Response:
            answer = box.admin.call(method, box.path + path, body, **params)
            assert answer.status_code < 500, answer.text
            return answer

        return self.alike(ask)

    def crun(self, method: str, path: str, body: Any = None, headers: Any = None, **params: Any) -> Any:
        return self.alike(
            lambda box: box.admin.session.request(
                method,
                box.admin.url + CRUN + path,
                json=body,
                params=params,
                headers={**box.headers(), **(headers or {})},
            )
        )

    def imgopen(self, path: str, body: Any) -> Any:
        return self.alike(
            lambda box: box.admin.session.post(
                box.admin.url + IMGOPEN + path, json=body, headers=box.headers("imgopen")
            )
        )

    def callback(self, kind: str) -> dict[str, str]:
        """`callback_url` of a kind: none, acknowledged, refused by the receiver, or nobody listens."""
        urls = {
            "ok": self.world.receiver.url("/ok"),
            "bad": self.world.receiver.url("/bad"),
            "gone": "http://127.0.0.1:9/",
        }
        return {"callback_url": urls[kind]} if kind in urls else {}

    # --- what clients do

    @rule(scenario=st.sampled_from([None, *SCENARIOS]), kind=st.sampled_from(["none", "ok", "bad", "gone"]))
    def swap(self, scenario: str | None, kind: str) -> None:
        picture = PHOTO if scenario is None else f"https://errors.invalid/{scenario}"
        given = {"image_url": picture, "new_face": "https://example.com/b.png"}
        self.crun("POST", "job/CreateTask", {"model": "image-face-swap", "input": given, **self.callback(kind)})

    @rule(model=st.sampled_from(MODELS), kind=st.sampled_from(["none", "ok"]))
    def generate(self, model: str, kind: str) -> None:
        given = {"prompt": "a hat", "image_url": PHOTO, "video_url": PHOTO, "new_face": PHOTO, "num_outputs": 2}
        self.crun("POST", "job/CreateTask", {"model": model, "input": given, **self.callback(kind)})

    @rule(video=st.booleans())
    def detect(self, video: bool) -> None:
        media = "video" if video else "image"
        self.crun("POST", f"job/detect-face-{media}", {f"{media}_url": PHOTO})

    @rule(operation=st.sampled_from(TOOLS), again=st.booleans(), kind=st.sampled_from(["none", "ok", "bad"]))
    def use_tool(self, operation: str, again: bool, kind: str) -> None:
        self.number += not again
        path, body = job(operation, f"job-{self.number}", PHOTO)
        urls = self.callback(kind)
        self.imgopen(path, {**body, "callbackUrl": urls["callback_url"]} if urls else body)

    @rule(scenario=st.sampled_from([s for s in SCENARIOS if s.startswith("callback")]), all_events=st.booleans())
    def fuse_with_callback_fault(self, scenario: str, all_events: bool) -> None:
        self.number += 1
        body = {
            "sourceUrl": [f"https://errors.invalid/{scenario}"],
            "targetUrl": PHOTO,
            "businessTaskId": str(self.number),
        }
        url = self.world.receiver.url("/ok")
        if all_events:
            self.admin("PATCH", "", {"variants": {"crun": {"callback_events": "all"}}})
        self.imgopen("tool/face/fusion", {**body, "callbackUrl": url})

    @rule(index=st.integers(0, 30))
    def poll(self, index: int) -> None:
        tasks = self.admin("GET", "/tasks")["tasks"]
        if not tasks:
            return
        task = tasks[index % len(tasks)]
        if task["provider"] == "imgopen":
            self.imgopen(f"tool/{task['model']}/queryTask", {"businessTaskId": task["id"]})
        elif task["kind"] == "task":
            self._fetch(self.crun("GET", "job/TaskInfo", task_id=task["id"]))
        else:
            found = self.crun("GET", "job/detect-face-result", detect_task_id=task["id"])
            result = ((found or {}).get("data") or {}).get("result") if isinstance(found, dict) else None
            if result:
                faces = [{"face_id": 0, "target": PHOTO}]
                given = {"image_url": PHOTO, "detect_id": result["id"], "faces": faces}
                self.crun("POST", "job/CreateTask", {"model": "image-face-swap-multi", "input": given})

    def _fetch(self, info: Any) -> None:
        result = ((info or {}).get("data") or {}).get("result") if isinstance(info, dict) else None
        link = next(iter((result or {}).get("media_urls") or ()), "")
        if link.endswith((".png", ".jpg")):
            path = link.removeprefix(self.box.base_url)
            self.alike(lambda box: box.admin.session.get(box.admin.url + path))

    @rule(size=st.integers(0, 3), filled=st.booleans())
    def upload(self, size: int, filled: bool) -> None:
        answer = self.crun("GET", "files/upload-url", ext=".png", content_type="image/png")
        link = ((answer or {}).get("data") or {}).get("presigned_url") if isinstance(answer, dict) else None
        if filled and link:
            path = link.removeprefix(self.box.base_url)
            self.alike(
                lambda box: box.admin.session.put(
                    box.admin.url + path, data=b"x" * size, headers={"content-type": "image/png"}
                )
            )

    @rule(path=st.sampled_from(["job/Nothing", "job/TaskInfo", "account/balance"]), unlucky=st.booleans())
    def ask_for_little(self, path: str, unlucky: bool) -> None:
        headers = {"x-unlucky": "yes", "prefer": "code=429, retry-after=5"} if unlucky else {}
        self.crun("GET", path, headers=headers)

    # --- what the admin API does

    @rule(
        scenario=st.sampled_from([*SCENARIOS, "flaky_then_fine"]), provider=st.sampled_from([None, "crun", "imgopen"])
    )
    def queue(self, scenario: str, provider: str | None) -> None:
        self.admin("POST", "/scenarios", {"scenario": scenario, **({"provider": provider} if provider else {})})

    @rule(fault=st.sampled_from(FAULTS))
    def add_fault(self, fault: dict[str, Any]) -> None:
        self.admin("POST", "/faults", fault)

    @rule(path=st.sampled_from(["/faults", "/scenarios", "/journal"]))
    def clear(self, path: str) -> None:
        self.admin("DELETE", path)

    @rule()
    def reset(self) -> None:
        # A running clock starts again at the real time, which the two emulators do not share.
        if self.admin("GET", "/clock")["rate"] == 0.0 and len(self.admin("GET", "/tasks")["tasks"]) > 3:
            self.admin("POST", "/reset")

    @rule(by=st.sampled_from(STEPS))
    def advance(self, by: str) -> None:
        self.admin("POST", "/clock/advance", {"by": by})

    @rule()
    def advance_until_idle(self) -> None:
        self.admin("POST", "/clock/advance", {"until": "idle"})

    @rule(mode=st.sampled_from(MODES))
    def change_clock(self, mode: str) -> None:
        self.admin("PATCH", "", {"clock": mode})

    @rule(seconds=PAUSES)
    def let_time_pass(self, seconds: float) -> None:
        self.world.pause(seconds)

    @rule(amount=st.sampled_from([0.5, 3, 1000]))
    def grant(self, amount: float) -> None:
        self.admin("POST", "/ledger/grant", {"amount": amount})

    @rule(balance=st.sampled_from([0, 1, 500]))
    def set_balance(self, balance: int) -> None:
        self.admin("PATCH", "", {"balance": balance})

    @rule(index=st.integers(0, 30), amount=st.sampled_from([None, 0.5]))
    def refund(self, index: int, amount: float | None) -> None:
        tasks = self.admin("GET", "/tasks")["tasks"]
        if tasks:
            body = {"task": tasks[index % len(tasks)]["id"], **({} if amount is None else {"amount": amount})}
            self.admin("POST", "/ledger/refund", body)

    @rule(variant=st.sampled_from(VARIANTS))
    def choose_variant(self, variant: tuple[str, str, Any]) -> None:
        provider, name, choice = variant
        self.admin("PATCH", "", {"variants": {provider: {name: choice}}})

    @rule(calls=st.sampled_from([None, 0, 5]))
    def limit_rate(self, calls: int | None) -> None:
        self.admin("PATCH", "", {"rate_limit": None if calls is None else {"calls": calls, "seconds": "8s"}})

    @rule(index=st.integers(0, 30))
    def redeliver(self, index: int) -> None:
        deliveries = self.admin("GET", "/deliveries")["deliveries"]
        if deliveries:
            self.admin("POST", f"/deliveries/{deliveries[index % len(deliveries)]['id']}/redeliver")

    # --- snapshots

    @rule()
    def restore(self) -> None:
        """Into the sandbox itself and into another emulator: every byte of the next snapshot is the same."""
        saved = self.box.admin.call("GET", f"{self.box.path}/snapshot")
        assert saved.status_code == 200, saved.text
        twin = self.world.there.sandbox() if self.twin is None else self.twin
        for box in (self.box, twin):
            done = box.admin.call("POST", f"{box.path}/restore", json.loads(saved.content))
            assert done.status_code == 200, done.text
            again = box.admin.call("GET", f"{box.path}/snapshot")
            before, after = plain(saved.text, self.box), plain(again.text, box)
            assert after == before, difference(before, after)
        self.twin = twin

    @precondition(lambda self: self.twin is not None)
    @rule(path=st.sampled_from(["/ledger", "/tasks", "/journal", "/deliveries", "/faults", "/scenarios", "/har"]))
    def look(self, path: str) -> None:
        self.admin("GET", path, **({"proof": 1} if path == "/ledger" else {}))


def run(examples: int, steps: int, seed: int | None = None) -> None:
    """Run the machine. Without a `seed` every run is the same."""
    with world() as both:
        machine = type("BoundMachine", (SnapshotMachine,), {"world": both, "_hypothesis_internal_use_seed": seed})
        chosen = settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=seed is None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
            print_blob=False,
        )
        run_state_machine_as_test(machine, settings=chosen)
