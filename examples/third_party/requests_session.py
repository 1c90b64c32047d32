# mypy: ignore-errors
"""A client as its user wrote it: one requests session for everything, retries by urllib3 for reads only."""

import os
import sys
import time
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

BASE = os.environ.get("CRUN_BASE", "https://api.crun.ai") + "/api/v1/client"


def make_session():
    session = requests.Session()
    retry = Retry(total=4, backoff_factor=1, status_forcelist=[429, 502, 503, 504], allowed_methods=["GET"])
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    session.headers["x-api-key"] = os.environ["CRUN_KEY"]
    return session


def call(session, method, path, **kwargs):
    response = session.request(method, BASE + path, timeout=30, **kwargs)
    body = response.json()
    if body.get("code") != 200:
        raise RuntimeError(f"{body.get('code')}: {body.get('message')}")
    return body["data"]


def main():
    session = make_session()
    task = call(
        session,
        "POST",
        "/job/CreateTask",
        json={"model": "image-face-swap", "input": {"image_url": os.environ["IMAGE"], "new_face": os.environ["FACE"]}},
    )["task_id"]
    print("task", task)
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            info = call(session, "GET", "/job/TaskInfo", params={"task_id": task})
        except (requests.RequestException, ValueError) as error:
            print("poll failed, will try again:", error, file=sys.stderr)
            time.sleep(5)
            continue
        if info["status"] == "success":
            link = info["result"]["media_urls"][0]
            picture = session.get(link, timeout=60)  # the session has the key
            picture.raise_for_status()
            Path(os.environ["OUT"], "swap.png").write_bytes(picture.content)
            return 0
        if info["status"] == "failed":
            print("failed:", info.get("reason"), file=sys.stderr)
            return 1
        time.sleep(4)
    print("timed out, task", task, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
