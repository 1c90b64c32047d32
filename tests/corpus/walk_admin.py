"""The control plane: every verb, every mistake, snapshots, forks, waits, explanations, tables."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

from tests.corpus import walk_crun, walk_imgopen
from tests.corpus.account import CRUN, Account, parsed
from tests.corpus.book import SEED, START, Book
from tests.corpus.receiver import accept, refuse, refuse_first
from tests.corpus.samples import mutations, swap

ADMIN = "/__admin"
BOX = f"{ADMIN}/sandboxes"


def settle(book: Book) -> None:
    """Put the standing sandboxes on a frozen clock, as a snapshot may: on the machine's own no two runs are alike."""
    book.ask("start/make", "POST", BOX, {"id": "start", "seed": SEED, "clock": {"mode": "frozen", "start": START}})
    answer = book.ask("start/snapshot", "GET", f"{BOX}/start/snapshot")
    for name in ("default", "other"):
        book.ask(f"start/{name}", "POST", f"{BOX}/{name}/restore", answer.body, headers=JSON)
    book.ask("start/delete", "DELETE", f"{BOX}/start")


JSON = (("Content-Type", "application/json"),)


def walk(book: Book) -> dict[str, Any]:
    """Returns a snapshot that is full of things."""
    tables(book)
    sandboxes(book)
    clocks(book)
    snapshot = journals(book)
    tiny(book)
    waits(book)
    mistakes(book)
    standing(book)
    return snapshot


def tables(book: Book) -> None:
    book.ask("admin/index", "GET", ADMIN)
    for name in ("magic", "variants", "scenarios", "codes", "evidence"):
        for query in ("", "?provider=crun", "?provider=imgopen", "?provider=admin", "?provider=nobody", "?nobody=1"):
            book.ask(f"admin/{name}{query}", "GET", f"{ADMIN}/{name}{query}")
    for level in ("documented", "observed", "inferred", "invented", "nobody"):
        book.ask(f"admin/evidence {level}", "GET", f"{ADMIN}/evidence?level={level}&provider=crun")


def sandboxes(book: Book) -> None:
    frozen = {"mode": "frozen", "start": START}
    made: tuple[dict[str, Any], ...] = (
        {"id": "first", "seed": SEED, "clock": frozen},
        {"id": "first"},
        {"id": "on-poll", "seed": 1, "clock": {"clock": "on-poll", "start": 1_700_000_000}, "labels": {"a": "b"}},
        {
            "id": "aliases",
            "seed": 2,
            "clock_mode": frozen,
            "prefer": True,
            "evidence": True,
            "default_scenario": "slow",
        },
        {"id": "lives", "seed": 3, "clock": frozen, "ttl": "10m", "variants": {"crun.http_status": "always200"}},
        {"id": "limited", "seed": 4, "clock": frozen, "rate_limit": 5, "balance": 0},
        {"id": "negative", "seed": -9007199254740991, "clock": frozen},
        {"seed": 5, "clock": frozen},
        {"id": "wrong", "variants": {"crun": {"nobody": 1}}},
        {"id": "wrong", "variants": {"nobody": {}}},
        {"id": "wrong", "scenario": "nobody"},
        {"id": "wrong", "blance": 1},
        {"id": "wrong", "clock": "never"},
        {"id": "wrong", "clock": {"mode": "frozen", "start": "yesterday"}},
        {"id": "a b"},
        {"id": ""},
    )
    kept = []
    for options in made:
        answer = parsed(book.ask("admin/make", "POST", BOX, options))
        if "credentials" in answer and answer["id"] not in kept:
            kept.append(answer["id"])
    book.ask("admin/list", "GET", BOX)
    on_poll(book)
    for change in CHANGES:
        book.ask("admin/change", "PATCH", f"{BOX}/first", change)
    for name in (*kept, "nobody", "default"):
        book.ask(f"admin/{name}/get", "GET", f"{BOX}/{name}")
        book.ask(f"admin/{name}/reset", "POST", f"{BOX}/{name}/reset", {})
        if name != "default":
            book.ask(f"admin/{name}/delete", "DELETE", f"{BOX}/{name}")
            book.ask(f"admin/{name}/gone", "GET", f"{BOX}/{name}")


