"""Limits of models: what was observed refuses by default, what is guessed never does."""

import pytest

from swapmock.contracts import load

CRUN = load("crun")
URL = "https://example.com/a.png"


def images(count):
    return {"img_urls": [URL] * count}


#: Model, an input at its limits, one beyond them, and the field that is told.
LIMITS = [
    ("openai/gpt-image-2", {"prompt": "a" * 5000, **images(16)}, {"prompt": "a" * 5001}, "prompt"),
    ("openai/gpt-image-2", images(16), images(17), "img_urls"),
    ("openai/gpt-image-2", {"resolution": "4K", "aspect_ratio": "16:9"}, {"resolution": "4K", "aspect_ratio": "1:1"}, "resolution"),
    ("openai/gpt-image-2", {"resolution": "1K", "aspect_ratio": "auto"}, {"resolution": "2K", "aspect_ratio": "auto"}, "resolution"),
    ("openai/gpt-image-2-premium", {"prompt": "a" * 10_000, "quality": "high"}, {"prompt": "a" * 10_001}, "prompt"),
    ("openai/gpt-image-2-premium", images(14), images(15), "img_urls"),
    ("google/nano-banana-2", {"prompt": "a" * 20_000, "google_search": True}, {"prompt": "a" * 20_001}, "prompt"),
    ("google/nano-banana-2", images(14), images(15), "img_urls"),
    ("google/nano-banana-2-lite", images(10), images(11), "img_urls"),
    ("google/gemini-omni", {"prompt": "a" * 20_000, **images(7)}, {"prompt": "a" * 20_001}, "prompt"),
    ("google/gemini-omni", images(7), images(8), "img_urls"),
    ("google/gemini-omni", {**images(5), "video_list": [{"url": URL, "start": 0, "ends": 2.5}]}, {**images(6), "video_list": [{"url": URL}]}, "img_urls"),
    ("google/gemini-omni", {"duration": 10}, {"duration": 5}, "duration"),
    ("google/gemini-omni", {"duration": "8"}, {"duration": "8.5"}, "duration"),
    ("grok-imagine-video-1.5-preview", {"prompt": "a" * 4096, "duration": 1}, {"prompt": "a" * 4097}, "prompt"),
    ("grok-imagine-video-1.5-preview", {**images(7), "duration": 15}, images(8), "img_urls"),
    ("grok-imagine-video-1.5-preview", {"duration": "15"}, {"duration": 16}, "duration"),
    ("grok-imagine-video-1.5-preview", {"resolution": "1080p"}, {"resolution": "4k"}, "resolution"),
    ("grok-imagine/t2v", {"duration": 6, "mode": "spicy"}, {"duration": 5}, "duration"),
    ("grok-imagine/i2v", {"duration": 30, "resolution": "480p"}, {"duration": "31"}, "duration"),
    ("grok-imagine/i2v", {"resolution": "720p"}, {"resolution": "1080p"}, "resolution"),
    ("grok-imagine/t2v", {"mode": "fun"}, {"mode": "wild"}, "mode"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "within", "beyond", "field"), LIMITS)
def test_what_clients_observed_refuses(crun, model, within, beyond, field):
    assert crun.create(model, {"prompt": "a", **within})
    refused = {
        path: crun.refused("POST", path, json={"model": model, "input": {"prompt": "a", **beyond}})
        for path in ("job/CreateTask", "job/estimate-credits", "job/EstimateTask")
    }
    for answer in refused.values():
        assert (answer["http"], answer["code"]) == (422, 422)
        assert answer["errors"][0].startswith(f"Value error, Invalid input for model {model}: {field}: ")


@pytest.mark.parametrize("settings", [{"variants": {"crun": {"model_limits": "open"}}}], indirect=True)
def test_the_variant_opens_them(crun):
    for model, _, beyond, _ in LIMITS:
        assert crun.create(model, {"prompt": "a", **beyond})
    assert crun.refused("GET", "job/TaskInfo")["errors"] == ["task_id: Field required"]
    documented = {"prompt": "a", "resolution": "8K"}
    assert (
        crun.refused("POST", "job/CreateTask", json={"model": "google/nano-banana-pro", "input": documented})["code"]
        == 422
    )
    swap = {"model": "google/gemini-omni", "input": {"prompt": "a", "img_urls": ["ftp://x/y"]}}
    assert crun.refused("POST", "job/CreateTask", json=swap)["code"] == 422


