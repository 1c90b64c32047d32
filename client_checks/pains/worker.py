"""What both clients of a pain use: real HTTP to the emulator, a clock, a disk, a receiver of callbacks, and one end
user."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import requests

from swapmock import Sandbox
from swapmock.client_checks.pains.receiver import Receiver

JOB = "/api/v1/client/job"
SWAP = {
    "model": "image-face-swap",
    "input": {"image_url": "https://example.com/photo.jpg", "new_face": "https://example.com/ann.jpg"},
}

#: What the end user pays for one picture, in the currency of the client's own shop.
PRICE = 5.0


class Lost(Exception):
    """No answer came: the client cannot know whether the request took effect."""


class Refused(Exception):
    """An error response: `code` in the body, `retry_after` in seconds or None."""

    def __init__(self, code: int, message: str, retry_after: float | None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.retry_after = retry_after


class Killed(Exception):
    """The process of the client ends here; only its `disk` is kept."""


class Worker:
    """A client of crun.ai that makes one picture for one end user.

    Its time is the clock of the sandbox: `wait` moves the clock and does not sleep. `disk` survives a restart."""

    def __init__(self, sandbox: Sandbox, receiver: Receiver) -> None:
        self._sandbox = sandbox
        self._session = requests.Session()
        self._session.trust_env = False
        self.receiver = receiver
        self.disk: dict[str, Any] = {}
        self.user_paid = 0.0
        self.told_done = 0
        self.saved: list[bytes] = []
        self.kill_after: float | None = None

    def close(self) -> None:
        """Close the open connections."""
        self._session.close()

    # The vendor

    def create(self, **more: Any) -> str:
        """Submit one face swap, and return the id of its task. `more` has further members of the body. Raises Lost
        or Refused."""
        return str(self._call("POST", f"{JOB}/CreateTask", json={**SWAP, **more})["task_id"])

    def read(self, task: str) -> dict[str, Any]:
        """Return the task as the vendor reports it: `status`, `result` and so on. Raises Lost or Refused."""
        return self._call("GET", f"{JOB}/TaskInfo", params={"task_id": task})

    def balance(self) -> float:
        """Return the credits of the account. Raises Lost or Refused."""
        return float(self._call("GET", "/api/v1/client/account/balance")["balance"])

    def download(self, link: str) -> requests.Response:
        """Return the answer to a download, with any status."""
        return self._session.get(link, timeout=30)

    def _call(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        headers = self._sandbox.headers("crun")
        try:
            answer = self._session.request(method, self._sandbox.base_url + path, headers=headers, timeout=30, **given)
            document = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise Lost(type(error).__name__) from None
        if document["code"] != 200:
            told = answer.headers.get("Retry-After")
            raise Refused(document["code"], document["message"], None if told is None else float(told))
        return dict(document["data"])

    # Time

    @property
    def now(self) -> float:
        """The time on the clock of the sandbox, in seconds."""
        return float(self._sandbox.clock()["now"])

    def wait(self, seconds: float) -> None:
        """Move the clock by `seconds`. Callbacks that fall due arrive meanwhile."""
        if self.kill_after is not None and seconds > self.kill_after:
            self._sandbox.advance(self.kill_after)
            self.kill_after = None
            raise Killed
        self._sandbox.advance(seconds)

    def result(self, task: str, gap: float = 5.0) -> list[str]:
        """Poll at growing intervals, from `gap` seconds, until a task has ended. Return its links; none if it
        failed."""
        while True:
            answer = self.read(task)
            if answer["status"] in ("success", "failed"):
                return list((answer["result"] or {}).get("media_urls") or [])
            self.wait(gap)
            gap = min(gap * 1.5, 60.0)

    # The end user

    def charge(self) -> None:
        """Charge the end user for one picture."""
        self.user_paid += PRICE

    def refund(self) -> None:
        """Return the money for one picture to the end user."""
        self.user_paid -= PRICE

    def done(self) -> None:
        """Tell the end user that the picture is ready."""
        self.told_done += 1

    def save(self, content: bytes) -> None:
        """Save a file for the end user."""
        self.saved.append(content)

    def deliver(self, links: list[str]) -> bool:
        """Download the first link, save the file, charge the end user and notify them. Return False if the file is
        not a picture."""
        answer = self.download(links[0]) if links else None
        if answer is None or answer.status_code != 200 or not answer.headers["content-type"].startswith("image/"):
            return False
        self.save(answer.content)
        self.charge()
        self.done()
        return True

    def on_callback(self, act: Callable[[dict[str, Any]], None], *, status: int = 200) -> str:
        """Call `act` with the body of each callback, and answer it with `status`. Return the URL for callbacks."""
        self.receiver.status = status
        self.receiver.act = lambda body: act(json.loads(body))
        return self.receiver.url
