"""What crun.ai says: every operation, every refusal, every variant."""

from __future__ import annotations

from typing import Any

from tests.corpus.account import CRUN, Account, parsed
from tests.corpus.book import Book
from tests.corpus.receiver import accept
from tests.corpus.samples import FACE, FILM, PICTURE, input_of, mutations, swap, task
from tests.corpus.wire import Answer

DISABLED = (("x-api-key", "ak_swapmockdisabled0000000000000000"),)
GROUP = "https://faces.invalid/3.png"


def info(account: Account, step: str, answer: Answer) -> Any:
    """Ask how the task stands that an answer tells of; `{}` if it tells of none."""
    data = parsed(answer).get("data") or {}
    if "detect_task_id" in data:
        told = account.crun(step, "GET", f"job/detect-face-result?detect_task_id={data['detect_task_id']}")
    elif "task_id" in data:
        told = account.crun(step, "GET", f"job/TaskInfo?task_id={data['task_id']}")
    else:
        return {}
    return parsed(told).get("data") or {}


def create(account: Account, step: str, body: Any) -> Answer:
    return account.crun(step, "POST", "job/CreateTask", body)


def finished(account: Account, step: str, answer: Answer) -> Any:
    """The task before its end and after it."""
    info(account, f"{step}/poll", answer)
    account.advance(f"{step}/start", by="1.2s")
    info(account, f"{step}/poll", answer)
    account.advance(step, until="idle")
    return info(account, f"{step}/poll", answer)


def detect(account: Account, step: str, url: str = GROUP, kind: str = "image") -> Any:
    answer = account.crun(step, "POST", f"job/detect-face-{kind}", {f"{kind}_url": url})
    return finished(account, step, answer)


def multi(found: Any, url: str = GROUP, kind: str = "image", callback_url: str | None = None, face: int = 0) -> Any:
    result = found.get("result") or {}
    faces = [{"face_id": face, "target": FACE}]
    given = {"detect_id": result.get("id", "none"), f"{kind}_url": url, "faces": faces}
    return task(f"{kind}-face-swap-multi", callback_url, **given)


def fetch_all(account: Account, step: str, told: Any) -> None:
    result = told.get("result") or {}
    urls = [face["link"] for face in result.get("faces", ())] + list(result.get("media_urls", ()))
    for url in urls:
        account.fetch(f"{step}/media", url)


def walk(book: Book) -> None:
    operations(book)
    models(book)
    uploads(book)
    refusals(book)
    wrong_bodies(book)
    for row in book.contracts.behaviours["crun"]["variants"]:
        for choice in (*row["choices"], *([{"402": 200, "404": 410}] if row.get("takes_map") else ())):
            variant(book, row["name"], choice)


def operations(book: Book) -> None:
    """Detect, swap, poll, download; prices, balance and catalogues."""
    with Account(book, "crun/operations", evidence_header=True) as account:
        for count in range(9):
            found = detect(account, f"detect/{count}", f"https://faces.invalid/{count}.png")
            if count in (0, 1, 8):
                fetch_all(account, f"detect/{count}", found)
        found = detect(account, "detect/jpg", "https://example.com/a.jpg")
        fetch_all(account, "detect/jpg", found)
        detect(account, "detect/gif", "https://faces.invalid/2.gif", "video")
        found = detect(account, "detect/group")
        links = [face["link"] for face in found["result"]["faces"]]
        body = multi(found)
        body["input"]["faces"].append({"face_id": 2, "target": links[1]})
        fetch_all(account, "multi", finished(account, "multi", create(account, "multi", body)))
        film = detect(account, "detect/film", "https://faces.invalid/2.mp4", "video")
        body = multi(film, "https://faces.invalid/2.mp4", "video")
        fetch_all(account, "film", finished(account, "film", create(account, "film", body)))
        fetch_all(
            account, "swap", finished(account, "swap", create(account, "swap", swap("https://example.com/a.jpg")))
        )
        made = create(account, "link", task("image-face-swap", image_url=GROUP, new_face=links[0]))
        fetch_all(account, "link", finished(account, "link", made))
        for path in CATALOGUES:
            account.crun("catalogue", "GET", path)
        account.crun("estimate", "POST", "job/estimate-credits", swap())
        account.crun("estimate", "POST", "job/EstimateTask", swap())
        account.crun("balance", "GET", "account/balance")
        account.advance("expiry", by="15d")
        account.fetch("expiry/face", links[0])


