# mypy: ignore-errors
"""A client as its user wrote it: a table of jobs, decorated retries for reads, one submission, resumes what is open."""

import functools
import os
import pathlib
import random
import sqlite3
import sys
import time

import requests


class Transient(Exception):
    def __init__(self, text, wait=None):
        super().__init__(text)
        self.wait = wait


class Permanent(Exception):
    pass


def retry(times=6, base=1.5, on=(Transient,)):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            for attempt in range(1, times + 1):
                try:
                    return function(*args, **kwargs)
                except on as error:
                    if attempt == times:
                        raise
                    time.sleep(error.wait or min(base * 2**attempt, 45) + random.random())
            return None

        return wrapper

    return decorate


class Api:
    def __init__(self, root, key):
        self.root, self.session = root + "/api/v1/client", requests.Session()
        self.session.headers["X-API-KEY"] = key

    def _call(self, method, path, **kw):
        try:
            answer = self.session.request(method, self.root + path, timeout=(10, 60), allow_redirects=False, **kw)
            body = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Transient(type(error).__name__) from error
        code = body.get("code") if isinstance(body, dict) else None
        if code in (429, 455, 500, 502, 503, 504, 408, None):
            after = answer.headers.get("Retry-After", "")
            raise Transient(f"code {code}", float(after) if after.isdigit() else None)
        if code != 200:
            raise Permanent(f"{code}: {body.get('message')}")
        return body["data"]

    @retry()
    def task(self, task_id):
        return self._call("GET", "/job/TaskInfo", params={"task_id": task_id})

    def create(self, image, face):
        return self._call(
            "POST",
            "/job/CreateTask",
            json={"model": "image-face-swap", "input": {"image_url": image, "new_face": face}},
        )["task_id"]

    @retry(times=4, on=(Transient,))
    def fetch(self, url):
        try:
            answer = requests.get(url, timeout=60)
            answer.raise_for_status()
        except requests.RequestException as error:
            raise Transient(str(error)) from error
        if not answer.headers.get("Content-Type", "").startswith("image/") or not answer.content:
            raise Transient("not a picture")
        return answer.content


def main():
    db = sqlite3.connect("jobs.db")
    db.execute("create table if not exists job (id integer primary key, state text, task text)")
    api = Api(os.environ["ROOT"], os.environ["TOKEN"])
    row = db.execute("select state, task from job where id = 1").fetchone()
    if row and row[0] == "sending":
        print("UNKNOWN: the job was sent and not confirmed")
        return 3
    if row and row[0] == "sent":
        task = row[1]
    else:
        with db:
            db.execute("insert or replace into job values (1, 'sending', null)")
        try:
            task = api.create(os.environ["IMAGE"], os.environ["FACE"])
        except Permanent as refusal:
            with db:
                db.execute("delete from job")
            print("FAILED", refusal)
            return 1
        except Transient as doubt:
            print("UNKNOWN", doubt)
            return 3
        with db:
            db.execute("update job set state = 'sent', task = ?", (task,))
    give_up = time.monotonic() + 300
    try:
        while time.monotonic() < give_up:
            info = api.task(task)
            if info["status"] == "success":
                links = (info.get("result") or {}).get("media_urls") or []
                if not links:
                    print("FAILED without media")
                    return 1
                pathlib.Path("swap.png").write_bytes(api.fetch(links[0]))
                print("DONE")
                return 0
            if info["status"] == "failed":
                print("FAILED", info.get("result"))
                return 1
            time.sleep(4)
    except (Transient, Permanent) as error:
        print("UNKNOWN", error)
        return 3
    print("UNKNOWN: too slow")
    return 3


sys.exit(main())
