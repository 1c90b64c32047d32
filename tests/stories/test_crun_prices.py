"""Prices that depend on the input: the estimates, the reservation, the charge and TaskInfo agree."""

import json

import pytest

VIDEO = ("bytedance/seedance2-0-fast-r2v", {"prompt": "a", "resolution": "480p", "duration": 10})


@pytest.mark.parametrize(
    ("model", "given", "cost"),
    [(*VIDEO, 88.24), ("kling/template", {"template_id": "kling-hug", "img_urls": ["https://example.com/a.png"]}, 24)],
)
def test_one_price_everywhere(crun, time, model, given, cost):
    body = {"model": model, "input": given}
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": cost, "estimated": False}
    estimate = crun.data("POST", "job/EstimateTask", json=body)
    assert (estimate["estimated_credits"], estimate["affordable"]) == (cost, True)
    before = crun.balance()
    task = crun.create(model, given)
    assert crun.balance() == pytest.approx(before - cost, abs=1e-9)
    time.advance(600)
    assert crun.info(task)["credits"] == cost
    assert crun.balance() == pytest.approx(before - cost, abs=1e-9)


def test_an_unknown_template_is_accepted_at_an_estimate(crun):
    given = {"template_id": "made-in-your-studio", "img_urls": ["https://example.com/a.png"]}
    body = {"model": "kling/template", "input": given}
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": 2, "estimated": True}
    assert crun.create("kling/template", given)


def test_the_credits_of_a_task_always_have_a_point(crun, time):
    task = crun.create(
        "image-face-swap", {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}
    )
    time.advance(600)
    text = crun.call("GET", "job/TaskInfo", params={"task_id": task}).text
    assert '"credits":3.0' in text
    assert '"balance":997' in crun.call("GET", "account/balance").text
    failed = crun.create(
        "image-face-swap", {"image_url": "https://errors.invalid/fails", "new_face": "https://example.com/b.png"}
    )
    time.advance(600)
    assert '"credits":0.0' in crun.call("GET", "job/TaskInfo", params={"task_id": failed}).text
    assert json.loads(text)["data"]["credits"] == 3