CHANGES: tuple[Any, ...] = (
    {"balance": 5},
    {"labels": {"suite": "checkout"}, "scenario": "slow"},
    {"scenario": None, "rate_limit": {"calls": 3, "seconds": "1m"}},
    {"rate_limit": None, "prefer_header": True, "evidence_header": True},
    {"variants": {"crun": {"callback_ladder": "short"}, "imgopen.id_prefix": "pro"}},
    {"variants": {"imgopen": {"nobody": 1, "id_prefix": "nobody"}}},
    {"ttl": 600},
    {"ttl": None},
    {"clock": "on_poll"},
    {"clock": "frozen"},
    {"id": "else"},
    {"seed": 1},
    {},
)


def on_poll(book: Book) -> None:
    """A clock that polls move."""
    with Account(book, "admin/on_poll", clock={"mode": "on_poll", "start": START}) as account:
        made = walk_crun.create(account, "create", swap())
        for _ in range(9):
            walk_crun.info(account, "poll", made)
        own = walk_imgopen.submit(account, "create", "face_fusion")
        for _ in range(9):
            walk_imgopen.query(account, "poll", "face_fusion", walk_imgopen.server_id(own[1]))


def clocks(book: Book) -> None:
    with Account(book, "admin/clock") as account:
        walk_crun.create(account, "create", swap("https://errors.invalid/stuck"))
        made = walk_crun.create(account, "create", swap())
        task = parsed(made)["data"]["task_id"]
        moves: tuple[dict[str, Any], ...] = (
            {"by": 0.5},
            {"by": "500ms"},
            {"to": "2026-03-01T00:00:02Z"},
            {"to": 1_772_323_203},
            {"to": START},
            {"to": "nobody"},
            {"until": {"task": task, "status": "success"}},
            {"until": {"id": task, "state": "running"}},
            {"until": {"task": task, "status": "nobody"}},
            {"until": {"task": "nobody", "status": "success"}},
            {"until": {"task": "1", "status": "failed"}},
            {"until": "idle"},
            {"until": "never"},
            {"by": "-1s"},
            {"by": "1000000d"},
            {"by": 1, "to": 2},
            {},
        )
        for move in moves:
            account.advance("move", **move)
        for mode in ("frozen", "on_poll", "on-poll", "nobody", "scaled(0)"):
            account.admin("mode", "PUT", "clock", {"mode": mode})
        account.admin("mode", "PATCH", "clock", {"mode": "frozen", "start": START})
        account.admin("mode", "PATCH", "clock", {"mode": "frozen", "rate": 2})
        account.admin("mode", "PATCH", "clock", {"mode": "frozen"})
        account.admin("get", "GET", "clock")
        for mode in ("scaled", "scaled(10)", "real"):  # last, for from here on it runs
            account.admin("runs", "PUT", "clock", {"mode": mode})


def journals(book: Book) -> dict[str, Any]:
    """An account with something of everything, looked at from all sides."""
    with Account(book, "admin/full", labels={"a": "b"}, evidence_header=True) as account:
        task = fill(account)
        money(account, task)
        look(account, task)
        return copies(account)


