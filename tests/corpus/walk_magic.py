"""Outcomes on demand: magic values in every operation that takes media, queued scenarios for every kind of task."""

from __future__ import annotations

from typing import Any

from tests.corpus import walk_crun, walk_imgopen
from tests.corpus.account import Account
from tests.corpus.book import Book
from tests.corpus.receiver import accept
from tests.corpus.samples import CRUN_MEDIA, FACE, crun_media, job, swap, task

#: These take two real seconds each, so that one operation of each provider must do.
SLOW = ("dribble", "delay")


def walk(book: Book) -> None:
    book.receiver.plan = accept
    for name in CRUN_MEDIA:
        crun(book, name)
    crun_multi(book)
    for operation in book.contracts.tools:
        imgopen(book, operation)
    for kind in CRUN_KINDS:
        crun_queue(book, kind)
    for operation in IMGOPEN_KINDS:
        imgopen_queue(book, operation)
    queue_forms(book)


def values(book: Book, provider: str, *, slow: bool) -> list[tuple[str, str, dict[str, Any]]]:
    """`(name, value, how to send it)`."""
    found = []
    for row in book.contracts.behaviours[provider]["magic"]:
        name = row["value"].removeprefix("https://").replace(".invalid/", " ")
        connection = "connection" in row.get("fault", {}) or row.get("fault", {}).get("body") is not None
        is_slow = name.removeprefix("errors ") in SLOW
        if slow or not is_slow:
            found.append((name, row["value"], {"fresh": connection, "held": 1.0 if is_slow else 0.0}))
    return found


def crun(book: Book, name: str) -> None:
    with Account(book, f"magic/crun/{name}") as account:
        for value, url, how in values(book, "crun", slow=name == "image_face_swap"):
            path, body = crun_media(name, url, book.receiver.url())
            made = account.crun(f"{value}/create", "POST", path, body, **how)
            if path.startswith(("job/estimate", "job/Estimate")):
                continue
            walk_crun.finished(account, value, made)
            account.received(value)


def crun_multi(book: Book) -> None:
    """The same as the target of a multi swap."""
    with Account(book, "magic/crun/multi") as account:
        for value, url, how in values(book, "crun", slow=False):
            body = walk_crun.multi(walk_crun.detect(account, f"{value}/detect"))
            body["input"]["faces"][0]["target"] = url
            made = account.crun(f"{value}/create", "POST", "job/CreateTask", body, **how)
            walk_crun.finished(account, value, made)


def imgopen(book: Book, operation: str) -> None:
    with Account(book, f"magic/imgopen/{operation}") as account:
        for value, url, how in values(book, "imgopen", slow=operation == "roop"):
            own_id = account.own_id()
            path, body = job(operation, own_id, url)
            answer = account.imgopen(f"{value}/create", path, {**body, "callbackUrl": book.receiver.url()}, **how)
            task_id = walk_imgopen.server_id(answer) or own_id
            walk_imgopen.query(account, f"{value}/poll", operation, task_id)
            account.advance(value, until="idle")
            walk_imgopen.query(account, f"{value}/poll", operation, task_id)
            account.received(value)
        account.crun("balance", "GET", "account/balance")


CRUN_KINDS = ("detection", "film", "task", "video", "prompt")
IMGOPEN_KINDS = ("face_detection", "face_fusion", "interrogate", "flux_text2image", "sd_text2image", "submit_training")


def crun_body(kind: str, callback_url: str) -> tuple[str, dict[str, Any]]:
    bodies: dict[str, tuple[str, dict[str, Any]]] = {
        "detection": crun_media("detect_face_image", FACE),
        "film": crun_media("detect_face_video", FACE),
        "task": ("job/CreateTask", swap(callback_url=callback_url)),
        "video": crun_media("video_face_swap", FACE, callback_url),
        "prompt": ("job/CreateTask", task("z-image", callback_url, prompt="x")),
    }
    return bodies[kind]


def crun_queue(book: Book, kind: str) -> None:
    word = "detection" if kind in ("detection", "film") else "task"
    with Account(book, f"queue/crun/{kind}") as account:
        for row in scenarios(book, "crun"):
            name = row["name"]
            account.admin(f"{name}/queue", "POST", "scenarios", {"scenario": name, "provider": "crun", "kind": word})
            path, body = crun_body(kind, book.receiver.url())
            for _ in row.get("steps", (name,)):
                made = account.crun(f"{name}/create", "POST", path, body)
                walk_crun.finished(account, name, made)
                account.received(name)


def imgopen_queue(book: Book, operation: str) -> None:
    kind = book.contracts.tools[operation]["kind"]
    with Account(book, f"queue/imgopen/{operation}") as account:
        for row in scenarios(book, "imgopen"):
            name = row["name"]
            account.admin(f"{name}/queue", "POST", "scenarios", {"scenario": name, "provider": "imgopen", "kind": kind})
            for _ in row.get("steps", (name,)):
                made = walk_imgopen.submit(account, f"{name}/create", operation, callbackUrl=book.receiver.url())
                walk_imgopen.finished(account, name, operation, made)
                account.received(name)


def scenarios(book: Book, provider: str) -> list[dict[str, Any]]:
    behaviour = book.contracts.behaviours[provider]
    return [*behaviour["scenarios"], *behaviour["series"]]


def queue_forms(book: Book) -> None:
    """How outcomes can be ordered: spellings, filters, own codes and messages, a default of the sandbox."""
    orders: tuple[dict[str, Any], ...] = (
        {"scenario": ["fails", "slow"]},
        {"name": "moderated", "count": 2, "operation": "create_task"},
        {"scenario": "fails", "model": "image-face-swap", "code": 505, "text": "GPU on fire"},
        {"scenario": "fails", "provider": "imgopen", "kind": "swap", "code": "1002", "message": "no luck"},
        {"scenario": "fails", "kind": "face_swap"},
        {"scenario": "fails", "kind": "nobody"},
        {"scenario": "fails", "model": "nobody"},
        {"scenario": "fails", "operation": "get_task_info"},
        {"scenario": "index_out_of_range", "provider": "crun"},
        {"scenario": "fails", "provider": "nobody"},
        {"scenario": "nobody"},
        {"scenario": {"scenario": "slow", "times": 2}},
    )
    with Account(book, "queue/forms", scenario="moderated") as account:
        for order in orders:
            account.admin("queue", "POST", "scenarios", order)
        account.admin("list", "GET", "scenarios")
        for _ in range(9):
            walk_crun.finished(account, "crun", walk_crun.create(account, "crun", swap()))
            made = walk_imgopen.submit(account, "imgopen", "face_fusion")
            walk_imgopen.finished(account, "imgopen", "face_fusion", made)
        account.admin("list", "GET", "scenarios")
        account.admin("clear", "DELETE", "scenarios")
        walk_crun.finished(account, "default", walk_crun.create(account, "default", swap()))
