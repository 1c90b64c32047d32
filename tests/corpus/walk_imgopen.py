"""What Img Open says: every operation, every refusal, every variant."""

from __future__ import annotations

import json
from typing import Any

from tests.corpus.account import IMGOPEN, Account, parsed
from tests.corpus.book import Book
from tests.corpus.receiver import accept
from tests.corpus.samples import PICTURE, job, mutations
from tests.corpus.walk_crun import bodies
from tests.corpus.wire import Answer

ID, SECRET = "X-Request-req-accessKeyId", "X-Request-req-accessKeySecret"
GROUP = "https://faces.invalid/3.png"


def submit(account: Account, step: str, operation: str, url: str = PICTURE, **more: Any) -> tuple[str, Answer]:
    """The caller's own id, and the answer."""
    own_id = account.own_id()
    path, body = job(operation, own_id, url)
    return own_id, account.imgopen(step, path, {**body, **more})


def server_id(answer: Answer) -> str:
    data = parsed(answer).get("data") or {}
    return str(data.get("taskId") or data.get("task_id") or "")


def query(account: Account, step: str, operation: str, task: str) -> Any:
    """As the kind of the tool wants it: by its tool, or by both editions of queryTaskInfo."""
    row = account.book.contracts.tools[operation]
    wanted = {"businessTaskId": task or "nobody"}
    if row["kind"] in ("sd", "training"):
        account.imgopen(step, "sd/queryTaskInfo", wanted)
        answer = account.imgopen(step, "sd/v2/queryTaskInfo", wanted)
    else:
        answer = account.imgopen(step, f"tool/{row['code']}/queryTask", wanted)
    return parsed(answer)


def finished(account: Account, step: str, operation: str, made: tuple[str, Answer], *, start: bool = True) -> Any:
    """Queries before the end and after it; `start`: also on the way."""
    own_id, answer = made
    task = server_id(answer) or own_id
    query(account, f"{step}/poll", operation, task)
    if start:
        account.advance(f"{step}/start", by="1.2s")
        query(account, f"{step}/poll", operation, task)
    account.advance(step, until="idle")
    query(account, f"{step}/by own id", operation, own_id)
    return query(account, f"{step}/poll", operation, task)


def fetch_all(account: Account, step: str, told: Any) -> None:
    """Every link of ours in an answer."""
    for text in json.dumps(told).split('"'):
        if "/Output-Img2/" in text:
            account.fetch(f"{step}/media", text)


def walk(book: Book) -> None:
    operations(book)
    refusals(book)
    wrong_bodies(book)
    for row in book.contracts.behaviours["imgopen"]["variants"]:
        for choice in (*row["choices"], *([{"402": 200, "404": 410}] if row.get("takes_map") else ())):
            variant(book, row["name"], choice)


def operations(book: Book) -> None:
    with Account(book, "imgopen/operations", evidence_header=True) as account:
        for operation in book.contracts.tools:
            made = submit(account, operation, operation)
            fetch_all(account, operation, [parsed(made[1]), finished(account, operation, operation, made)])
        for count in range(9):
            _, answer = submit(account, f"detect/{count}", "face_detection", f"https://faces.invalid/{count}.png")
            if count == 2:
                fetch_all(account, f"detect/{count}", parsed(answer))
        two = {"sourceUrl": [PICTURE, GROUP], "targetUrl": GROUP}
        for step, more in (("two", two), ("index", {"targetUrl": GROUP, "faceIdx": 2}), ("alias", {"face_idx": 2})):
            made = submit(account, f"fusion/{step}", "face_fusion", **more)
            fetch_all(account, f"fusion/{step}", finished(account, f"fusion/{step}", "face_fusion", made))
        for given in ({"pageSize": 2, "pageNum": 1}, {"pageSize": 2, "pageNum": 9}, {"pageSize": 101, "pageNum": 1}):
            account.imgopen("models", "sd/v2/queryModelList", given)
        named = {
            "pageSize": 9,
            "pageNum": 1,
            "sdModelName": "photon",
            "sdModelCheckpoint": "photon_v1_84728.safetensors",
        }
        account.imgopen("models", "sd/v2/queryModelList", named)
        several = submit(account, "several", "sd_text2image", n_iter=2, batch_size=2)
        fetch_all(account, "several", finished(account, "several", "sd_text2image", several))
        account.advance("month", by="32d")
        query(account, "month", "sd_text2image", several[0])
        fetch_all(account, "month", parsed(several[1]))


