"""Callbacks: every retry schedule to its end, every answer of a receiver, everything that can go wrong on purpose."""

from __future__ import annotations

from typing import Any

from tests.corpus import walk_crun, walk_imgopen
from tests.corpus.account import Account
from tests.corpus.book import Book
from tests.corpus.receiver import Plan, accept, answer, refuse, refuse_first
from tests.corpus.samples import swap


def walk(book: Book) -> None:
    for provider in ("crun", "imgopen"):
        retry_schedules(book, provider)
        answers(book, provider)
        adversities(book, provider)
        addresses(book, provider)
        redeliveries(book, provider)
    book.receiver.plan = accept


def sent(account: Account, step: str, url: str, image: str = "https://example.com/a.png") -> None:
    """A task with a callback, gone through to its end."""
    if account.name.startswith("callbacks/crun"):
        made = walk_crun.create(account, step, swap(image, url))
    else:
        _, made = walk_imgopen.submit(account, step, "face_fusion", image, callbackUrl=url)
    account.received(f"{step}/at once")
    account.advance(step, until="idle")
    account.received(step)
    if account.name.startswith("callbacks/crun"):
        walk_crun.info(account, f"{step}/poll", made)
    else:
        walk_imgopen.query(account, f"{step}/poll", "face_fusion", walk_imgopen.server_id(made))


def retry_schedules(book: Book, provider: str) -> None:
    rows = {row["name"]: row for row in book.contracts.behaviours[provider]["callbacks"]["ladders"]}
    for name in rows:
        variants = {provider: {"callback_ladder": name}}
        with Account(book, f"callbacks/{provider}/ladder {name}", variants=variants) as account:
            for step, plan in (("refused", refuse), ("third", refuse_first(2))):
                book.receiver.plan = plan
                sent(account, step, book.receiver.url(f"/{step}?a=b%20c&d="))
            book.receiver.plan = refuse
            walk_steps(account, provider)


def walk_steps(account: Account, provider: str) -> None:
    """One attempt at a time, by the clock."""
    url = account.book.receiver.url("/by-hand")
    if provider == "crun":
        walk_crun.create(account, "by hand", swap(callback_url=url))
    else:
        walk_imgopen.submit(account, "by hand", "face_fusion", callbackUrl=url)
    for by in ("6s", "5s", "1m", "4m59s", "10m", "2h", "14d"):
        account.advance(f"by hand/{by}", by=by)
        account.received(f"by hand/{by}")
        account.admin("by hand/clock", "GET", "clock")


ANSWERS: tuple[tuple[str, bytes | str], ...] = (
    ("empty", answer(200, b"")),
    ("no content", b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    ("number", answer(200, b'{"code":200}')),
    ("other code", answer(200, b'{"code":"500"}')),
    ("no code", answer(200, b'{"ok":true}')),
    ("list", answer(200, b"[]")),
    ("no json", answer(200, b"ok")),
    ("created", answer(201)),
    ("redirect", answer(302, more="Location: http://127.0.0.1:9/else\r\n")),
    ("not found", answer(404, b"nobody")),
    ("long", answer(200, b'{"code":"200","more":"' + b"x" * 5000 + b'"}')),
    ("endless", answer(200, b"x" * 3_000_000)),
    ("chunked", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b'e\r\n{"code":"200"}\r\n0\r\n\r\n'),
    ("until the end", b'HTTP/1.0 200 OK\r\n\r\n{"code":"200"}'),
    ("broken off", b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"code":"200"}'),
    ("no http", b"hello\r\n\r\n"),
    ("bytes", answer(200, b"\xff\xfe\x00")),
    ("closed", "close"),
    ("reset", "reset"),
)


def answers(book: Book, provider: str) -> None:
    """What a receiver may answer to the first attempt; the second one is accepted."""

    def first(planned: bytes | str) -> Plan:
        return lambda number: planned if number == 1 else answer()

    with Account(book, f"callbacks/{provider}/answers") as account:
        for name, planned in ANSWERS:
            book.receiver.plan = first(planned)
            sent(account, name, book.receiver.url())
        if provider == "crun":  # it costs the seconds that a receiver may take
            book.receiver.plan = first("silent:4")
            sent(account, "silent", book.receiver.url())
        sent(account, "nobody there", "http://127.0.0.1:9/cb")


def adversities(book: Book, provider: str) -> None:
    names = [row["name"] for row in book.contracts.behaviours[provider]["scenarios"] if "delivery" in row]
    events: dict[str, Any] = {"crun": {"callback_events": "all"}} if provider == "crun" else {}
    for label, variants in (("", {}), (" all events", events)):
        if label and not events:
            continue
        for name in names:
            with Account(book, f"callbacks/{provider}/{name}{label}", variants=variants) as account:
                for step, plan in (("accepted", accept), ("refused", refuse), ("second", refuse_first(1))):
                    if name == "callback_concurrent" and step == "second":
                        continue  # of two at the same moment either may be the first, on purpose
                    book.receiver.plan = plan
                    sent(account, step, book.receiver.url(), f"https://errors.invalid/{name}")


def addresses(book: Book, provider: str) -> None:
    """Where a callback may go. Addresses, not names: nothing is looked up."""
    book.receiver.plan = accept
    port = book.receiver.port
    urls = (
        "http://192.0.2.1/cb",
        "http://10.0.0.1:8080/cb",
        "http://[2001:db8::1]/cb",
        "http://169.254.169.254/latest",
        f"http://user:word@127.0.0.1:{port}/cb",
        f"http://127.0.0.1:{port}",
        f"http://127.0.0.1:{port}/cb#fragment",
        f"http://127.0.0.1:{port}/%E4%BD%A0?x={'y' * 100}",
        "https://127.0.0.1:9/cb",
        "http://127.0.0.1:99999/cb",
        "ftp://127.0.0.1/cb",
        "/cb",
        "",
    )
    with Account(book, f"callbacks/{provider}/addresses") as account:
        for url in urls:
            sent(account, "to", url)
        account.admin("blocked", "GET", "deliveries?status=blocked")
        account.admin("wrong", "GET", "deliveries?status=nobody")


def redeliveries(book: Book, provider: str) -> None:
    with Account(book, f"callbacks/{provider}/again") as account:
        book.receiver.plan = refuse
        sent(account, "first", book.receiver.url())
        found = account.admin("list", "GET", "deliveries?status=dead&limit=1")["deliveries"]
        for delivery in [found[0]["id"], "d99", "nobody"]:
            for plan in (refuse, accept):
                book.receiver.plan = plan
                account.admin("again", "POST", f"deliveries/{delivery}/redeliver", {})
                account.received("again")
            account.admin("one", "GET", f"deliveries/{delivery}")
            account.admin("why", "GET", f"why/{delivery}")
        account.admin("of a task", "GET", f"deliveries?task={found[0]['task']}")
