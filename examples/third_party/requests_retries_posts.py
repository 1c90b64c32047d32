# mypy: ignore-errors
"""A client as its user wrote it: urllib3 retries everything, submissions included; downloads without the key."""

import os
import sys
import time
from pathlib import Path

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

API = os.environ["API_ROOT"] + "/api/v1/client/job"
HEADERS = {"x-api-key": os.environ["API_KEY"]}

session = requests.Session()
session.mount(
    "http://",
    HTTPAdapter(max_retries=Retry(5, backoff_factor=0.5, status_forcelist=[500, 502, 503], allowed_methods=None)),
)


def swap(image, face):
    answer = session.post(
        f"{API}/CreateTask",
        json={"model": "image-face-swap", "input": {"image_url": image, "new_face": face}},
        headers=HEADERS,
        timeout=20,
    ).json()
    if answer["code"] != 200:
        raise SystemExit(f"not accepted: {answer}")
    return answer["data"]["task_id"]


def wait(task):
    for _ in range(60):
        answer = session.get(f"{API}/TaskInfo", params={"task_id": task}, headers=HEADERS, timeout=20).json()
        if answer["code"] != 200:
            raise SystemExit(f"poll refused: {answer['message']}")
        if answer["data"]["status"] == "success":
            return answer["data"]["result"]["media_urls"]
        if answer["data"]["status"] == "failed":
            raise SystemExit("the swap failed")
        time.sleep(3)
    raise SystemExit(f"still running: {task}")


if __name__ == "__main__":
    links = wait(swap(os.environ["IMAGE"], os.environ["FACE"]))
    if not links:
        sys.exit("no picture")
    with requests.get(links[0], timeout=60) as answer:
        answer.raise_for_status()
        Path("result.png").write_bytes(answer.content)
    print("saved", len(answer.content))