def refusals(book: Book) -> None:
    good = (ID, "openapi-swapmock00000000"), (SECRET, "secretswapmock000000000000000000")
    pairs: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
        ("missing", ()),
        ("only id", good[:1]),
        ("only secret", good[1:]),
        ("unknown", ((ID, "openapi-nobody"), good[1])),
        ("wrong secret", (good[0], (SECRET, "wrong"))),
        ("disabled", ((ID, "openapi-swapmockdisabled"), (SECRET, "secretswapmockdisabled0000000000"))),
    )
    for name, headers in pairs:
        for path in ("tool/face/detection", "sd/queryTaskInfo", "nobody"):
            book.ask(
                f"imgopen/refusals/key {name}",
                "POST",
                f"{IMGOPEN}/{path}",
                job("face_detection", "a")[1],
                headers=headers,
            )
    with Account(book, "imgopen/refusals") as account:
        own_id, made = submit(account, "foreign", "face_fusion")
        other = ((ID, "openapi-swapmockother000"), (SECRET, "secretswapmockother0000000000000"))
        for task in (server_id(made), own_id):
            wanted = {"businessTaskId": task}
            book.ask("imgopen/refusals/foreign", "POST", f"{IMGOPEN}/tool/face/fusion/queryTask", wanted, headers=other)
            account.imgopen("mismatch", "tool/roop/queryTask", wanted)
            account.imgopen("mismatch", "sd/queryTaskInfo", wanted)
        for path in ("tool/nobody/queryTask", "tool/face/fusion/queryTask", "sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
            account.imgopen("unknown", path, {"businessTaskId": "nobody"})
        for path in ("", "tool", "tool/nobody", "tool/superResolution", "tool/roop/", "tool//roop", "tool/ROOP"):
            account.imgopen("path", path, {"businessTaskId": "x"})
        for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
            account.imgopen("method", "tool/roop", None, method=method)
        bodies(account, "tool/roop")
        for url in ("https://errors.invalid/slwo", "https://faces.invalid/9.png", "https://nobody.invalid/x"):
            submit(account, "misspelt", "face_fusion", url)
        submit(account, "index", "face_fusion", targetUrl=GROUP, faceIdx=9)
    with Account(book, "imgopen/poor", balance=0.5) as account:
        for operation in book.contracts.tools:
            submit(account, operation, operation)
    for form in ("none", "seconds", "date"):
        with Account(
            book, f"imgopen/limited/{form}", rate_limit={"calls": 2, "seconds": 10, "retry_after": form}
        ) as account:
            for _ in range(4):
                account.imgopen("query", "sd/queryTaskInfo", {"businessTaskId": "nobody"})
            account.advance("later", by="10s")
            account.imgopen("query", "sd/queryTaskInfo", {"businessTaskId": "nobody"})


def wrong_bodies(book: Book) -> None:
    with Account(book, "imgopen/wrong") as account:
        queries = {
            "query_model_list": ("sd/v2/queryModelList", {"pageSize": 1, "pageNum": 1}),
            "query_task_info_v1": ("sd/queryTaskInfo", {"businessTaskId": "nobody"}),
            "query_task_info_v2": ("sd/v2/queryTaskInfo", {"businessTaskId": "nobody"}),
            "query_image_tool_task_info": ("tool/roop/queryTask", {"businessTaskId": "nobody"}),
        }
        jobs = {operation: job(operation, "job-1") for operation in book.contracts.tools}
        for operation, (path, body) in {**jobs, **queries}.items():
            schema = book.contracts.request_schema("imgopen", operation)
            for name, wrong in mutations(book.contracts, "imgopen", schema, body):
                account.imgopen(f"{operation}/{name}", path, wrong)
        account.admin("tidy", "DELETE", "journal")


def variant(book: Book, name: str, choice: Any) -> None:
    """The same small walk under every choice."""
    label = choice if not isinstance(choice, dict) else "map"
    with Account(book, f"imgopen/variants/{name}={label}", variants={"imgopen": {name: choice}}) as account:
        book.receiver.plan = accept
        url = book.receiver.url("/cb?mine=1")
        told = {"callbackUrl": url}
        bad = "https://errors.invalid/fails"
        for step, operation, more in (
            ("detection", "face_detection", {"imageUrl": GROUP, **told}),
            ("no face", "face_detection", {"imageUrl": "https://faces.invalid/0.png", **told}),
            ("two sources", "face_fusion", {"sourceUrl": [PICTURE, GROUP], "targetUrl": GROUP, **told}),
            ("two and index", "face_fusion", {"sourceUrl": [PICTURE, GROUP], "targetUrl": GROUP, "faceIdx": 2}),
            ("beyond", "face_fusion", {"targetUrl": GROUP, "faceIdx": 9, **told}),
            ("roop", "roop", told),
            ("roop fails", "roop", {"sourceUrl": bad, **told}),
            ("caption", "interrogate", told),
            ("caption", "interrogate", {}),
            ("flux", "flux_text2image", told),
            ("flux", "flux_text2image", {"prompt": "a castle"}),
            ("prompts", "expand_prompts", {}),
            ("style", "identify_style", told),
            ("sd", "sd_text2image", {}),
            ("sd fails", "sd_text2image_v3", {"prompt": bad, **told}),
        ):
            made = submit(account, step, operation, **more)
            finished(account, step, operation, made, start=operation.startswith("sd_"))
            account.received(step)
        short_walk(account)
        if name in ("v1_reach", "month_zone", "unknown_task", "id_prefix"):
            months(account)


def short_walk(account: Account) -> None:
    """Repeated ids, refusals, credentials, months."""
    path, body = job("face_fusion", "job-3")
    made = account.imgopen("repeated", path, {**body, "targetUrl": GROUP})
    task = server_id(made)
    for tool in ("face/fusion", "roop", "nobody"):
        account.imgopen("mismatch", f"tool/{tool}/queryTask", {"businessTaskId": task or "job-3"})
    for where in ("sd/queryTaskInfo", "sd/v2/queryTaskInfo", "tool/face/fusion/queryTask"):
        account.imgopen("unknown", where, {"businessTaskId": "nobody"})
    account.imgopen("invalid", path, {"targetUrl": 1})
    for code in (402, 404, 409, 429, 500, 501, 503, 1001, 1002, 1003):
        submit(account, f"refused {code}", "face_fusion", f"https://errors.invalid/{code}")
    (_, key), (_, secret) = account.keys["imgopen"]
    flux = job("flux_text2image", "flux", "a castle")[1]
    saas = f"{IMGOPEN}/tool/comfyui/text2image"
    named = f"{saas}?{ID}={key}&{SECRET}={secret}"
    account.book.ask(f"{account.name}/flux by query", "POST", named, flux)
    account.book.ask(f"{account.name}/flux by nothing", "POST", saas, flux)
    account.book.ask(f"{account.name}/nothing", "POST", f"{IMGOPEN}/sd/queryTaskInfo", {"businessTaskId": "nobody"})
    account.imgopen("path", "nobody", {})


def months(account: Account) -> None:
    """Which of the two queries finds a task of this month, of the last one, and at the edge between them."""
    for step, by in (("edge", "30d"), ("edge", "23h"), ("edge", "8h")):
        own_id, _ = submit(account, step, "sd_text2image", alwayson_scripts={"id_task": f"{step}-{account.jobs}"})
        account.advance(step, by=by)
        for own in (f"{step}-{account.jobs - 1}", own_id, "job-3"):
            query(account, step, "sd_text2image", own)
        query(account, step, "face_fusion", "job-3")
