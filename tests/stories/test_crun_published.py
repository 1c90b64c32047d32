"""The running emulator is compared with the vendor's published OpenAPI documents: answers and requests.

The schemas are written down here a second time, from the documents and not from our contract, in JSON Schema instead of
OpenAPI 3.0 (`nullable` is a second type). Sources: spec: task-info, estimate-credits, nano-banana-pro, veo3-1-fast-t2v,
seedream-4-5, kling-v2-5-turbo-pro.
"""

from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swapmock.contracts import load

CODES = [200, 401, 402, 404, 422, 429, 455, 500, 501, 505]
ENVELOPE = {"type": "object", "properties": {"code": {"type": "integer", "enum": CODES}, "message": {"type": "string"}}}
INVALID = {"allOf": [ENVELOPE, {"properties": {"errors": {"type": "array", "items": {"type": "string"}}}}]}
BARE = {  # of task-info alone: no enum, so that 403 fits
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
    "required": ["code", "message"],
}
TASK = {
    "type": "object",
    "properties": {
        "task_id": {"type": "string"},
        "provider": {"type": "string"},
        "model_version": {"type": "string"},
        "status": {"type": "string", "enum": ["pending", "running", "success", "failed"]},
        "param": {"type": "object"},
        "create_at": {"type": "integer"},
        "result": {
            "type": ["object", "null"],
            "properties": {
                "code": {"type": "integer"},
                "message": {"type": "string"},
                "media_urls": {"type": "array", "items": {"type": "string"}},
                "usage": {"type": "object"},
            },
        },
        "credits": {"type": "number"},
        "duration_s": {"type": ["integer", "null"]},
        "complete_at": {"type": ["integer", "null"]},
        "source": {"type": "string", "enum": ["api", "playground"]},
    },
    "required": ["task_id", "provider", "model_version", "status", "param", "create_at", "source"],
}
CREATED = {"type": "object", "properties": {"task_id": {"type": "string"}}}
# The document types `credits` as integer and shows 1.5: the type number fits both.
ESTIMATED = {
    "type": "object",
    "properties": {"credits": {"type": "number"}, "estimated": {"type": "boolean"}},
    "required": ["credits", "estimated"],
}


def _with(envelope, data):
    return {"allOf": [envelope, {"type": "object", "properties": {"data": data}}]}


#: Path -> HTTP status -> schema of the body. For a status that the document does not name, only the envelope is checked.
ANSWERS = {
    "job/CreateTask": {200: _with(ENVELOPE, CREATED), 422: INVALID},
    "job/estimate-credits": {200: _with(ENVELOPE, ESTIMATED), 422: INVALID},
    "job/TaskInfo": {200: _with(BARE, TASK), 401: BARE, 403: BARE, 404: BARE},
}

MAGIC = [row for row in load("crun").behaviour.magic.values() if row.refuse or row.scenario]


def check(path, answer):
    schema = ANSWERS[path].get(answer.status_code, ENVELOPE)
    found = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer.json())]
    assert found == [], answer.text
    return answer.json()


# Only the document of task-info has code 403; the two others cannot express a disabled key. Code 451 is observed: no document
# has it.
UNPUBLISHED = ("key_disabled", "moderated")


@pytest.mark.parametrize("row", [row for row in MAGIC if row.refuse not in UNPUBLISHED], ids=lambda row: row.value)
def test_every_outcome_fits_the_documents(crun, time, row):
    body = {"model": "bytedance/seedream-4-5", "input": {"prompt": "a harbour", "img_urls": [row.value]}}
    check("job/estimate-credits", crun.call("POST", "job/estimate-credits", json=body))
    made = check("job/CreateTask", crun.call("POST", "job/CreateTask", json=body))
    if made["code"] != 200:
        return
    for _ in range(4):
        check("job/TaskInfo", crun.call("GET", "job/TaskInfo", params=made["data"]))
        time.advance(4)


@pytest.mark.parametrize(
    ("key", "code"), [("", 401), ("ak_" + "x" * 32, 401), ("ak_swapmockdisabled0000000000000000", 403)]
)
def test_refused_keys_fit_the_document_of_task_info(crun, key, code):
    answer = crun.call("GET", "job/TaskInfo", params={"task_id": "0" * 36}, headers={"x-api-key": key})
    assert check("job/TaskInfo", answer)["code"] == code


URL = "https://example.com/a.png"
RATIOS = ["1:1", "2:3", "3:2", "3:4", "4:3", "9:16", "16:9", "21:9"]

#: Model -> field of `input` -> values at the limit of its document, values just beyond.
LIMITS: dict[str, dict[str, tuple[list[Any], list[Any]]]] = {
    "google/nano-banana-pro": {
        "prompt": (["x", "x" * 20000], ["", "x" * 20001, None, 1]),
        "img_urls": ([[URL], [URL] * 8], [[], [URL] * 9, [1], ["no url"], URL]),
        "resolution": (["1K", "2K", "4K"], ["3K", "1k", 1]),
        "output_format": (["png", "jpg"], ["jpeg", "webp", ""]),
        "aspect_ratio": ([*RATIOS, "4:5", "5:4", "auto"], ["1:8", "Auto"]),
    },
    "google/veo3-1-fast-t2v": {
        "prompt": (["x", "x" * 5000], ["", "x" * 5001]),
        "duration": ([4, 6, 8], [5, 0, "8", 8.5, True]),
        "resolution": (["720p", "1080p", "4k"], ["4K", "480p"]),
        "translate_prompt": ([True, False], ["true", 1]),
        "aspect_ratio": (["16:9", "9:16"], ["1:1", "auto"]),
    },
    "bytedance/seedream-4-5": {
        "prompt": (["x", "x" * 5000], ["", "x" * 5001]),
        "resolution": (["2K", "4K"], ["1K"]),
        "img_urls": ([[URL], [URL] * 14], [[], [URL] * 15]),
        "aspect_ratio": (RATIOS, ["4:5", "auto"]),
        "num_outputs": ([1, 15], [0, 16, 1.5, "1"]),
        "enhance_prompt": ([True, False], ["yes"]),
        "content_moderation": ([True, False], [0]),
    },
    "kling/v2-5-turbo-pro": {
        "prompt": (["x", "x" * 2500], ["", "x" * 2501]),
        "negative_prompt": (["", "x" * 2000], ["x" * 2001]),
        "img_urls": ([[URL], [URL] * 2], [[], [URL] * 3]),
        "duration": ([5, 10], [4, 8]),
        "aspect_ratio": (["1:1", "16:9", "9:16"], ["4:3"]),
        "cfg_scale": ([0, 0.5, 1], [-0.1, 1.1, "0.5"]),
    },
}


@pytest.mark.parametrize("settings", [{"balance": 1e6}], indirect=True)
@pytest.mark.parametrize("model", LIMITS)
def test_what_the_documents_allow_is_taken_and_what_they_forbid_is_not(crun, model):
    for field, (allowed, forbidden) in LIMITS[model].items():
        for values, code in ((allowed, 200), (forbidden, 422)):
            for value in values:
                body = {"model": model, "input": {"prompt": "a harbour", field: value}}
                told = check("job/CreateTask", crun.call("POST", "job/CreateTask", json=body))
                assert told["code"] == code, (field, value, told)
                if code == 422:
                    assert told["errors"][0].startswith(f"Value error, Invalid input for model {model}: {field}")
