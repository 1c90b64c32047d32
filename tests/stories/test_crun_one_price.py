"""One price for a task everywhere: the list, both estimates, the reservation, TaskInfo and the charge, for every model."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swapmock.contracts import load
from swapmock.contracts.pricing import price_of

CRUN = load("crun")
URL = "https://example.com/a.png"
TEMPLATES = CRUN.tables["templates"]
SWAPS = ("image-face-swap-multi", "video-face-swap-multi")

#: What an input of every model may hold; the fields that prices depend on are drawn on top.
PLAIN = {"prompt": "a", "image_url": URL, "video_url": URL, "new_face": URL, "img_urls": [URL]}


def asked(model):
    """A plain input of `model`."""
    row = CRUN.models[model]
    given = {name: PLAIN[name] for name in {*row["required"], "prompt"} if name in PLAIN}
    return given | ({"images": [URL]} if "images" in row["required"] else {})


def settled(account, model, given):
    """Every price that a task shows, in credits; the first is what the contract lists."""
    crun, body = account.crun, {"model": model, "input": given}
    listed = price_of(CRUN.models[model], given, CRUN.tables)
    estimate = crun.data("POST", "job/estimate-credits", json=body)
    told = crun.data("POST", "job/EstimateTask", json=body)
    before = crun.balance()
    task = crun.create(model, given)
    reserved = before - crun.balance()
    shown = crun.info(task)["credits"]
    account.advance(by=3600)
    info, after = crun.info(task), before - crun.balance()
    assert info["status"] == "success"
    assert (estimate["estimated"], told["affordable"]) == (listed.estimated, True)
    ledger = account.admin("GET", "ledger")["entries"]
    booked = sum(entry["amount"] for entry in ledger if entry["task"] == task and entry["move"] == "settle")
    prices = [estimate["credits"], told["estimated_credits"], reserved, shown, info["credits"], after, booked]
    return float(listed.credits), prices


def test_every_model(make_account):
    account = make_account(balance=50_000)
    for model in CRUN.models.keys() - set(SWAPS):
        listed, prices = settled(account, model, asked(model))
        assert prices == pytest.approx([listed] * len(prices), abs=1e-6), model


@pytest.mark.parametrize("model", SWAPS)
def test_the_swaps_of_several_faces(account, time, model):
    field = "image_url" if model.startswith("image") else "video_url"
    detection = account.crun.detect(URL, field.removesuffix("_url"))
    account.advance(by=20)
    found = account.crun.detection(detection)["result"]
    given = {"detect_id": found["id"], field: URL, "faces": [{"face_id": 0, "target": URL}]}
    listed, prices = settled(account, model, given)
    assert prices == pytest.approx([listed] * len(prices), abs=1e-6)


TIMED = ["bytedance/seedance2-0-fast-r2v", "grok-imagine-video-1.5-preview", "google/nano-banana-pro"]


@st.composite
def inputs(draw):
    """A model whose price depends on its input, and an input of it."""
    model = draw(st.sampled_from([*TIMED, "kling/template", "vidu/template", "bytedance/template"]))
    given = asked(model)
    if model in TIMED:
        seconds = st.integers(1, 15)
        lengths = {} if model.startswith("google") else {"duration": seconds | seconds.map(str)}
        words = {"resolution": st.sampled_from(["1K", "2K", "4K"] if model.startswith("google") else ["480p", "720p"])}
        return model, given | draw(st.fixed_dictionaries({}, optional=lengths | words))
    part = model.partition("/")[0]
    ids = [row[{"kling": "key", "vidu": "template", "bytedance": "TemplateId"}[part]] for row in TEMPLATES[part]]
    field = "template" if part == "vidu" else "template_id"
    return model, given | {field: draw(st.sampled_from([*ids, "nobody-knows"]))} | draw(
        st.fixed_dictionaries({}, optional={"resolution": st.sampled_from(["480p", "720p", "1080p", "8K"])})
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(inputs())
def test_every_price_that_depends_on_the_input(make_account, asked_for):
    account = make_account(balance=5000)  # a sandbox for each example, on one server
    listed, prices = settled(account, *asked_for)
    assert prices == pytest.approx([listed] * len(prices), abs=1e-6)


@pytest.mark.parametrize("settings", [{"prices": {"crun": {"kling/template": 7, "z-image": 0}}}], indirect=True)
@pytest.mark.parametrize(("model", "credits"), [("kling/template", 7), ("z-image", 0)])
def test_a_price_of_the_settings_is_no_estimate(crun, model, credits):
    body = {"model": model, "input": asked(model) | {"template_id": "nobody-knows"}}
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": credits, "estimated": False}


@pytest.mark.parametrize(("scenario", "is_charged"), [("fails", False), ("fails_charged", True), ("no_media", True)])
def test_what_is_charged_in_the_end(make_account, scenario, is_charged):
    account = make_account(scenario=scenario)
    before = account.crun.balance()
    task = account.crun.create("bytedance/seedance2-0-fast-r2v", {"prompt": "a", "resolution": "480p", "duration": 10})
    account.advance(by=3600)
    assert account.crun.info(task)["credits"] == (88.24 if is_charged else 0)
    assert before - account.crun.balance() == pytest.approx(88.24 if is_charged else 0)
