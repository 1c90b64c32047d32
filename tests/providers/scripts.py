"""Scripts of calls to the two vendors' APIs: the same ones in each sandbox, so that its variant or scenario is all that differs.

A script calls `note(step, (status, document))` for each answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from swapmock.contracts import load
from tests.corpus.samples import FACE, PICTURE, input_of, job, swap, task
from tests.providers.direct import Account

Note = Callable[[str, tuple[int, Any]], None]
Script = Callable[[Account, Note], None]

#: A callback to this address is refused before it is sent; its delivery keeps the body.
HOOK = "http://10.0.0.1/hook?mine=1"

#: Pictures with three faces and with none, and a link that fails its task.
GROUP, NOBODY, FAILING = (
    "https://faces.invalid/3.png",
    "https://faces.invalid/0.png",
    "https://errors.invalid/fails",
)

DATA_URI = "data:image/png;base64," + "A" * 3000


def data_of(told: tuple[int, Any]) -> dict[str, Any]:
    """`data` of an answer, {} without any."""
    found = told[1].get("data") if isinstance(told[1], dict) else None
    return found if isinstance(found, dict) else {}


def deliveries(one: Account, note: Note) -> None:
    """Where each callback goes, when, and with which body."""
    rows = one.admin("GET", "deliveries", query="limit=1000")["deliveries"]
    for row in rows:
        shown = {
            name: row[name] for name in ("event", "url", "created_at", "waits", "adversity", "spoil", "state", "body")
        }
        note("callback", (0, shown))


def money(one: Account, note: Note) -> None:
    note("money", (0, one.admin("GET", "")["balance"]))


class Crun:
    """What crun.ai answers in one sandbox."""

    def __init__(self, one: Account, note: Note) -> None:
        self.one, self.note = one, note

    def ask(self, step: str, method: str, path: str, body: Any = None, query: str = "", **more: Any) -> dict[str, Any]:
        told = self.one.crun(method, path, body, query, **more)
        self.note(step, told)
        return data_of(told)

    def poll(self, step: str, made: dict[str, Any]) -> dict[str, Any]:
        if "detect_task_id" in made:
            return self.ask(step, "GET", "job/detect-face-result", query=f"detect_task_id={made['detect_task_id']}")
        if "task_id" in made:
            return self.ask(step, "GET", "job/TaskInfo", query=f"task_id={made['task_id']}")
        return {}

    def until_the_end(self, step: str, made: dict[str, Any]) -> dict[str, Any]:
        """What polls show: at once, while it runs, and after its end."""
        self.poll(f"{step}, at once", made)
        self.one.advance(1.2)
        self.poll(f"{step}, running", made)
        self.one.advance(58.8)
        return self.poll(f"{step}, ended", made)

    def create(self, step: str, body: Any) -> dict[str, Any]:
        return self.ask(step, "POST", "job/CreateTask", body)

    def detect(self, url: str, media: str = "image") -> dict[str, Any]:
        made = self.ask(f"detect {url}", "POST", f"job/detect-face-{media}", {f"{media}_url": url})
        return self.until_the_end(f"detect {url}", made)


def multi(found: dict[str, Any], url: str = GROUP, media: str = "image", **more: Any) -> dict[str, Any]:
    result = found.get("result") or {}
    faces = [{"face_id": 1, "target": FACE}]
    return task(
        f"{media}-face-swap-multi",
        HOOK,
        **{"detect_id": result.get("id", "none"), f"{media}_url": url, "faces": faces, **more},
    )


def crun(one: Account, note: Note) -> None:
    """Every operation of crun.ai, its refusals, and its callbacks."""
    api = Crun(one, note)
    tasks_of_crun(api)
    further_models(api)
    refusals_of_crun(api)
    estimates_of_crun(api)
    deliveries(one, note)
    money(one, note)


def tasks_of_crun(api: Crun) -> None:
    found = api.detect(GROUP)
    api.detect(NOBODY)
    film = api.detect("https://faces.invalid/2.mp4", "video")
    api.until_the_end("swap", api.create("swap", swap("https://example.com/a.jpg", HOOK)))
    api.until_the_end("multi", api.create("multi", multi(found)))
    made = api.create("multi, other link", multi(found, "https://example.com/else.png"))
    api.until_the_end("multi, other link", made)
    api.until_the_end("film", api.create("film", multi(film, "https://faces.invalid/2.mp4", "video")))
    api.create("multi, other media", multi(found, "https://faces.invalid/3.png", "video"))
    api.create("multi, unknown face", multi(found, faces=[{"face_id": 3, "target": FACE}]))
    api.create("multi, face twice", multi(found, faces=[{"face_id": 0, "target": FACE}] * 2))
    api.create("multi, unknown detection", multi({}))
    api.until_the_end("multi, no face", api.create("multi, no face", multi(found, faces=[{"face_id": 0, "target": NOBODY}])))  # fmt: skip
    api.until_the_end("swap, no face", api.create("swap, no face", task("image-face-swap", HOOK, image_url=PICTURE, new_face=NOBODY)))  # fmt: skip
    failing = api.create("swap, failing", swap(FAILING, HOOK))
    api.until_the_end("swap, failing", failing)
    # 14 times 60 seconds have gone by since the detection's end; its id is good for an hour.
    api.one.advance(3600)
    api.until_the_end("multi, stale", api.create("multi, stale", multi(found)))


def further_models(api: Crun) -> None:
    for step, body in (
        ("picture", task("z-image", prompt="a harbour")),
        ("pictures", task("bytedance/seedream-4-5", prompt="x", num_outputs=3)),
        ("picture of a data URI", task("google/nano-banana-pro", prompt="x", img_urls=[DATA_URI])),
        ("film of one face", task("video-face-swap", HOOK, video_url="https://example.com/a.mp4", new_face=FACE)),
        ("song", task("suno/music-generate", prompt="rain")),
        ("noise", task("suno/sounds-generate", prompt="rain")),
        ("template", task("kling/template", template_id="no-such", img_urls=[PICTURE])),
    ):
        made = api.create(step, body)
        api.one.advance(600)
        api.poll(f"{step}, ended", made)


def refusals_of_crun(api: Crun) -> None:
    key = api.one.headers("crun")["x-api-key"]
    for step, headers in (
        ("no key", {}),
        ("empty key", {"x-api-key": " "}),
        ("unknown key", {"x-api-key": "ak_nobody"}),
        ("bearer", {"authorization": f"Bearer {key}"}),
        ("disabled key", {"x-api-key": "ak_swapmockdisabled0000000000000000"}),
    ):
        api.ask(step, "GET", "account/balance", headers=headers)
    for query in ("", "task_id=", "task_id=nobody", "task_id=" + "0" * 36, "task_id=" + "0" * 37):
        api.ask(f"TaskInfo ?{query[:20]}", "GET", "job/TaskInfo", query=query)
    api.ask("unknown detection", "GET", "job/detect-face-result", query="detect_task_id=nobody")
    api.ask("unknown path", "GET", "nothing")
    api.ask("wrong method", "DELETE", "job/CreateTask")
    for step, body in (
        ("no body", None),
        ("list", []),
        ("no input", {"model": "image-face-swap"}),
        ("no model", {"input": {}}),
        ("unknown model", task("nobody", prompt="x")),
        ("long model", task("n" * 200, prompt="x")),
        ("null", {"model": "z-image", "input": {"prompt": "x", "seed": None}}),
        ("misspelt", swap("https://errors.invalid/slwo")),
        ("data URI", swap(DATA_URI)),
        ("long prompt of z-image", task("z-image", prompt="x" * 801)),
        ("empty prompt of z-image", task("z-image", prompt="")),
        ("no prompt of z-image", task("z-image", seed=5)),
        ("number as prompt of z-image", task("z-image", prompt=5)),
        ("many pictures of gpt-image-2", task("openai/gpt-image-2", prompt="x", img_urls=[PICTURE] * 17)),
        ("4K square of gpt-image-2", task("openai/gpt-image-2", prompt="x", aspect_ratio="1:1", resolution="4K")),
        ("wrong link of gpt-image-2", task("openai/gpt-image-2", prompt="x", img_urls=["ftp://a/b.png"])),
        ("long prompt of kling", task("kling/v2-5-turbo-pro", prompt="x" * 30_000)),
        ("several", task("z-image", 5, prompt=5)),  # type: ignore[arg-type]  # that is what is wrong
    ):
        api.create(step, body)
    for code in (401, 402, 403, 404, 422, 429, 451, 455, 500, 501, 505):
        api.create(f"refused by {code}", swap(f"https://errors.invalid/{code}"))


def estimates_of_crun(api: Crun) -> None:
    for path in ("job/estimate-credits", "job/EstimateTask"):
        api.ask(path, "POST", path, swap())
        api.ask(f"{path} of a film", "POST", path, task("bytedance/seedance1-0-pro-t2v", prompt="x", resolution="480p"))
        api.ask(f"{path} refused", "POST", path, swap("https://errors.invalid/402"))
    api.ask("balance", "GET", "account/balance")
    api.ask("sounds", "GET", "job/Models", query="modality=audio")
    for step, query in (("templates", "page_size=1&page=2"), ("templates, unknown", "template_id=nobody")):
        api.ask(step, "GET", "job/kling-templates", query=query)


class ImgOpen:
    """What Img Open answers in one sandbox."""

    def __init__(self, one: Account, note: Note) -> None:
        self.one, self.note, self.jobs = one, note, 0

    def ask(self, step: str, path: str, body: Any, query: str = "", **more: Any) -> dict[str, Any]:
        told = self.one.imgopen(path, body, query, **more)
        self.note(step, told)
        return data_of(told)

    def submit(self, step: str, operation: str, url: str = PICTURE, **more: Any) -> tuple[str, str]:
        """Submit a job. The caller's own id, and the server's ("" without any)."""
        self.jobs += 1
        own = f"job-{self.jobs}"
        path, body = job(operation, own, url)
        data = self.ask(step, path, {**body, **more})
        return own, str(data.get("taskId") or data.get("task_id") or "")

    def query(self, step: str, operation: str, name: str) -> None:
        """By the query of the tool, or by both editions of queryTaskInfo."""
        wanted = {"businessTaskId": name or "nobody"}
        if operation.startswith("sd_") and operation != "sd_prompts":
            self.ask(f"{step}, V1.0", "sd/queryTaskInfo", wanted)
            self.ask(f"{step}, V2.0", "sd/v2/queryTaskInfo", wanted)
        elif operation != "submit_training":
            path = job(operation, "")[0].removeprefix("tool/")
            self.ask(step, f"tool/{path}/queryTask", wanted)

    def whole(self, step: str, operation: str, url: str = PICTURE, **more: Any) -> None:
        """A job from its submission to its end."""
        own, ours = self.submit(step, operation, url, **more)
        self.query(f"{step}, at once", operation, ours)
        self.one.advance(3.2)
        self.query(f"{step}, running", operation, ours)
        self.one.advance(116.8)
        self.query(f"{step}, ended", operation, ours)
        self.query(f"{step}, own id", operation, own)


#: The operations of Img Open that make tasks.
JOBS = (
    "face_detection", "face_fusion", "roop", "roop_v2", "instant_id", "interrogate", "flux_text2image", "expand_prompts",
    "identify_style", "img_expand", "cnt_preview", "hair_change", "sd_prompts", "sd_text2image", "sd_image2image",
    "sd_controlnet", "sd_text2image_v3", "sd_image2image_v3", "submit_training",
)  # fmt: skip


def imgopen(one: Account, note: Note) -> None:
    """Every operation of Img Open, its refusals, and its callbacks."""
    api = ImgOpen(one, note)
    for operation in JOBS:
        api.whole(operation, operation, callbackUrl=HOOK)
    failures_of_img_open(api)
    swaps_of_img_open(api)
    refusals_of_img_open(api)
    months(api)
    deliveries(one, note)
    money(one, note)


def failures_of_img_open(api: ImgOpen) -> None:
    for operation in ("face_detection", "face_fusion", "roop", "interrogate", "flux_text2image", "sd_text2image"):
        api.whole(f"{operation}, failing", operation, FAILING, callbackUrl=HOOK)
    for operation in ("face_detection", "face_fusion", "hair_change", "sd_image2image"):
        api.whole(f"{operation}, no face", operation, NOBODY)
    api.whole("sd, moderated", "sd_text2image_v3", "https://errors.invalid/moderated")
    api.whole("fusion, failing with a code", "face_fusion", "https://errors.invalid/fails_500")


def swaps_of_img_open(api: ImgOpen) -> None:
    two: dict[str, Any] = {"sourceUrl": [FACE, PICTURE], "targetUrl": GROUP}
    api.whole("two sources", "face_fusion", **two)
    api.whole("index", "face_fusion", targetUrl=GROUP, faceIdx=2)
    api.whole("index of two", "face_fusion", **two, faceIdx=2)
    api.whole("index beyond", "face_fusion", targetUrl=GROUP, faceIdx=4)
    api.whole("two pictures", "sd_text2image", n_iter=1, batch_size=2, seed=41)
    api.submit("no callback", "interrogate")
    own, _ = api.submit("first", "roop")
    path, body = job("roop", own)
    api.ask("again", path, body)
    api.ask("other tool", "tool/face/fusion/queryTask", {"businessTaskId": own})


def refusals_of_img_open(api: ImgOpen) -> None:
    shown = api.one.headers("imgopen")
    key, secret = "x-request-req-accesskeyid", "x-request-req-accesskeysecret"
    for step, headers in (
        ("no key", {}),
        ("key alone", {key: shown[key]}),
        ("secret alone", {secret: shown[secret]}),
        ("unknown key", {**shown, key: "openapi-nobody"}),
        ("wrong secret", {**shown, secret: "wrong"}),
        ("disabled key", {key: "openapi-swapmockdisabled", secret: "secretswapmockdisabled0000000000"}),
    ):
        api.ask(step, "sd/queryTaskInfo", {"businessTaskId": "nobody"}, headers=headers)
    pair = f"X-Request-req-accessKeyId={shown[key]}&X-Request-req-accessKeySecret={shown[secret]}"
    for operation in ("flux_text2image", "roop"):
        path, body = job(operation, "by-query")
        api.ask(f"{operation}, key in query", path, body, query=pair, headers={})
        api.ask(f"{operation}, no key", path, body, headers={})
    for path in ("tool/nobody/queryTask", "tool/face/fusion/queryTask", "sd/queryTaskInfo", "sd/v2/queryTaskInfo"):
        api.ask(f"unknown id at {path}", path, {"businessTaskId": "nobody"})
    api.ask("unknown path", "nothing", {})
    path, body = job("face_fusion", "wrong")
    for step, wrong in (
        ("no body", None),
        ("list", []),
        ("nothing", {}),
        ("null", {**body, "faceIdx": None}),
        ("several", {**body, "faceIdx": 0, "sourceUrl": []}),
        ("three sources", {**body, "sourceUrl": [PICTURE] * 3}),
        ("misspelt", {**body, "targetUrl": "https://errors.invalid/slwo"}),
    ):
        api.ask(step, path, wrong)
    for code in (400, 401, 402, 403, 404, 409, 429, 500, 501, 503, 1001, 1002, 1003):
        api.submit(f"refused by {code}", "face_fusion", f"https://errors.invalid/{code}")
    for given in ({"pageSize": 1, "pageNum": 2}, {"pageSize": 2, "pageNum": 9}, {"pageSize": 101, "pageNum": 1}):
        api.ask(f"models {given}", "sd/v2/queryModelList", given)


def months(api: ImgOpen) -> None:
    """Which query finds a task of last month."""
    own, ours = api.submit("of last month", "sd_text2image")
    api.one.advance(32 * 86400)
    for name in (own, ours):
        api.query(f"of last month by {name[:4]}", "sd_text2image", name)


def some_of_crun(one: Account, note: Note) -> None:
    """A task of each kind, and what the sandbox has at the end."""
    api = Crun(one, note)
    found = api.detect(GROUP)
    for step, body in (
        ("swap", swap(PICTURE, HOOK)),
        ("multi", multi(found)),
        ("pictures", task("bytedance/seedream-4-5", HOOK, prompt="x", num_outputs=2)),
        ("song", task("suno/music-generate", prompt="rain")),
    ):
        api.until_the_end(step, api.create(step, body))
    one.advance(600)
    deliveries(one, note)
    money(one, note)


def some_of_img_open(one: Account, note: Note) -> None:
    """A task of each kind, and what the sandbox has at the end."""
    api = ImgOpen(one, note)
    for operation in ("face_detection", "face_fusion", "interrogate", "flux_text2image", "sd_text2image"):
        api.whole(operation, operation, callbackUrl=HOOK)
    one.advance(600)
    deliveries(one, note)
    money(one, note)


def models_of_crun(one: Account, note: Note) -> None:
    """For each model: what a task costs, how long it takes, and the files that it makes."""
    api = Crun(one, lambda step, told: None)
    for row in load("crun").tables["models"]["models"]:
        made = api.create("", {"model": row["name"], "input": input_of(row)})
        one.advance(600)
        data = api.poll("", made)
        links = (data.get("result") or {}).get("media_urls", ())
        shown = {
            "credits": data.get("credits"),
            "seconds": data.get("duration_s"),
            "files": [link.rpartition(".")[2] for link in links],
        }
        note(row["name"], (0, shown))


def magic_of_crun(one: Account, note: Note) -> None:
    """Values that clear after some calls, and those that ask for a scenario where no task is made."""
    api = Crun(one, note)
    for value in ("429_once", "fails_once", "500_twice", "fails", "402"):
        for url in (f"https://errors.invalid/{value}", f"https://errors.invalid/{value}.png"):
            for number in range(3):
                api.ask(f"estimate {number} {url}", "POST", "job/estimate-credits", swap(url))
            for number in range(3):
                made = api.create(f"swap {number} {url}", swap(url))
                one.advance(60)
                api.poll(f"swap {number} {url}, ended", made)


#: Provider -> its whole script, its short one, and others by name.
WHOLE: Mapping[str, Script] = {"crun": crun, "imgopen": imgopen}
SHORT: Mapping[str, Script] = {"crun": some_of_crun, "imgopen": some_of_img_open}
OTHERS: Mapping[str, Mapping[str, Script]] = {
    "crun": {"models": models_of_crun, "magic": magic_of_crun},
    "imgopen": {},
}
