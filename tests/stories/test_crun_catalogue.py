"""Models and effect templates."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from swapmock.contracts import load

CONTRACT = load("crun")
ROWS = {row["name"]: row for row in CONTRACT.tables["models"]["models"]}
SWAPS = {"image-face-swap", "image-face-swap-multi", "video-face-swap", "video-face-swap-multi"}


def test_the_catalogue_shows_every_listed_model(crun):
    listed = crun.data("GET", "job/Models")
    names = [entry["model"] for entry in listed["models"]]
    assert listed["total"] == len(names) == len(set(names)) > 130
    assert set(names) == {name for name, row in ROWS.items() if row.get("listed", True)}
    assert SWAPS.isdisjoint(names)
    for entry in listed["models"]:
        assert set(entry["required_input_fields"]) <= set(entry["input_fields"])


@pytest.mark.parametrize("modality", ["image", "video", "audio"])
def test_by_modality_and_operation(crun, modality):
    found = crun.data("GET", "job/Models", params={"modality": modality})
    assert found["total"] == len(found["models"]) > 0
    assert {entry["modality"] for entry in found["models"]} == {modality}
    operation = found["models"][0]["operations"][0]
    both = crun.data("GET", "job/Models", params={"modality": modality, "operation": operation})
    assert 0 < both["total"] <= found["total"]
    assert all(operation in entry["operations"] for entry in both["models"])


def test_unknown_filters(crun):
    assert crun.data("GET", "job/Models", params={"operation": "fly"}) == {"total": 0, "models": []}
    assert crun.refused("GET", "job/Models", params={"modality": "smell"})["errors"] == [
        "modality: Input should be 'image', 'video' or 'audio'"
    ]


@pytest.mark.parametrize("name", ROWS)
def test_each_model_shows_itself_and_the_schema_of_its_input(crun, name):
    shown = crun.data("GET", f"job/Models/{name}")
    schema = shown.pop("input_schema")
    assert shown["model"] == name
    assert set(shown["input_fields"]) == set(schema["properties"])
    assert set(shown["required_input_fields"]) == set(schema["required"])
    assert "$ref" not in str(schema)
    assert not [key for key in schema if key.startswith("x-")]
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", ["google/nano-banana", "google%2Fnano-banana", "google%2fnano-banana"])
def test_the_slash_may_be_escaped(crun, name):
    assert crun.data("GET", f"job/Models/{name}")["model"] == "google/nano-banana"


@pytest.mark.parametrize(
    "name", ["nothing", "google", "google/", "google/nano-banana/", "Google/nano-banana", "é", "a//b"]
)
def test_an_unknown_model_is_not_found(crun, name):
    refused = crun.refused("GET", f"job/Models/{name}")
    assert refused == {"http": 404, "code": 404, "message": "Model not found", "data": None}


#: Name of a field -> a value that every model accepts.
VALUES = {
    "prompt": "a harbour",
    "image_url": "https://example.com/a.png",
    "new_face": "https://example.com/b.png",
    "video_url": "https://example.com/a.mp4",
    "audio_url": "https://example.com/a.mp3",
    "img_urls": ["https://example.com/a.png"],
    "images": ["https://example.com/a.png"],
    "video_urls": ["https://example.com/a.mp4"],
    "reference_images": ["https://example.com/a.png"],
    "reference_videos": ["https://example.com/a.mp4"],
}


@pytest.mark.parametrize("name", [name for name in ROWS if not name.endswith("-multi")])
def test_each_model_can_be_run(crun, time, name):
    given = {field: VALUES.get(field, "x") for field in ROWS[name]["required"]}
    price = crun.data("POST", "job/estimate-credits", json={"model": name, "input": given})["credits"]
    before = crun.balance()
    task_id = crun.create(name, given)
    time.advance(60)
    info = crun.info(task_id)
    assert (info["status"], info["credits"]) == ("success", price)
    assert crun.balance() == before - price
    assert (info["provider"], info["model_version"]) == (ROWS[name]["provider"], ROWS[name]["version"])
    ending = {"image": ".png", "video": ".mp4", "audio": ".wav"}[ROWS[name]["modality"]]
    assert info["result"]["media_urls"][0].endswith(ending)


TEMPLATES = {
    "kling": ("job/kling-templates", "template_id", "key"),
    "vidu": ("job/vidu-templates", "template", "template"),
    "bytedance": ("job/bytedance-templates", "template_id", "TemplateId"),
}


@pytest.mark.parametrize("vendor", TEMPLATES)
def test_templates_page_by_page(crun, vendor):
    path, parameter, field = TEMPLATES[vendor]
    rows = CONTRACT.tables["templates"][vendor]
    (start,) = re.findall(
        r"(.*/)[^/]+", next(v for v in crun.data("GET", path)["templates"][0].values() if "/templates/" in str(v))
    )
    rows = json.loads(json.dumps(rows).replace("https://media.invalid/templates/", start))
    assert crun.data("GET", path) == {"total": len(rows), "templates": rows[:20]}
    pages = [crun.data("GET", path, params={"page": page + 1, "page_size": 1}) for page in range(len(rows) + 1)]
    assert [page["templates"] for page in pages] == [*([row] for row in rows), []]
    assert {page["total"] for page in pages} == {len(rows)}
    name = rows[-1][field]
    assert crun.data("GET", path, params={parameter: name}) == {"total": 1, "templates": [rows[-1]]}
    assert crun.data("GET", path, params={parameter: "nothing"}) == {"total": 0, "templates": []}


@pytest.mark.parametrize("vendor", TEMPLATES)
@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"page_size": 51}, "page_size: Input should be less than or equal to 50"),
        ({"page_size": 0}, "page_size: Input should be greater than or equal to 1"),
        ({"page": "two"}, "page: Input should be a valid integer"),
        ({"page": ""}, "page: Input should be a valid integer"),
        ({"page": "1.0"}, "page: Input should be a valid integer"),
        ({"page": "1" * 30}, "page: Input should be a valid integer"),
        ({"page": -1}, "page: Input should be greater than or equal to 1"),
    ],
)
def test_pages_that_are_none(crun, vendor, params, sentence):
    assert crun.refused("GET", TEMPLATES[vendor][0], params=params)["errors"] == [sentence]