CATALOGUES = (
    "job/Models",
    "job/Models?modality=video",
    "job/Models?operation=text-to-image",
    "job/Models?modality=audio&operation=nonsense",
    "job/Models?modality=nonsense",
    "job/Models/image-face-swap",
    "job/Models/google/nano-banana-pro",
    "job/Models/google%2Fnano-banana-pro",
    "job/Models/nobody",
    "job/kling-templates",
    "job/kling-templates?page=2&page_size=2",
    "job/kling-templates?page=0",
    "job/kling-templates?page_size=51",
    "job/kling-templates?page=x",
    "job/kling-templates?template_id=kling-hug",
    "job/kling-templates?template_id=nobody",
    "job/vidu-templates",
    "job/vidu-templates?template=vidu-kiss",
    "job/vidu-templates?page=99",
    "job/bytedance-templates",
    "job/bytedance-templates?template_id=bd-clay&page=1",
)


def models(book: Book) -> None:
    """Every model of the catalogue, once; a file of each kind that one makes."""
    seen = set()
    with Account(book, "crun/models") as account:
        for row in book.contracts.models:
            name = row["name"]
            if name.endswith("-multi"):
                continue
            body = {"model": name, "input": input_of(row)}
            made = create(account, f"{name}/create", body)
            account.crun(f"{name}/estimate", "POST", "job/estimate-credits", body)
            account.advance(name, until="idle")
            told = info(account, f"{name}/poll", made)
            urls = (told.get("result") or {}).get("media_urls", ())
            ending = [url.rpartition(".")[2] for url in urls]
            if urls and (row["media"], *ending) not in seen:
                seen.add((row["media"], *ending))
                fetch_all(account, name, told)
            account.crun(f"{name}/model", "GET", f"job/Models/{name}")
        several = task("bytedance/seedream-4-5", prompt="x", num_outputs=3)
        fetch_all(account, "several", finished(account, "several", create(account, "several", several)))


def uploads(book: Book) -> None:
    with Account(book, "crun/uploads") as account:
        data = None
        for query in (
            "content_type=image/png&ext=.png",
            "content_type=image/png&ext=png",
            "ext=.png",
            "content_type=x&ext=",
            "",
        ):
            data = data or parsed(account.crun("url", "GET", f"files/upload-url?{query}")).get("data")
        assert data is not None
        put, get = (url.split("/", 3)[3] for url in (data["presigned_url"], data["file_url"]))
        steps = [
            ("early", "GET", get, None, ()),
            ("wrong type", "PUT", put, b"\x89PNG not really", (("Content-Type", "image/gif"),)),
            ("forged", "PUT", put[:-4] + "beef", b"x", (("Content-Type", "image/png"),)),
            ("unsigned", "PUT", put.partition("?")[0], b"x", ()),
            ("put", "PUT", put, b"\x89PNG not really\xff", (("Content-Type", "image/png"),)),
            ("get", "GET", get, None, ()),
            ("head", "HEAD", get, None, ()),
            ("again", "PUT", put, b"\x89PNG another\xff", (("Content-Type", "image/png"),)),
            ("get", "GET", get, None, ()),
            ("delete", "DELETE", get, None, ()),
            ("unknown", "GET", "u/nobody.png", None, ()),
            ("unknown", "GET", "media/nobody/0.png", None, ()),
            ("unknown", "GET", "Output-Img2/tool/roop/nobody-0.png", None, ()),
        ]
        for step, method, path, body, headers in steps:
            book.ask(f"crun/uploads/{step}", method, f"/{path}", body, headers=headers)
        made = create(account, "use", swap(data["file_url"]))
        finished(account, "use", made)
        account.advance("late", by="20m")
        book.ask("crun/uploads/late", "PUT", f"/{put}", b"x", headers=(("Content-Type", "image/png"),))
        account.advance("expired", by="15d")
        book.ask("crun/uploads/expired", "GET", f"/{get}")


