"""The same seed and the same moves give the same bytes: on two servers, and in two sandboxes of one."""

import re

import requests

from swapmock.mock_server.adapters.clock import ManualTime
from swapmock.mock_server.settings import Settings
from swapmock.mock_server.web.build import build
from swapmock.mock_server.web.server import LiveServer
from tests.control import CRUN, IMGOPEN, PICTURE, Admin


def a_run(admin, **options):
    """Every byte that a client sees of a longer life, the address and the keys aside."""
    box = admin.sandbox(seed=11, clock="frozen", **options)
    crun, imgopen = box.headers(), box.headers("imgopen")
    seen = []

    def call(method, path, headers, **more):
        answer = requests.request(method, box.base_url + path, headers=headers, timeout=10, **more)
        seen.append(answer.content.replace(box.base_url.encode(), b"BASE"))
        return answer

    def fetch(content):
        for link in sorted(set(re.findall(rf'{re.escape(box.base_url)}/(?:media|Output-Img2)/[^"]+', content.text))):
            seen.append(requests.get(link, timeout=10).content)
            assert len(seen[-1]) > 100

    box.ok("POST", "/faults", {"match": {"probability": 0.3}, "effect": {"code": 500, "delay": [0, 0.01]}})
    detect = call("POST", f"{CRUN}job/detect-face-image", crun, json={"image_url": "https://faces.invalid/3.png"})
    box.ok("DELETE", "/faults")
    detect = call("POST", f"{CRUN}job/detect-face-image", crun, json={"image_url": "https://faces.invalid/3.png"})
    seen.append(box.advance(by="1m"))
    fetch(call("GET", f"{CRUN}job/detect-face-result", crun, params=detect.json()["data"]))
    for model, given in (
        ("image-face-swap", {"image_url": PICTURE, "new_face": "https://example.com/b.png"}),
        ("video-face-swap", {"video_url": "https://example.com/a.mp4", "new_face": "https://example.com/b.png"}),
        ("z-image", {"prompt": "a harbour"}),
    ):
        body = {"model": model, "input": given, "callback_url": "http://127.0.0.1:9/"}
        made = call("POST", f"{CRUN}job/CreateTask", crun, json=body).json()["data"]
        seen.append(box.advance(until={"task": made["task_id"], "status": "success"}))
        fetch(call("GET", f"{CRUN}job/TaskInfo", crun, params=made))
    body = {"imageUrl": PICTURE, "businessTaskId": "own"}
    fetch(call("POST", f"{IMGOPEN}tool/face/detection", imgopen, json=body))
    body = {"sourceUrl": [PICTURE], "targetUrl": "https://faces.invalid/2.png", "businessTaskId": "own"}
    call("POST", f"{IMGOPEN}tool/face/fusion", imgopen, json=body)
    seen.append(box.advance(until="idle"))
    fetch(call("POST", f"{IMGOPEN}tool/face/fusion/queryTask", imgopen, json={"businessTaskId": "own"}))
    transitions = box.ok("GET", "/journal", type="transition")
    seen += [transitions, box.ok("GET", "/ledger", proof=1), box.ok("GET", "/deliveries")]
    return seen


def on_a_server_of_its_own(moment):
    with LiveServer(build(Settings(), ManualTime(moment)).asgi_app) as server:
        return a_run(Admin(server.url))


def test_on_two_servers_at_two_times():
    first, second = on_a_server_of_its_own(1e9), on_a_server_of_its_own(2e9)
    assert len(first) > 25
    assert neutral(first) == neutral(second)


def test_in_two_sandboxes_of_one_server(server):
    admin = Admin(server.url)
    assert neutral(a_run(admin)) == neutral(a_run(admin))


def test_another_seed_gives_other_bytes(server):
    admin = Admin(server.url)
    one, other = (admin.sandbox(seed=seed, clock="frozen").swapped() for seed in (1, 2))
    assert one != other


def neutral(seen):
    """Callbacks tell the address of the server that sent them."""
    return [re.sub(r"http://127\.0\.0\.1:\d{4,5}", "BASE", repr(item)) for item in seen]
