"""Pictures have the size that their request asks for."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
import requests
from PIL import Image

from swapmock import Emulator
from swapmock.mock_server.providers.imgopen.shapes import shape_of


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({"width": 640, "height": 384}, (640, 384)),
        ({"width": 641, "height": 1}, (640, 32)),
        ({"width": 8192, "height": 8192, "enable_hr": True, "hr_scale": 4}, (8192, 8192)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": 1.5}, (768, 384)),
        ({"width": 512, "height": 256, "enable_hr": False, "hr_scale": 2}, (512, 256)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": True}, (512, 256)),
        ({"width": 512, "height": 256, "highDefinitionRepairScale": 2}, (1024, 512)),
        ({"width": 512}, None),
        ({"width": "512", "height": 512}, None),
        ({"width": True, "height": True}, None),
        ({"width": 0, "height": 512}, None),
        ({"width": 512, "height": -1}, None),
        ({"width": 1, "height": 1}, (32, 32)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": 4}, (2048, 1024)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": 4.1}, (512, 256)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": "2"}, (512, 256)),
        ({"width": 512, "height": 256, "enable_hr": True, "hr_scale": 0.9}, (512, 256)),
        ({}, None),
    ],
)
def test_the_size_of_a_request(body: dict[str, Any], size: tuple[int, int] | None) -> None:
    found = shape_of(body)
    assert (None if found is None else found[:2]) == size


FLUX = {"comfyTaskType": "Flux1SchnellFP8", "prompt": "blue sea", "width": 640, "height": 384}


@pytest.fixture(scope="module")
def emulator() -> Any:
    with Emulator() as running:
        yield running


@pytest.mark.parametrize(
    ("tool", "body", "size"),
    [
        ("comfyui/text2image", FLUX, (640, 384)),
        ("roop", {"sourceUrl": "https://example.com/a.png", "targetUrl": "https://example.com/b.png", "width": 640, "height": 384}, None),
    ],
)  # fmt: skip
def test_a_picture_is_drawn_in_it(
    emulator: Emulator, tool: str, body: dict[str, Any], size: tuple[int, int] | None
) -> None:
    box = emulator.sandbox(clock="frozen")
    base, headers = f"{emulator.url}/AIGCImgOpenServ/saas/tool", box.headers("imgopen")
    asked = {**body, "businessTaskId": f"shape-{tool}"}
    assert requests.post(f"{base}/{tool}", json=asked, headers=headers, timeout=10).json()["code"] == "200"
    box.advance(60)
    told = requests.post(
        f"{base}/{tool}/queryTask", json={"businessTaskId": asked["businessTaskId"]}, headers=headers, timeout=10
    )
    picture = requests.get(told.json()["data"]["outputImageUrl"], timeout=10).content
    drawn = Image.open(BytesIO(picture)).size
    assert drawn == size if size is not None else drawn != (640, 384)