def fill(account: Account) -> str:
    book = account.book
    book.receiver.plan = refuse_first(2)
    put = parsed(account.crun("upload", "GET", "files/upload-url?content_type=image/png&ext=.png"))["data"]
    path = "/" + put["presigned_url"].split("/", 3)[3]
    book.ask("admin/full/put", "PUT", path, b"\x89PNG\xff", headers=(("Content-Type", "image/png"),))
    account.admin("queue", "POST", "scenarios", {"scenario": "slow", "provider": "imgopen"})
    account.admin(
        "fault",
        "POST",
        "faults",
        {"id": "f", "effect": {"code": 429}, "match": {"operation": "get_account_balance"}, "times": 1},
    )
    found = walk_crun.detect(account, "detect")
    made = walk_crun.create(account, "multi", walk_crun.multi(found, callback_url=book.receiver.url()))
    walk_crun.create(account, "wrong", {"model": "image-face-swap", "input": {"imageUrl": 1}})
    task = str((parsed(made).get("data") or parsed(walk_crun.create(account, "again", swap()))["data"])["task_id"])
    account.crun("nowhere", "GET", "nobody")
    account.crun("balance", "GET", "account/balance")
    walk_crun.finished(account, "swap", walk_crun.create(account, "swap", swap(callback_url=book.receiver.url())))
    walk_crun.create(account, "fails", swap("https://errors.invalid/fails", book.receiver.url()))
    for operation in ("face_detection", "face_fusion", "sd_text2image"):
        walk_imgopen.submit(account, operation, operation, callbackUrl=book.receiver.url())
    walk_crun.create(account, "stuck", swap("https://errors.invalid/stuck"))
    account.advance("on", by="20s")
    account.received("on")
    under_way(account)
    return task


def under_way(account: Account) -> None:
    """A callback that waits for its second attempt, a task that runs and one that waits."""
    account.book.receiver.plan = refuse
    walk_crun.create(account, "tried once", swap(callback_url=account.book.receiver.url("/later")))
    account.advance("tried once", by="7s")
    walk_crun.create(account, "runs", swap())
    account.advance("runs", by="2s")
    account.received("runs")
    walk_crun.create(account, "waits", swap())
    account.admin("queue", "POST", "scenarios", {"scenario": ["fails", "fine"], "provider": "crun"})


def money(account: Account, task: str) -> None:
    account.admin("ledger", "GET", "ledger")
    for query in ("?proof=1", "?proof=true", "?proof=0", "?proof=", "?proof=nobody"):
        account.admin("ledger", "GET", f"ledger{query}")
    for amount in ({"amount": 2.5}, {"credits": 1}, {"amount": 0}, {"amount": -1}, {}):
        account.admin("grant", "POST", "ledger/grant", amount)
    for given in ({"task": task, "amount": 1}, {"task": task}, {"task": task}, {"task": "nobody"}, {}):
        account.admin("refund", "POST", "ledger/refund", given)


QUERIES = (
    "",
    "?type=transition",
    "?type=delivery",
    "?type=nobody",
    "?provider=crun",
    "?operation=create_task&code=200",
    "?method=GET",
    "?status=404",
    "?body_code=422",
    "?problem=invalid",
    "?fault=f",
    "?unmatched=1",
    "?since=2026-03-01T00:00:05Z",
    "?until=1772323205",
    "?from=nobody",
    "?limit=2",
    "?limit=2&after=3",
    "?cursor=3&per_page=1",
    "?limit=0",
    "?after=-1",
    "?nobody=1",
)


def look(account: Account, task: str) -> None:
    for query in QUERIES:
        account.admin("journal", "GET", f"journal{query}")
        account.admin("requests", "GET", f"requests{query}")
        account.admin("har", "GET", f"har{query}")
    for query in (
        "",
        "?limit=2",
        "?kind=detection",
        "?provider=imgopen",
        "?status=succeeded",
        "?status=nobody",
        "?limit=x",
    ):
        listed = account.admin("tasks", "GET", f"tasks{query}")
    listed = account.admin("tasks", "GET", "tasks?limit=2")
    account.admin("tasks", "GET", f"tasks?limit=2&after={listed['tasks'][-1]['id']}")
    account.admin("tasks", "GET", "tasks?after=nobody")
    rows = account.admin("tasks", "GET", "tasks")["tasks"]
    requests = account.admin("requests", "GET", "requests?limit=1000")["requests"]
    deliveries = account.admin("deliveries", "GET", "deliveries?limit=1000")["deliveries"]
    for row in rows:
        account.admin("task", "GET", f"tasks/{row['id']}")
    for row in deliveries:
        account.admin("delivery", "GET", f"deliveries/{row['id']}")
    for name in (*(row["id"] for row in (*requests, *rows, *deliveries)), "nobody", "a/b"):
        account.admin(f"why/{name}", "GET", f"why/{name}")
    for query in ("?format=mermaid", "?format=json", "?format=nobody"):
        account.admin("why", "GET", f"why/{task}{query}")
    account.admin("task", "GET", "tasks/job-1")
    account.admin("task", "GET", "tasks/nobody")
    account.admin("fault", "GET", "faults/f")
    account.admin("fault", "GET", "faults/nobody")
    account.admin("fault", "DELETE", "faults/nobody")