def refusals(book: Book) -> None:
    """Every refusal that has a cause of its own."""
    other = (("x-api-key", "ak_swapmockother0000000000000000000"),)
    key_sets: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        ("missing", ()),
        ("empty", (("x-api-key", ""),)),
        ("unknown", (("x-api-key", "ak_nobody"),)),
        ("disabled", DISABLED),
        ("bearer", (("Authorization", "Bearer ak_nobody"),)),
    )
    for name, headers in key_sets:
        for method, path, body in (
            ("POST", "job/CreateTask", swap()),
            ("GET", "account/balance", None),
            ("POST", "nobody", {}),
        ):
            book.ask(f"crun/refusals/key {name}", method, f"{CRUN}/{path}", body, headers=headers)
    with Account(book, "crun/refusals") as account:
        made = create(account, "foreign", swap())
        mine = parsed(made)["data"]["task_id"]
        book.ask("crun/refusals/foreign", "GET", f"{CRUN}/job/TaskInfo?task_id={mine}", headers=other)
        for query in ("", "?task_id=", "?task_id=nobody", "?task_id=" + "0" * 36, "?task_id=a&task_id=b", "?id=x"):
            account.crun("task", "GET", f"job/TaskInfo{query}")
        for query in ("", "?detect_task_id=", "?detect_task_id=nobody", f"?detect_task_id={mine}"):
            account.crun("detection", "GET", f"job/detect-face-result{query}")
        for path in ("", "nobody", "job", "job/CreateTask/", "job//CreateTask", "job/createtask", "job/CreateTas%6B"):
            account.crun("path", "POST", path, swap())
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
            account.crun("method", method, "job/CreateTask")
            account.crun("method", method, "job/TaskInfo?task_id=nobody")
        bodies(account, "job/CreateTask")
        create(account, "model", task("nobody", prompt="x"))
        create(account, "misspelt", swap("https://errors.invalid/slwo"))
        create(account, "misspelt", swap("https://faces.invalid/9.png"))
        create(account, "misspelt", swap("https://nobody.invalid/x"))
        multi_refusals(account)
    with Account(book, "crun/poor", balance=2) as account:
        create(account, "create", swap())
        account.crun("detect", "POST", "job/detect-face-image", {"image_url": PICTURE})
        account.crun("estimate", "POST", "job/EstimateTask", swap())
        account.crun("balance", "GET", "account/balance")
    for form in ("none", "seconds", "date"):
        with Account(
            book, f"crun/limited/{form}", rate_limit={"calls": 2, "seconds": 10, "retry_after": form}
        ) as account:
            for _ in range(4):
                account.crun("balance", "GET", "account/balance")
            account.advance("later", by="10s")
            account.crun("balance", "GET", "account/balance")


def bodies(account: Account, path: str) -> None:
    """Bodies that are no JSON, or another JSON, or too long, or of another type."""
    kind = (("Content-Type", "application/json"),)
    call = account.crun if path.startswith("job/") else _as_crun(account)
    odd: tuple[tuple[str, bytes], ...] = (
        ("none", b""),
        ("broken", b'{"model": '),
        ("text", b"hello"),
        ("list", b"[]"),
        ("null", b"null"),
        ("number", b"1"),
        ("not a number", b'{"model": NaN}'),
        ("twice", b'{"model": "a", "model": "b"}'),
        ("bytes", b"\xff\xfe{}"),
        ("bom", b"\xef\xbb\xbf{}"),
        ("surrogate", b'{"model": "\\ud800"}'),
        ("deep", b"[" * 2000 + b"]" * 2000),
        ("long number", b'{"model": ' + b"1" * 5000 + b"}"),
    )
    for name, body in odd:
        call(f"body {name}", "POST", path, body, headers=kind)
    for other in (
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-8",
        "multipart/form-data",
    ):
        call("type", "POST", path, b"{}", headers=(("Content-Type", other),))
    call("no type", "POST", path, b"{}")
    call("too large", "POST", path, b'{"a": "' + b"x" * 1_048_600 + b'"}', headers=kind, fresh=True)


