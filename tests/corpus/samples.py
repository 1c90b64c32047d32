"""Bodies that the operations accept, and the ways in which they can be wrong."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from tests.corpus.book import Contracts

PICTURE = "https://example.com/a.png"
FACE = "https://example.com/b.png"
FILM = "https://example.com/a.mp4"


def task(model: str, callback_url: str | None = None, **given: Any) -> dict[str, Any]:
    """A body of CreateTask."""
    more = {} if callback_url is None else {"callback_url": callback_url}
    return {"model": model, **more, "input": given}


def swap(url: str = PICTURE, callback_url: str | None = None) -> dict[str, Any]:
    return task("image-face-swap", callback_url, image_url=url, new_face=FACE)


#: One value for every input field that a model may require.
FIELDS: dict[str, Any] = {
    "prompt": "a harbour",
    "image_url": PICTURE,
    "video_url": FILM,
    "new_face": FACE,
    "audio_url": "https://example.com/a.wav",
    "img_urls": [PICTURE],
    "images": [PICTURE, FACE],
    "video_urls": [FILM],
    "reference_images": [PICTURE],
    "reference_videos": [FILM],
    "detect_id": "nobody-knows-it",
    "faces": [{"face_id": 0, "target": FACE}],
    "text": "hello",
    "lyrics": "la la",
    "duration": 5,
    "resolution": "720p",
    "template_id": "kling-hug",
    "template": "vidu-snow",
}


def input_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The required input of a model of the catalogue."""
    return {name: FIELDS.get(name, "value") for name in row.get("required", ())}


#: The operations of crun.ai that take media: a name, the path, and the body with a URL in it.
def crun_media(name: str, url: str, callback_url: str | None = None) -> tuple[str, dict[str, Any]]:
    shapes: dict[str, tuple[str, dict[str, Any]]] = {
        "detect_face_image": ("job/detect-face-image", {"image_url": url}),
        "detect_face_video": ("job/detect-face-video", {"video_url": url}),
        "image_face_swap": ("job/CreateTask", swap(url, callback_url)),
        "new_face": ("job/CreateTask", task("image-face-swap", callback_url, image_url=PICTURE, new_face=url)),
        "video_face_swap": ("job/CreateTask", task("video-face-swap", callback_url, video_url=url, new_face=FACE)),
        "img_urls": (
            "job/CreateTask",
            task("google/nano-banana-pro", callback_url, prompt="x", img_urls=[PICTURE, url]),
        ),
        "generic": ("job/CreateTask", task("bytedance/dreamactor", callback_url, img_urls=[url], video_urls=[FILM])),
        "estimate_credits": ("job/estimate-credits", swap(url)),
        "estimate_task": ("job/EstimateTask", swap(url)),
    }
    return shapes[name]


CRUN_MEDIA = (
    "detect_face_image",
    "detect_face_video",
    "image_face_swap",
    "new_face",
    "video_face_swap",
    "img_urls",
    "generic",
    "estimate_credits",
    "estimate_task",
)