def copies(account: Account) -> dict[str, Any]:
    """Snapshot, restore into others, fork; what follows is the same in each."""
    book = account.book
    answer = book.ask("admin/copies/snapshot", "GET", f"{BOX}/{account.id}/snapshot")
    account.admin("snapshot", "POST", "snapshot", {})
    saved: dict[str, Any] = json.loads(answer.body)
    with Account(book, "admin/copy", balance=1) as copy_of:
        restored = copy_of.admin("restore", "POST", "restore", answer.body, headers=JSON)
        if "id" not in restored:
            raise SystemExit(f"the snapshot cannot be restored: {restored}")
        copy_of.admin("again", "GET", "snapshot")
        follow(copy_of)
    with Account(book, "admin/wrapped") as wrapped:
        wrapped.admin("restore", "POST", "restore", {"snapshot": saved})
        for name, spoil in SPOILT:
            wrong = copy.deepcopy(saved)
            spoil(wrong)
            wrapped.admin(f"spoilt {name}", "POST", "restore", wrong)
        wrapped.admin("after", "GET")
    for given in ({"id": "forked"}, {"id": "forked"}, {}, {"id": "a b"}, {"nobody": 1}):
        made = account.admin("fork", "POST", "fork", given)
        if "credentials" in made:
            forked(book, made)
    follow(account)
    account.admin("reset", "POST", "reset", {})
    account.admin("reset", "POST", "reset", {"nobody": 1})
    account.admin("clear", "DELETE", "journal")
    account.admin("restore", "POST", "restore", answer.body, headers=JSON)
    return saved


def tiny(book: Book) -> None:
    """Less than the smallest amount: what is made of it, and whether a snapshot with it can be gone back to."""
    with Account(book, "admin/tiny") as account:
        account.admin("grant", "POST", "ledger/grant", {"amount": 0.0001})
        saved = account.admin("snapshot", "GET", "snapshot")
        account.admin("restore", "POST", "restore", saved)


def forked(book: Book, made: Any) -> None:
    key = (("x-api-key", made["credentials"]["crun"]["key"]),)
    path = f"{BOX}/{made['id']}"
    book.ask("admin/fork/create", "POST", f"{CRUN}/job/CreateTask", swap(), headers=key)
    book.ask("admin/fork/advance", "POST", f"{path}/clock/advance", {"until": "idle"})
    book.receiver.plan = accept
    book.received("admin/fork/callbacks")
    for look_at in ("", "/tasks", "/ledger?proof=1", "/journal?limit=1000", "/snapshot"):
        book.ask("admin/fork/look", "GET", path + look_at)
    book.ask("admin/fork/delete", "DELETE", path)


def follow(account: Account) -> None:
    """What comes after a snapshot: the rest of what is under way, and something new."""
    account.book.receiver.plan = refuse_first(1)
    for row in account.admin("follow/tasks", "GET", "tasks")["tasks"]:
        if row["provider"] == "crun" and row["kind"] == "task":
            answer = account.crun("follow/poll", "GET", f"job/TaskInfo?task_id={row['id']}")
            walk_crun.fetch_all(account, "follow", parsed(answer).get("data") or {})
    walk_crun.finished(account, "follow/new", walk_crun.create(account, "follow/new", swap()))
    account.received("follow")
    made = walk_imgopen.submit(account, "follow/new", "face_fusion")
    walk_imgopen.fetch_all(account, "follow", walk_imgopen.finished(account, "follow/new", "face_fusion", made))


