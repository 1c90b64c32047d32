"""One client for each provider, with the same verbs: what general code does must be the same for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import requests

from tests.control import PICTURE, Box
from tests.third_provider.facely import REGISTRATION

#: What `build` and `Emulator.with_providers` take, so that they have the third one.
FURTHER = {"facely": REGISTRATION}

FACE = "https://example.com/b.png"


class Vendor(ABC):
    """A face swap at one provider, in the sandbox `box`. `create` and `poll` are the operations that it uses."""

    name: ClassVar[str]
    create: ClassVar[str]
    poll: ClassVar[str]
    model: ClassVar[str]
    #: what a swap costs, in credits
    price: ClassVar[float]
    #: how long it is queued, and how long it runs, in seconds
    seconds: ClassVar[tuple[float, float]]
    #: seconds between the attempts of a callback
    waits: ClassVar[list[float]]
    #: the phase of a task -> the word for it
    words: ClassVar[dict[str, Any]]

    def __init__(self, box: Box) -> None:
        self.box = box

    @abstractmethod
    def send(self, picture: str = PICTURE, callback_url: str | None = None) -> requests.Response:
        """Ask for a swap."""

    @abstractmethod
    def ask(self, task: str) -> requests.Response:
        """Ask how a swap stands."""

    @abstractmethod
    def account(self) -> requests.Response:
        """A call that costs nothing and touches no task."""

    @abstractmethod
    def task_in(self, document: Any) -> str:
        """The id of the task in an answer or in a callback."""

    @abstractmethod
    def word_in(self, document: Any) -> Any:
        """The word for the state of the task."""

    @abstractmethod
    def link_in(self, document: Any) -> str:
        """The link to the first file of a task that has succeeded."""

    @abstractmethod
    def code_of(self, answer: requests.Response) -> str:
        """The code of an error response, "" for a success."""

    def told(self, document: Any) -> Any:
        """What a callback tells, of the answer to a poll."""
        return document

    def submit(self, picture: str = PICTURE, callback_url: str | None = None) -> str:
        """The id of a swap that was accepted."""
        answer = self.send(picture, callback_url)
        assert self.code_of(answer) == "", answer.text
        return self.task_in(answer.json())

    def phase(self, task: str) -> str:
        """`queued`, `running`, `succeeded` or `failed`."""
        return self.phase_in(self.told(self.ask(task).json()))

    def phase_in(self, document: Any) -> str:
        word = self.word_in(document)
        return next(phase for phase, one in self.words.items() if one == word)

    def knows(self, task: str) -> bool:
        return self.code_of(self.ask(task)) == ""


class Crun(Vendor):
    name, create, poll = "crun", "create_task", "get_task_info"
    model, price, seconds = "image-face-swap", 3, (1.0, 5.0)
    waits: ClassVar = [10.0, 60.0, 300.0]
    words: ClassVar = {"queued": "pending", "running": "running", "succeeded": "success", "failed": "failed"}

    def send(self, picture: str = PICTURE, callback_url: str | None = None) -> requests.Response:
        return self.box.swap(picture, callback_url=callback_url)

    def ask(self, task: str) -> requests.Response:
        return self.box.crun("GET", "job/TaskInfo", params={"task_id": task})

    def account(self) -> requests.Response:
        return self.box.crun("GET", "account/balance")

    def task_in(self, document: Any) -> str:
        return str(document.get("data", document)["task_id"])

    def word_in(self, document: Any) -> Any:
        return document["status"]

    def link_in(self, document: Any) -> str:
        return str(document["result"]["media_urls"][0])

    def code_of(self, answer: requests.Response) -> str:
        code = answer.json()["code"]
        return "" if code == 200 else str(code)

    def told(self, document: Any) -> Any:
        return document["data"]


class ImgOpen(Vendor):
    name, create, poll = "imgopen", "face_fusion", "query_image_tool_task_info"
    model, price, seconds = "face/fusion", 2, (1.0, 4.0)
    waits: ClassVar = [3.0, 5.0, 15.0, 30.0, 60.0, 600.0, 3600.0, 3600.0, 3600.0, 3600.0]
    words: ClassVar = {"queued": 3, "running": 1, "succeeded": 2, "failed": 4}

    def send(self, picture: str = PICTURE, callback_url: str | None = None) -> requests.Response:
        body = {"sourceUrl": [FACE], "targetUrl": picture, "businessTaskId": "own", "callbackUrl": callback_url}
        return self.box.imgopen("tool/face/fusion", body)

    def ask(self, task: str) -> requests.Response:
        return self.box.imgopen("tool/face/fusion/queryTask", {"businessTaskId": task})

    def account(self) -> requests.Response:
        return self.box.imgopen("sd/v2/queryModelList", {"pageSize": 1, "pageNum": 1})

    def task_in(self, document: Any) -> str:
        return str(document["data"]["taskId"])

    def word_in(self, document: Any) -> Any:
        return document["data"]["status"]

    def link_in(self, document: Any) -> str:
        return str(document["data"]["outputImageUrl"])

    def code_of(self, answer: requests.Response) -> str:
        code = answer.json()["code"]
        return "" if code == "200" else str(code)


class Facely(Vendor):
    name, create, poll = "facely", "create_swap", "get_swap"
    model, price, seconds = "swap-1", 2, (1.0, 4.0)
    waits: ClassVar = [5.0, 30.0]
    words: ClassVar = {"queued": "queued", "running": "working", "succeeded": "done", "failed": "failed"}

    def _url(self, path: str) -> str:
        return f"{self.box.base_url}/v1/{path}"

    def send(self, picture: str = PICTURE, callback_url: str | None = None) -> requests.Response:
        body = {"target_url": picture, "source_url": FACE}
        more = {} if callback_url is None else {"webhook_url": callback_url}
        return requests.post(self._url("swaps"), json={**body, **more}, headers=self.box.headers("facely"), timeout=30)

    def ask(self, task: str) -> requests.Response:
        return requests.get(self._url(f"swaps/{task}"), headers=self.box.headers("facely"), timeout=30)

    def account(self) -> requests.Response:
        return requests.get(self._url("account"), headers=self.box.headers("facely"), timeout=30)

    def task_in(self, document: Any) -> str:
        return str(document["id"])

    def word_in(self, document: Any) -> Any:
        return document["status"]

    def link_in(self, document: Any) -> str:
        return str(document["output_url"])

    def code_of(self, answer: requests.Response) -> str:
        return "" if answer.status_code < 300 else str(answer.status_code)


VENDORS: tuple[type[Vendor], ...] = (Crun, ImgOpen, Facely)
