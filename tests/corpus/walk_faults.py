"""Faults by rule, at every moment, and by the header `Prefer`; how connections end."""

from __future__ import annotations

from typing import Any

from tests.corpus.account import Account
from tests.corpus.book import Book
from tests.corpus.samples import PICTURE, job, swap

EFFECTS: tuple[tuple[str, Any], ...] = (
    ("code", {"code": 429}),
    ("code as text", {"code": "500"}),
    ("code unknown", {"code": 777}),
    ("code of success", {"code": 200}),
    ("message", {"code": 500, "message": "GPU on fire"}),
    ("status", {"status": 503}),
    ("status fine", {"status": 206}),
    ("status and code", {"status": 418, "code": 429}),
    ("delay", {"delay": 0.03}),
    ("delay range", {"delay": ["10ms", "30ms"]}),
    ("delay object", {"delay": {"min": 0.01, "max": 0.02}}),
    ("rate limit", {"rate_limit": {"calls": 1, "seconds": 10, "retry_after": "date"}}),
    ("rate limit in seconds", {"rate_limit": {"limit": 1, "window": "10s", "retry_after": "seconds"}}),
    ("rate limit without", {"rate_limit": 1}),
    ("retry after", {"code": 429, "retry_after": 5}),
    ("retry after date", {"code": 429, "retry_after": {"seconds": "5s", "form": "date"}}),
    ("retry after alone", {"retry_after": 7}),
    ("maintenance", {"maintenance": True}),
    ("malformed", {"body": "malformed"}),
    ("truncated", {"body": "truncated"}),
    ("empty", {"body": "empty"}),
    ("code string", {"code_type": "string"}),
    ("code number", {"code_type": "number"}),
    ("code null", {"code_type": "null"}),
    ("code object", {"code_type": "object"}),
    ("code list", {"code_type": "list"}),
    ("code boolean", {"code_type": "boolean"}),
    ("extra", {"extra_fields": True}),
    ("extra object", {"extra_fields": {"a": {"b": 1}, "code": 1}}),
    ("reset", {"connection": "reset"}),
    ("hang up", {"connection": "hang_up"}),
    ("dribble", {"connection": "dribble", "delay": 0.1}),
    ("many", {"code": 429, "code_type": "null", "extra_fields": True, "body": "truncated", "retry_after": 3}),
    ("word", "reset"),
    ("other word", "maintenance"),
)

PREFERENCES = (
    "code=429",
    "code=777",
    "code=429, retry-after=5",
    "code=429, retry-after=5, retry-after-form=date",
    'code=500, message="GPU, on fire"',
    "status=503",
    "status=99",
    "delay=0.02",
    "delay=10ms-30ms",
    "delay=2-1",
    "maintenance",
    "maintenance=false",
    "body=malformed",
    "body=truncated",
    "body=empty",
    "body=nobody",
    "code-type=null",
    "code-type=object",
    "extra-fields",
    "connection=reset",
    "connection=hang-up",
    "connection=dribble, delay=0.1",
    "reset",
    "hang_up",
    "code=500, moment=after",
    "code=500, moment=wire",
    "connection=reset, moment=before",
    "respond-async, wait=10",
)

MATCHES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("provider", {"provider": "imgopen"}),
    ("operation", {"operation": "create_task"}),
    ("model", {"model": "image-face-swap"}),
    ("tool", {"model": "roop"}),
    ("path", {"body": {"$.input.image_url": {"contains": "unlucky"}}}),
    ("pointer", {"body": {"/input/image_url": {"matches": "un[l]ucky"}}}),
    ("plain", {"body": {"model": "image-face-swap"}}),
    ("search", {"body": {"$..image_url": {"exists": True}}}),
    ("equals", {"body": {"/input/new_face": {"equals": PICTURE}}}),
    ("headers", {"headers": {"x-unlucky": {"exists": True}}}),
    ("header", {"header": {"x-unlucky": "1"}}),
    ("params", {"params": {"task_id": "nobody"}}),
    ("nth", {"nth": 2}),
    ("probability", {"probability": 0.5}),
)


def walk(book: Book) -> None:
    for moment in (None, "before", "after", "wire"):
        by_rule(book, moment)
    by_match(book)
    by_header(book)


def calls(account: Account, step: str, url: str = PICTURE, **more: Any) -> None:
    """A creation and a poll at both providers."""
    account.crun(f"{step}/create", "POST", "job/CreateTask", swap(url), fresh=True, **more)
    account.crun(f"{step}/unknown", "GET", "job/TaskInfo?task_id=nobody", fresh=True, **more)
    path, body = job("roop", account.own_id(), url)
    account.imgopen(f"{step}/create", path, body, fresh=True, **more)
    account.imgopen(f"{step}/unknown", "sd/queryTaskInfo", {"businessTaskId": "nobody"}, fresh=True, **more)


def by_rule(book: Book, moment: str | None) -> None:
    with Account(book, f"faults/rules at {moment}") as account:
        for name, effect in EFFECTS:
            rule = {"id": "rule", "effect": effect, **({} if moment is None else {"moment": moment})}
            made = account.admin(f"{name}/add", "POST", "faults", rule)
            if "effect" not in made:
                continue
            calls(account, name)
            account.admin(f"{name}/turns", "GET", "faults/rule")
            account.admin(f"{name}/delete", "DELETE", "faults/rule")
        account.admin("har", "GET", "har")
        for number in (1, 40, 80):
            account.admin("why", "GET", f"why/x{number}")
    with Account(book, f"faults/refusals at {moment}") as account:
        for provider in ("crun", "imgopen"):
            for row in book.contracts.behaviours[provider]["refusals"]:
                rule = {
                    "effect": {"refuse": row["problem"]},
                    "match": {"provider": provider},
                    **({} if moment is None else {"moment": moment}),
                }
                account.admin(f"{row['problem']}/add", "POST", "faults", rule)
                calls(account, row["problem"])
                account.admin(f"{row['problem']}/clear", "DELETE", "faults")


def by_match(book: Book) -> None:
    with Account(book, "faults/matches") as account:
        for name, match in MATCHES:
            account.admin(f"{name}/add", "POST", "faults", {"effect": {"code": 429}, "match": match, "times": 3})
            for url in (PICTURE, "https://example.com/unlucky.png"):
                calls(account, name, url)
                calls(account, name, url, headers=(("X-Unlucky", "1"),))
            account.admin(f"{name}/list", "GET", "faults")
            account.admin(f"{name}/clear", "DELETE", "faults")
        for number in range(3):
            rule = {"id": f"r{number}", "effect": {"code": 500 + number}, "times": 1}
            account.admin("several/add", "POST", "faults", rule)
        account.admin("several/add", "POST", "faults", {"id": "r1", "effect": {"code": 500}})
        for _ in range(2):
            calls(account, "several")
        account.admin("several/list", "GET", "faults")


def by_header(book: Book) -> None:
    with Account(book, "faults/prefer") as account:
        for preference in PREFERENCES:
            calls(account, preference, headers=(("Prefer", preference),))
    with Account(book, "faults/prefer is off", prefer_header=False) as account:
        calls(account, "off", headers=(("Prefer", "code=429"),))