def _task(saved: Any) -> Any:
    return next(iter(saved["state"]["tasks"].values()))


SPOILT: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("number", lambda saved: saved.update(swapmock_snapshot=2)),
    ("version", lambda saved: saved.update(version="99.0.0")),
    ("no version", lambda saved: saved.pop("version")),
    ("no state", lambda saved: saved.pop("state")),
    ("no tasks", lambda saved: saved["state"].pop("tasks")),
    ("tasks gone", lambda saved: saved["state"].update(tasks={})),
    ("more", lambda saved: saved.update(nobody=1)),
    ("more state", lambda saved: saved["state"].update(nobody=1)),
    ("mode", lambda saved: saved["clock"].update(mode="nobody")),
    ("clock", lambda saved: saved["clock"].update(shown="nobody")),
    ("variant", lambda saved: saved["sandbox"]["variants"]["crun"].update(http_status="nobody")),
    ("seed", lambda saved: saved["sandbox"].update(seed="nobody")),
    ("task id", lambda saved: _task(saved).update(id="nobody")),
    ("task time", lambda saved: _task(saved).update(created_at=None)),
    ("task operation", lambda saved: _task(saved).update(operation="nobody")),
    ("task facts", lambda saved: _task(saved).update(facts={})),
    ("request", lambda saved: _task(saved).update(request="!")),
    ("money", lambda saved: saved["state"]["entries"].pop(0)),
    ("amount", lambda saved: saved["state"]["entries"][0].update(amount=-5)),
    ("move", lambda saved: saved["state"]["entries"][0].update(move="nobody")),
    ("journal", lambda saved: saved["state"].update(journal=[1])),
    ("deliveries", lambda saved: saved["state"].update(deliveries=[{}])),
    ("files", lambda saved: saved.update(files={"nobody": "AAAA"})),
    ("file", lambda saved: saved.update(files={"nobody": "!"})),
)


def waits(book: Book) -> None:
    """Both met and timed out."""
    with Account(book, "admin/wait") as account:
        book.receiver.plan = accept
        made = walk_crun.create(account, "create", swap(callback_url=book.receiver.url()))
        task = parsed(made)["data"]["task_id"]
        orders: tuple[dict[str, Any], ...] = (
            {"requests": {"operation": "create_task", "count": 1}},
            {"requests": 1},
            {"operation": "create_task", "count": 2},
            {"requests": {"operation": "nobody"}},
            {"requests": {"provider": "nobody"}},
            {"requests": {"status": 200, "code": 200, "task": task, "provider": "crun"}},
            {"task": {"id": task, "status": "success"}},
            {"task": task, "status": "pending"},
            {"task": {"id": task, "status": "nobody"}},
            {"task": {"id": "nobody", "status": "success"}},
            {"task": {"id": task}},
            {"delivery": {"task": task, "status": "acknowledged"}},
            {"delivery": "d1"},
            {"requests": 1, "task": task},
            {},
        )
        for phase in ("before", "after"):
            for order in orders:
                account.admin(phase, "POST", "wait", {**order, "timeout": 0.02})
            account.advance(phase, until="idle")
            account.received(phase)
        account.admin("long", "POST", "wait", {"requests": 1, "timeout": "301s"})


