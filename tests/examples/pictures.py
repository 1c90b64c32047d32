"""Takes the picture of the inspector that README.md shows: `python -m tests.examples.pictures`. Needs Chromium."""

from __future__ import annotations

import shutil
from pathlib import Path

import requests
from playwright.sync_api import sync_playwright

from swapmock import Emulator

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images"


def main() -> None:
    """One sandbox with a swap, a refusal, a failed task and a callback that nobody takes; its overview."""
    with Emulator() as emulator, emulator.sandbox(id="my-test", clock="frozen", balance=10) as sandbox:
        _use(sandbox)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1280, "height": 800}, device_scale_factor=1)
            page.goto(f"{emulator.url}/__admin/sandboxes/{sandbox.id}", wait_until="domcontentloaded")
            page.wait_for_selector("main")
            page.screenshot(path=FOLDER / "inspector.png")
            browser.close()


def _use(sandbox) -> None:
    url, headers = f"{sandbox.base_url}/api/v1/client/job", sandbox.headers("crun")
    photo = {"image_url": "https://example.com/photo.jpg", "new_face": "https://example.com/ann.jpg"}
    order = {"model": "image-face-swap", "input": photo, "callback_url": "http://127.0.0.1:9/callback"}
    task = requests.post(f"{url}/CreateTask", json=order, headers=headers, timeout=10).json()["data"]["task_id"]
    requests.post(
        f"{url}/detect-face-image", json={"imageUrl": "https://example.com/a.png"}, headers=headers, timeout=10
    )
    sandbox.advance(until="idle")
    sandbox.queue("fails")
    requests.post(f"{url}/CreateTask", json={**order, "callback_url": None}, headers=headers, timeout=10)
    sandbox.advance(until="idle")
    requests.get(f"{url}/TaskInfo", params={"task_id": task}, headers=headers, timeout=10)


if __name__ == "__main__":
    main()
