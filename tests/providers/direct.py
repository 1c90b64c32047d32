"""A client of an emulator in this process, without HTTP: a table of many calls takes no time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from swapmock.mock_server.web.build import System
from swapmock.mock_server.web.messages import Request

BASE_URL = "http://emulator.test"


class Account:
    """A sandbox of its own with a frozen clock, and a client of both APIs with its credentials."""

    def __init__(self, system: System, **settings: Any) -> None:
        self._system = system
        _, self.sandbox = self._call("POST", "/__admin/sandboxes", {"clock": "frozen", "seed": 7, **settings}, {})
        self.id = str(self.sandbox["id"])

    def crun(
        self, method: str, path: str, body: Any = None, query: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Call crun.ai at `path` below `/api/v1/client/`. The HTTP status, and the document of the answer. `headers` stand in place
        of those that show the key."""
        shown = self.headers("crun") if headers is None else headers
        return self._call(method, f"/api/v1/client/{path}", body, shown, query)

    def imgopen(
        self, path: str, body: Any, query: str = "", headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Post to Img Open at `path` below `saas/`. The HTTP status, and the document of the answer. `headers` stand in place of those
        that show the key and its secret."""
        shown = self.headers("imgopen") if headers is None else headers
        return self._call("POST", f"/AIGCImgOpenServ/saas/{path}", body, shown, query)

    def data(self, path: str, body: Any) -> Any:
        """`data` of a success of Img Open."""
        _, document = self.imgopen(path, body)
        assert document["code"] == "200", document
        return document["data"]

    def created(self, model: str, given: dict[str, Any], **more: Any) -> str:
        """The id of a new task of crun.ai."""
        _, document = self.crun("POST", "job/CreateTask", {"model": model, "input": given, **more})
        assert document["code"] == 200, document
        return str(document["data"]["task_id"])

    def info(self, task_id: str) -> Any:
        """`data` of TaskInfo."""
        _, document = self.crun("GET", "job/TaskInfo", query=f"task_id={task_id}")
        assert document["code"] == 200, document
        return document["data"]

    def advance(self, seconds: float) -> None:
        status, document = self._call("POST", f"/__admin/sandboxes/{self.id}/clock/advance", {"by": seconds}, {})
        assert status == 200, document

    def admin(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        """Call the admin API at `path` below this sandbox."""
        status, document = self._call(method, f"/__admin/sandboxes/{self.id}/{path}".rstrip("/"), body, {}, query)
        assert status < 300, document
        return document

    def headers(self, provider: str) -> dict[str, str]:
        """The headers that show the credential of this sandbox, names in lower case."""
        given: dict[str, str] = self.sandbox["credentials"][provider]["headers"]
        return {name.lower(): value for name, value in given.items()}

    def _call(self, method: str, path: str, body: Any, headers: Mapping[str, str], query: str = "") -> tuple[int, Any]:
        raw = b"" if body is None else json.dumps(body).encode()
        sent = {"content-type": "application/json", "content-length": str(len(raw)), **headers}
        request = Request(method, path, query, sent, raw, BASE_URL)
        pipeline = self._system.pipeline
        target = pipeline.match(method, path)
        answer = pipeline.answer_unmatched(request) if target is None else pipeline.serve(target, request)
        return answer.status, json.loads(answer.body) if answer.body else None