def test_every_model_whose_limits_are_observed_is_tried():
    schemas = CRUN.components["schemas"]
    operation, tried = CRUN.operations["create_task"], {row[0] for row in LIMITS}
    for model in CRUN.models:
        name = operation.branch_schema(model)["properties"]["input"]["$ref"].rpartition("/")[2]
        if schemas[name]["x-evidence"]["level"] == "observed" and model != "z-image":
            assert model in tried


GUESSED = {"aspect_ratio": 1.5, "resolution": 720, "quality": ["high"], "mode": {"a": 1}, "duration": True, "seed": "x",
           "template": 5, "camera_fixed": "yes", "negative_prompt": 5}  # fmt: skip


@pytest.mark.parametrize("model", ["google/veo3-1-t2v", "bytedance/seedream-5", "suno/music-generate", "vidu/template"])
def test_a_guessed_type_or_list_never_refuses(crun, time, model):
    task = crun.create(model, {"prompt": "a", **GUESSED})
    time.advance(1000)
    assert crun.info(task)["status"] == "success"


def test_the_catalogue_shows_the_limits(crun):
    schema = crun.data("GET", "job/Models/google/gemini-omni")["input_schema"]
    assert schema["properties"]["duration"]["anyOf"][0]["enum"] == [4, 6, 8, 10]
    assert schema["properties"]["img_urls"]["maxItems"] == 7
    assert schema["required"] == ["prompt"]


TEMPLATES = [
    ("kling/template", "template_id", "kling-hug", {"img_urls": [URL]}),
    ("vidu/template", "template", "vidu-snow", {"images": [URL], "area": "x", "beast": "y", "bgm": True, "story": "z"}),
    ("bytedance/template", "template_id", "bd-comic", {"img_urls": [URL]}),
]


@pytest.mark.parametrize(("model", "field", "known", "more"), TEMPLATES)
def test_an_unknown_template_is_noted_in_the_journal(account, model, field, known, more):
    crun = account.crun
    body = {"model": model, "input": {**more, field: "my-own"}}
    assert crun.data("POST", "job/estimate-credits", json=body)["estimated"] is True
    crun.create(model, body["input"])
    for record in account.admin("GET", "journal", params={"type": "exchange"})["records"]:
        (violation,) = record["violations"]
        assert (violation["place"], violation["rule"], violation["got"]) == (
            ["body", "input", field],
            "listed",
            "my-own",
        )
        assert known in violation["expected"]
        assert record["code"] == 200
    why = account.admin("GET", f"why/{record['id']}")
    assert "which no list has; it was taken all the same" in str(why)
    assert (
        crun.data("POST", "job/estimate-credits", json={**body, "input": {**more, field: known}})["estimated"] is False
    )


@pytest.mark.parametrize(("model", "field", "known", "more"), TEMPLATES)
@pytest.mark.parametrize("settings", [{"variants": {"crun": {"unknown_template": "refuse"}}}], indirect=True)
def test_an_unknown_template_is_refused_under_the_variant(crun, model, field, known, more):
    for path in ("job/CreateTask", "job/EstimateTask", "job/estimate-credits"):
        refused = crun.refused("POST", path, json={"model": model, "input": {**more, field: "my-own"}})
        assert refused["errors"] == [
            f"Value error, Invalid input for model {model}: {field}: there is no template 'my-own'"
        ]
    assert crun.create(model, {**more, field: known})


def test_templates_have_names_categories_and_tags(crun):
    for kind, names in (("kling", ("name", "categories", "tags")), ("vidu", ("name", "categories", "tags")),
                        ("bytedance", ("Name", "Categories", "Tags"))):  # fmt: skip
        found = crun.data("GET", f"job/{kind}-templates")["templates"]
        assert len(found) == 5
        for item in found:
            name, categories, tags = (item[field] for field in names)
            assert isinstance(name, str)
            assert all(isinstance(word, str) for word in [*categories, *tags])
            assert (len(name) > 0, len(categories) > 0, len(tags) > 1) == (True, True, True)


def test_a_template_whose_list_has_no_price_for_a_resolution_is_estimated(crun):
    body = {"model": "bytedance/template", "input": {"template_id": "bd-comic", "resolution": "8K", "img_urls": [URL]}}
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": 10, "estimated": True}
    assert crun.create(body["model"], body["input"])
