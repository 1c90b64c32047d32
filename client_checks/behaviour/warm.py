"""Makes one task and fetches its result before any client runs, so that no client waits for what is loaded once."""

from __future__ import annotations

import contextlib

import requests

from swapmock import Control

BODY = {
    "model": "image-face-swap",
    "input": {"image_url": "https://faces.invalid/2.png", "new_face": "https://faces.invalid/1.png"},
}


def warm(control: Control) -> None:
    """Make the emulator load what it loads late. Failures are ignored: the cases report them better."""
    with (
        contextlib.suppress(requests.RequestException, KeyError, IndexError, TypeError, ValueError),
        control.sandbox() as sandbox,
        requests.Session() as session,
    ):
        session.trust_env = False
        session.headers.update(sandbox.headers("crun"))
        sandbox.queue("instant")
        url = f"{sandbox.base_url}/api/v1/client/job"
        task = session.post(f"{url}/CreateTask", json=BODY, timeout=30).json()["data"]["task_id"]
        told = session.get(f"{url}/TaskInfo", params={"task_id": task}, timeout=30).json()
        requests.get(told["data"]["result"]["media_urls"][0], timeout=30)
