"""A plain client of the admin API, as a script in any language would be: HTTP and the names of the contract, no more."""

from __future__ import annotations

from typing import Any

import requests

CRUN = "/api/v1/client/"
IMGOPEN = "/AIGCImgOpenServ/saas/"

PICTURE = "https://example.com/a.png"
SWAP = {"image_url": PICTURE, "new_face": "https://example.com/b.png"}


class Admin:
    def __init__(self, url: str, token: str = "") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        if token:
            self.session.headers["authorization"] = f"Bearer {token}"

    def call(self, method: str, path: str, body: Any = None, /, **params: Any) -> requests.Response:
        return self.session.request(method, f"{self.url}/__admin{path}", json=body, params=params, timeout=60)

    def ok(self, method: str, path: str, body: Any = None, /, **params: Any) -> Any:
        answer = self.call(method, path, body, **params)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, /, **params: Any) -> Any:
        """The problem document of an answer that must be a refusal."""
        answer = self.call(method, path, body, **params)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        return problem

    def pointers(self, method: str, path: str, body: Any = None, /, **params: Any) -> list[str]:
        """Where a 400 says that the mistakes are."""
        return [error["pointer"] for error in self.refused(400, method, path, body, **params)["errors"]]

    def sandbox(self, **options: Any) -> Box:
        return Box(self, self.ok("POST", "/sandboxes", options))


class Box:
    """One sandbox: its part of the admin API, and both vendors with its credentials."""

    def __init__(self, admin: Admin, document: Any) -> None:
        self.admin = admin
        self.document = document
        self.id = document["id"]
        self.base_url = document["base_url"]
        self.path = f"/sandboxes/{self.id}"

    def headers(self, provider: str = "crun") -> dict[str, str]:
        return dict(self.document["credentials"][provider]["headers"])

    def ok(self, method: str, path: str = "", body: Any = None, /, **params: Any) -> Any:
        return self.admin.ok(method, self.path + path, body, **params)

    def refused(self, status: int, method: str, path: str = "", body: Any = None, /, **params: Any) -> Any:
        return self.admin.refused(status, method, self.path + path, body, **params)

    def pointers(self, method: str, path: str = "", body: Any = None, /, **params: Any) -> list[str]:
        return self.admin.pointers(method, self.path + path, body, **params)

    def crun(self, method: str, path: str, body: Any = None, **more: Any) -> requests.Response:
        headers = {**self.headers(), **more.pop("headers", {})}
        return requests.request(method, self.base_url + CRUN + path, json=body, headers=headers, timeout=30, **more)

    def imgopen(self, path: str, body: Any, **more: Any) -> requests.Response:
        headers = {**self.headers("imgopen"), **more.pop("headers", {})}
        return requests.post(self.base_url + IMGOPEN + path, json=body, headers=headers, timeout=30, **more)

    def swap(self, picture: str = PICTURE, **more: Any) -> requests.Response:
        body = {"model": "image-face-swap", "input": {**SWAP, "image_url": picture}}
        return self.crun("POST", "job/CreateTask", {**body, **more})

    def swapped(self, picture: str = PICTURE, **more: Any) -> str:
        """The id of a task that was accepted."""
        answer = self.swap(picture, **more).json()
        assert answer["code"] == 200, answer
        return str(answer["data"]["task_id"])

    def info(self, task: str) -> Any:
        return self.crun("GET", "job/TaskInfo", params={"task_id": task}).json()["data"]

    def advance(self, **how: Any) -> Any:
        return self.ok("POST", "/clock/advance", how)["fired"]

    def available(self) -> float:
        return float(self.ok("GET", "/ledger")["balance"]["available"])