def _as_crun(account: Account) -> Any:
    def call(step: str, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        return account.imgopen(step, path, body, method=method, **more)

    return call


def multi_refusals(account: Account) -> None:
    found = detect(account, "multi/detect")
    create(account, "multi/url", multi(found, "https://example.com/else.png"))
    create(account, "multi/face", multi(found, face=7))
    twice = multi(found)
    twice["input"]["faces"] *= 2
    create(account, "multi/twice", twice)
    create(account, "multi/unknown", multi({"result": {"id": "nobody"}}))
    account.advance("multi/stale", by="1h")
    create(account, "multi/stale", multi(found))


def wrong_bodies(book: Book) -> None:
    """Every member of every request missing, mistyped and out of bounds."""
    given: dict[str, Any] = {"detect_face_image": {"image_url": PICTURE}, "detect_face_video": {"video_url": FILM}}
    paths = {"detect_face_image": "job/detect-face-image", "detect_face_video": "job/detect-face-video"}
    with Account(book, "crun/wrong") as account:
        for operation, body in given.items():
            schema = book.contracts.request_schema("crun", operation)
            for name, wrong in mutations(book.contracts, "crun", schema, body):
                account.crun(f"{operation}/{name}", "POST", paths[operation], wrong)
        union = book.contracts.request_schema("crun", "create_task")
        mapping = union["discriminator"]["mapping"]
        rows = {row["name"]: row for row in book.contracts.models}
        for branch in sorted(set(mapping.values())):
            model = next(name for name, to in mapping.items() if to == branch)
            body = {"model": model, "callback_url": None, "input": input_of(rows[model])}
            for name, wrong in mutations(book.contracts, "crun", {"$ref": branch}, body):
                account.crun(f"create/{model}/{name}", "POST", "job/CreateTask", wrong)
        for name, wrong in mutations(book.contracts, "crun", {"$ref": mapping["image-face-swap"]}, swap()):
            for path in ("job/estimate-credits", "job/EstimateTask"):
                account.crun(f"{path}/{name}", "POST", path, wrong)
        for row in book.contracts.models:
            for missing in row.get("required", ()):
                body = {"model": row["name"], "input": {k: v for k, v in input_of(row).items() if k != missing}}
                account.crun(f"create/{row['name']}/without {missing}", "POST", "job/CreateTask", body)
        account.admin("tidy", "DELETE", "journal")


def variant(book: Book, name: str, choice: Any) -> None:
    """The same small walk under every choice."""
    options = {"variants": {"crun": {name: choice}}}
    label = choice if not isinstance(choice, dict) else "map"
    with Account(book, f"crun/variants/{name}={label}", **options) as account:
        book.receiver.plan = accept
        for url in (GROUP, "https://faces.invalid/0.png"):
            found = detect(account, "detect", url)
        found = detect(account, "detect")
        create(account, "wrong url", multi(found, "https://example.com/else.png"))
        url = book.receiver.url("/cb?mine=1")
        for step, body in (
            ("multi", multi(found, callback_url=url)),
            ("swap", swap(callback_url=url)),
            ("fails", swap("https://errors.invalid/fails", url)),
            ("wrong url", multi(found, "https://example.com/else.png")),
        ):
            finished(account, step, create(account, step, body))
            account.received(step)
        account.advance("hour", by=3595 - 3)
        finished(account, "nearly stale", create(account, "nearly stale", multi(found)))
        account.advance("stale", by="1h")
        finished(account, "stale", create(account, "stale", multi(found)))
        short_walk(account)
        if name in ("disabled_key", "http_status"):
            standing(book, f"crun/variants/{name}={label}", options)


def short_walk(account: Account) -> None:
    """Refusals, prices, forms of ids."""
    for query in ("", "?task_id=nobody", "?task_id=" + "0" * 36):
        account.crun("unknown task", "GET", f"job/TaskInfo{query}")
    account.crun("unknown detection", "GET", "job/detect-face-result?detect_task_id=nobody")
    create(account, "unknown model", task("nobody", prompt="x"))
    create(account, "invalid", {"model": "image-face-swap"})
    for code in (402, 429, 455, 500, 501, 505):
        create(account, f"refused {code}", swap(f"https://errors.invalid/{code}"))
    data = "data:image/png;base64," + "A" * 3000
    create(account, "data uri", swap(data))
    create(account, "data uri", task("google/nano-banana-pro", prompt="x", img_urls=[data]))
    generic = task("bytedance/seedance1-0-pro-t2v", prompt="x", resolution="480p")
    account.crun("estimate", "POST", "job/estimate-credits", generic)
    account.crun("estimate", "POST", "job/EstimateTask", task("z-image", prompt="x"))
    account.crun("balance", "GET", "account/balance")
    key = account.keys["crun"][0][1]
    account.book.ask(
        f"{account.name}/bearer", "GET", f"{CRUN}/account/balance", headers=(("Authorization", f"Bearer {key}"),)
    )
    account.book.ask(f"{account.name}/no key", "GET", f"{CRUN}/account/balance")


def standing(book: Book, name: str, options: Any) -> None:
    """The disabled key belongs to the default sandbox, so its variants are what counts."""
    book.ask(f"{name}/default", "PATCH", "/__admin/sandboxes/default", options)
    book.ask(f"{name}/disabled", "GET", f"{CRUN}/account/balance", headers=DISABLED)
    book.ask(
        f"{name}/default",
        "PATCH",
        "/__admin/sandboxes/default",
        {"variants": {"crun": {"disabled_key": 403, "http_status": "code"}}},
    )
