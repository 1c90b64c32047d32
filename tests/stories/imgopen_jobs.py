"""Bodies that the operations of Img Open accept, for tests that walk them all; the faces of its pictures."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

PICTURE = "https://example.com/a.png"


def job(operation: str, own_id: str = "job-1", url: str = PICTURE) -> tuple[str, dict[str, Any]]:
    """`(path below saas/, body)`; `url` stands in every field that takes a picture."""
    sd = {
        "prompt": "a castle",
        "n_iter": 1,
        "batch_size": 1,
        "alwayson_scripts": {"id_task": own_id, "image_link": url},
    }
    jobs: dict[str, tuple[str, dict[str, Any]]] = {
        "face_detection": ("tool/face/detection", {"imageUrl": url}),
        "face_fusion": ("tool/face/fusion", {"sourceUrl": [url], "targetUrl": url}),
        "roop": ("tool/roop", {"sourceUrl": url, "targetUrl": url}),
        "roop_v2": ("tool/v2/roop", {"sourceUrl": url, "targetUrl": url}),
        "instant_id": ("tool/instantID", {"image": url, "prompt": "a doll"}),
        "interrogate": ("tool/interrogate", {"image": url}),
        "flux_text2image": ("tool/comfyui/text2image", {"comfyTaskType": "Flux1DevFP8", "prompt": url}),
        "expand_prompts": ("tool/prompts/expand", {"mode": 1, "sourcePrompt": url}),
        "identify_style": ("tool/identifyStyle", {"sourceImage": url}),
        "img_expand": (
            "tool/imgExpand",
            {"sourceImage": url, "imageCount": 2, "verticalExpansionRatio": 1.5, "horizontalExpansionRatio": 2},
        ),
        "cnt_preview": ("tool/cnt/preview", {"sourceImage": url, "preprocessor": "canny"}),
        "hair_change": ("tool/hair/change", {"imageUrl": url}),
        "sd_prompts": ("tool/sdPrompts", {"task_id": own_id, "raw_prompt": url}),
        "sd_text2image": ("sd/v2/text2image", sd),
        "sd_image2image": ("sd/v2/image2image", sd),
        "sd_controlnet": ("sd/v2/controlnet", sd),
        "sd_text2image_v3": ("sd/v3/text2Image", {"prompt": url}),
        "sd_image2image_v3": ("sd/v3/image2Image", {"prompt": url}),
        "submit_training": ("modelTraining/submitTraining/Job", {"taskId": own_id, "fileUrlList": [url] * 10}),
    }
    path, body = jobs[operation]
    names_itself = (operation.startswith("sd_") and not operation.endswith("_v3")) or operation == "submit_training"
    return path, body if names_itself else {"businessTaskId": own_id, **body}


def tiles(content: bytes) -> list[bytes]:
    """The faces of a result, left to right, each as the PNG that a detection would serve."""
    whole, cut = Image.open(io.BytesIO(content)), []
    for x in range(0, whole.width, 256):
        out = io.BytesIO()
        whole.crop((x, 0, x + 256, 256)).save(out, format="PNG")
        cut.append(out.getvalue())
    return cut