def job(operation: str, own_id: str, url: str = PICTURE) -> tuple[str, dict[str, Any]]:
    """`(path below saas/, body)` of an operation of Img Open; `url` stands in every field that takes a picture."""
    scripts = {"id_task": own_id, "image_link": url}
    sd = {"prompt": "a castle", "n_iter": 1, "batch_size": 1, "alwayson_scripts": scripts}
    grown = {"imageCount": 2, "verticalExpansionRatio": 1.5, "horizontalExpansionRatio": 2}
    own = {"businessTaskId": own_id}
    jobs: dict[str, tuple[str, dict[str, Any]]] = {
        "face_detection": ("tool/face/detection", {**own, "imageUrl": url}),
        "face_fusion": ("tool/face/fusion", {**own, "sourceUrl": [url], "targetUrl": url}),
        "roop": ("tool/roop", {**own, "sourceUrl": url, "targetUrl": url}),
        "roop_v2": ("tool/v2/roop", {**own, "sourceUrl": url, "targetUrl": url}),
        "instant_id": ("tool/instantID", {**own, "image": url, "prompt": "a doll"}),
        "interrogate": ("tool/interrogate", {**own, "image": url}),
        "flux_text2image": ("tool/comfyui/text2image", {**own, "comfyTaskType": "Flux1DevFP8", "prompt": url}),
        "expand_prompts": ("tool/prompts/expand", {**own, "mode": 1, "sourcePrompt": url}),
        "identify_style": ("tool/identifyStyle", {**own, "sourceImage": url}),
        "img_expand": ("tool/imgExpand", {**own, "sourceImage": url, **grown}),
        "cnt_preview": ("tool/cnt/preview", {**own, "sourceImage": url, "preprocessor": "canny"}),
        "hair_change": ("tool/hair/change", {**own, "imageUrl": url}),
        "sd_prompts": ("tool/sdPrompts", {"task_id": own_id, "raw_prompt": url}),
        "sd_text2image": ("sd/v2/text2image", sd),
        "sd_image2image": ("sd/v2/image2image", sd),
        "sd_controlnet": ("sd/v2/controlnet", sd),
        "sd_text2image_v3": ("sd/v3/text2Image", {**own, "prompt": url}),
        "sd_image2image_v3": ("sd/v3/image2Image", {**own, "prompt": url}),
        "submit_training": ("modelTraining/submitTraining/Job", {"taskId": own_id, "fileUrlList": [url] * 10}),
    }
    return jobs[operation]


#: Values of every JSON type, for fields that want another one.
OTHERS: tuple[tuple[str, Any], ...] = (
    ("null", None),
    ("number", 17),
    ("fraction", 0.5),
    ("text", "nonsense"),
    ("empty", ""),
    ("flag", True),
    ("list", []),
    ("object", {}),
)


def mutations(
    contracts: Contracts, provider: str, schema: Mapping[str, Any], body: Any, place: tuple[Any, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """`(name, body)`: each required member left out, and every member with values of each type and beyond its bounds."""
    schema = contracts.resolve(provider, schema)
    if isinstance(body, list) and body and "items" in schema:
        for name, changed in _member(contracts, provider, schema["items"], body[0], (*place, 0)):
            yield name, [changed, *body[1:]]
    if not isinstance(body, dict):
        return
    for name in schema.get("required", ()):
        if name in body:
            yield _name((*place, name), "missing"), {key: value for key, value in body.items() if key != name}
    for name, member in schema.get("properties", {}).items():
        if member is None or (place == () and name == "ttl"):  # real time to live: told apart elsewhere
            continue
        for label, changed in _member(contracts, provider, member, body.get(name), (*place, name)):
            yield label, {**copy.deepcopy(body), name: changed}


def _member(
    contracts: Contracts, provider: str, schema: Mapping[str, Any], value: Any, place: tuple[Any, ...]
) -> Iterator[tuple[str, Any]]:
    schema = contracts.resolve(provider, schema)
    for label, other in (*OTHERS, *_beyond(schema)):
        yield _name(place, label), other
    if isinstance(value, (dict, list)) and len(place) < 4:
        yield from mutations(contracts, provider, schema, value, place)


def _beyond(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    if "minimum" in schema:
        yield "below", schema["minimum"] - 1
    if "maximum" in schema and schema["maximum"] < 1e9:
        yield "above", schema["maximum"] + 1
    if schema.get("maxLength", 1e9) < 30_000:
        yield "long", "x" * (schema["maxLength"] + 1)
    if "pattern" in schema and "uri" in schema.get("format", ""):
        yield "odd url", "ftp://example.com/a.png"
        yield "long url", "https://example.com/" + "x" * 2048


def _name(place: tuple[Any, ...], label: str) -> str:
    return ".".join(map(str, place)) + f"={label}"