def mistakes(book: Book) -> None:
    """Every member of every order missing, mistyped and out of bounds; wrong paths, methods and bodies."""
    frozen = {"mode": "frozen", "start": START}
    rule = {"id": "r", "effect": {"code": 429, "retry_after": 1}, "match": {"nth": 1, "body": {}}, "times": 1}
    with Account(book, "admin/mistakes") as account:
        snapshot = account.admin("snapshot", "GET", "snapshot")
        task = parsed(walk_crun.create(account, "create", swap()))["data"]["task_id"]
        orders: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
            ("change_sandbox", "PATCH", "", {"balance": 5, "labels": {}, "variants": {}}),
            ("change_clock", "PATCH", "clock", {"mode": "frozen"}),
            ("advance_clock", "POST", "clock/advance", {"by": "1s"}),
            ("grant_credits", "POST", "ledger/grant", {"amount": 1}),
            ("refund_task", "POST", "ledger/refund", {"task": task, "amount": 1}),
            ("queue_scenario", "POST", "scenarios", {"scenario": "fails"}),
            ("fork_sandbox", "POST", "fork", {"id": "forked-by-mistake"}),
            ("wait", "POST", "wait", {"requests": {"count": 1}, "timeout": 0}),
            ("add_fault", "POST", "faults", rule),
            ("restore_snapshot", "POST", "restore", snapshot),
        )
        for operation, method, path, body in orders:
            schema = book.contracts.request_schema("admin", operation)
            for name, wrong in mutations(book.contracts, "admin", schema, body):
                made = account.admin(f"{operation}/{name}", method, path, wrong)
                if operation == "fork_sandbox" and "credentials" in made:
                    book.ask("admin/mistakes/tidy", "DELETE", f"{BOX}/{made['id']}")
                if operation == "add_fault" and "effect" in made:
                    account.admin("tidy", "DELETE", "faults")
        schema = book.contracts.request_schema("admin", "create_sandbox")
        for name, wrong in mutations(book.contracts, "admin", schema, {"id": "mistake", "seed": 1, "clock": frozen}):
            made = parsed(book.ask(f"admin/mistakes/create_sandbox/{name}", "POST", BOX, wrong))
            if "credentials" in made:
                book.ask("admin/mistakes/tidy", "DELETE", f"{BOX}/{made['id']}")
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
        for path in (BOX, f"{BOX}/default/clock", f"{BOX}/nobody/clock", f"{BOX}/default/nobody", f"{ADMIN}/metrics/x"):
            book.ask(f"admin/method {method}", method, path, fresh=True)
    odd = (b"", b"{", b"[]", b"null", b'{"a":NaN}', b"\xff", b'{"id":"a","id":"b"}')
    for content in odd:
        for path in (BOX, f"{BOX}/default/clock/advance"):
            book.ask("admin/body", "POST", path, content, headers=JSON, fresh=True)
    book.ask(
        "admin/type", "POST", f"{BOX}/default/ledger/grant", b'{"amount":1}', headers=(("Content-Type", "text/plain"),)
    )
    book.ask("admin/token", "GET", f"{BOX}/default/clock", headers=(("Authorization", "Bearer nobody"),))


def standing(book: Book) -> None:
    """The short ways to the default sandbox; what nobody's keys leave in it."""
    book.ask("admin/default/foreign", "GET", f"{CRUN}/account/balance", headers=(("x-api-key", "ak_nobody"),))
    for query in ("?unmatched=1&limit=5", "?limit=3&status=401", "?limit=nobody"):
        book.ask("admin/default/requests", "GET", f"{ADMIN}/requests{query}")
    book.ask("admin/default/why", "GET", f"{BOX}/default/why/x1")
    book.ask("admin/default/reset", "POST", f"{ADMIN}/reset", {})
    book.ask("admin/default/reset", "POST", f"{ADMIN}/reset")
    book.ask("admin/default/requests", "GET", f"{ADMIN}/requests")
    book.ask("admin/default/delete", "DELETE", f"{BOX}/default")
    book.ask("admin/default/list", "GET", BOX)


def metrics(book: Book) -> None:
    """Last, for they count all that went before."""
    book.ask("admin/metrics", "GET", f"{ADMIN}/metrics")
