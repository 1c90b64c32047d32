"""A sandbox of its own for each walk, on a frozen clock and with a fixed seed, spoken to as a client would."""

from __future__ import annotations

import json
from typing import Any, Self

from tests.corpus.book import SEED, START, Book
from tests.corpus.wire import Answer

CRUN = "/api/v1/client"
IMGOPEN = "/AIGCImgOpenServ/saas"


def parsed(answer: Answer) -> Any:
    """The answer's JSON; {} where it is none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return {}


class Account:
    """`with Account(book, "crun/swap") as account:`; the name begins the name of every step."""

    def __init__(self, book: Book, name: str, **options: Any) -> None:
        self.book, self.name = book, name
        clock = {"mode": "frozen", "start": START}
        given = {"id": _id(name), "seed": SEED, "balance": 100_000, "clock": clock, "prefer_header": True, **options}
        made = parsed(book.ask(f"{name}/sandbox", "POST", "/__admin/sandboxes", given))
        self.id: str = made["id"]
        self._take(made["credentials"])
        self.jobs = 0

    def _take(self, credentials: Any) -> None:
        self.keys = {name: tuple(row["headers"].items()) for name, row in credentials.items()}

    def crun(self, step: str, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        headers = (*self.keys["crun"], *more.pop("headers", ()))
        return self.book.ask(f"{self.name}/{step}", method, f"{CRUN}/{path}", body, headers=headers, **more)

    def imgopen(self, step: str, path: str, body: Any, **more: Any) -> Answer:
        headers = (*self.keys["imgopen"], *more.pop("headers", ()))
        method = more.pop("method", "POST")
        return self.book.ask(f"{self.name}/{step}", method, f"{IMGOPEN}/{path}", body, headers=headers, **more)

    def admin(self, step: str, method: str, path: str = "", body: Any = None, **more: Any) -> Any:
        path = f"/__admin/sandboxes/{self.id}" + (f"/{path}" if path else "")
        return parsed(self.book.ask(f"{self.name}/{step}", method, path, body, **more))

    def advance(self, step: str, **given: Any) -> Any:
        return self.admin(f"{step}/advance", "POST", "clock/advance", given)

    def received(self, step: str) -> int:
        return self.book.received(f"{self.name}/{step}/callback")

    def own_id(self) -> str:
        """An id of the caller's own, as Img Open wants one."""
        self.jobs += 1
        return f"job-{self.jobs}"

    def fetch(self, step: str, url: str) -> Answer:
        """A file of ours by its link."""
        return self.book.ask(f"{self.name}/{step}", "GET", "/" + url.split("/", 3)[3])

    def after(self) -> None:
        """What is left of a walk: its tasks, its money, its callbacks, its journal."""
        self.admin("after/tasks", "GET", "tasks?limit=1000")
        self.admin("after/ledger", "GET", "ledger?proof=1")
        self.admin("after/deliveries", "GET", "deliveries?limit=1000")
        self.admin("after/journal", "GET", "journal?limit=1000")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.after()
            self.admin("after/delete", "DELETE")


def _id(name: str) -> str:
    """A name as an id of a sandbox."""
    return "".join(letter if letter.isalnum() or letter in "_.-" else "-" for letter in name)[:64]
