"""Credits: reserved at the start, settled at the end, returned on failure, and a refusal when too few are left."""

import pytest

SWAP = {"image_url": "https://example.com/a.png", "new_face": "https://example.com/b.png"}


def ends(url):
    return {"image_url": url, "new_face": "https://example.com/b.png"}


def test_a_failed_task_costs_nothing(crun, time):
    before = crun.balance()
    task_id = crun.create("image-face-swap", ends("https://errors.invalid/fails"))
    price = crun.info(task_id)["credits"]
    assert crun.balance() == before - price < before
    time.advance(60)
    ended = crun.info(task_id)
    assert (ended["status"], ended["credits"]) == ("failed", 0)
    assert ended["result"] == {"code": 501, "message": "Server exception, please try again later"}
    assert crun.balance() == before


def test_the_refund_needs_no_poll(crun, time):
    before = crun.balance()
    crun.create("image-face-swap", ends("https://errors.invalid/fails"))
    time.advance(60)
    assert crun.balance() == before


def test_a_failed_task_that_is_charged_all_the_same(crun, time):
    before = crun.balance()
    task_id = crun.create("image-face-swap", ends("https://errors.invalid/fails_charged"))
    time.advance(60)
    ended = crun.info(task_id)
    assert ended["status"] == "failed"
    assert ended["credits"] > 0
    assert crun.balance() == before - ended["credits"]


@pytest.mark.parametrize("settings", [{"balance": 7.5}], indirect=True)
def test_out_of_credits(crun, time):
    first = crun.create("image-face-swap", SWAP)
    crun.create("image-face-swap", SWAP)
    refused = crun.refused("POST", "job/CreateTask", json={"model": "image-face-swap", "input": SWAP})
    assert refused == {"code": 402, "message": "Insufficient Credits", "data": {"balance": 1.5}, "http": 402}
    assert crun.balance() == 1.5
    # A cheaper task is still possible, and the credits of failed tasks are returned.
    assert crun.create("z-image", {"prompt": "a harbour"})
    assert crun.balance() == 0
    time.advance(60)
    assert crun.info(first)["status"] == "success"
    assert crun.balance() == 0


@pytest.mark.parametrize("settings", [{"balance": 3}], indirect=True)
def test_what_a_failure_gives_back_can_be_spent(crun, time):
    crun.create("image-face-swap", ends("https://errors.invalid/fails"))
    assert crun.refused("POST", "job/CreateTask", json={"model": "image-face-swap", "input": SWAP})["code"] == 402
    time.advance(60)
    assert crun.create("image-face-swap", SWAP)


PRICED = {"balance": 5, "prices": {"crun": {"image-face-swap": 1.25, "google/nano-banana-pro": 2, "detection": 0.5}}}


@pytest.mark.parametrize("settings", [PRICED], indirect=True)
def test_prices_can_be_set(crun, time):
    task_id = crun.create("image-face-swap", SWAP)
    assert crun.info(task_id)["credits"] == 1.25
    assert crun.balance() == 3.75
    body = {"model": "google/nano-banana-pro", "input": {"prompt": "a harbour", "resolution": "4K"}}
    assert crun.data("POST", "job/estimate-credits", json=body)["credits"] == 2
    assert crun.detected("https://example.com/a.png")["faces"]
    assert crun.balance() == 3.25
    crun.detect("https://errors.invalid/fails")
    assert crun.balance() == 2.75
    time.advance(60)
    assert crun.balance() == 3.25
    for _ in range(6):
        crun.detect("https://example.com/a.png")
    refused = crun.refused("POST", "job/detect-face-image", json={"image_url": "https://example.com/a.png"})
    assert refused == {"http": 402, "code": 402, "message": "Insufficient Credits", "data": {"balance": 0.25}}


@pytest.mark.parametrize("settings", [{"balance": 0}], indirect=True)
def test_detections_and_estimates_need_no_credits(crun):
    assert crun.detect("https://example.com/a.png")
    body = {"model": "image-face-swap", "input": SWAP}
    assert crun.data("POST", "job/EstimateTask", json=body) == {
        "estimated_credits": 3,
        "balance": 0,
        "affordable": False,
    }


@pytest.mark.parametrize(
    ("model", "given", "price"),
    [
        ("image-face-swap", SWAP, 3),
        ("z-image", {"prompt": "a harbour", "aspect_ratio": "16:9", "seed": 12345678}, 1.5),
        ("google/nano-banana-pro", {"prompt": "a harbour"}, 8),
        ("google/nano-banana-pro", {"prompt": "a harbour", "resolution": "2K"}, 8),
        ("google/nano-banana-pro", {"prompt": "a harbour", "resolution": "4K"}, 10),
        ("bytedance/seedream-4-5", {"prompt": "a harbour"}, 6),
    ],
)
def test_what_is_estimated_is_what_is_charged(crun, time, model, given, price):
    body = {"model": model, "input": given, "callback_url": ""}
    before = crun.balance()
    assert crun.data("POST", "job/estimate-credits", json=body) == {"credits": price, "estimated": False}
    assert crun.data("POST", "job/EstimateTask", json=body) == {
        "estimated_credits": price,
        "balance": before,
        "affordable": True,
    }
    assert crun.balance() == before
    task_id = crun.create(model, given)
    time.advance(60)
    assert crun.info(task_id)["credits"] == price
    assert crun.balance() == before - price


def test_an_estimate_looks_no_detection_up(crun):
    given = {
        "detect_id": "AAAAAAAAAAA",
        "image_url": "https://example.com/a.png",
        "faces": [{"face_id": 0, "target": "https://example.com/b.png"}],
    }
    assert crun.data("POST", "job/estimate-credits", json={"model": "image-face-swap-multi", "input": given})


def test_estimates_refuse_what_creating_refuses(crun):
    for path in ("job/CreateTask", "job/estimate-credits", "job/EstimateTask"):
        refused = crun.refused("POST", path, json={"model": "image-face-swap", "input": {"image_url": 5}})
        assert refused["errors"] == [
            "Value error, Invalid input for model image-face-swap: image_url: Input should be a valid string",
            "Value error, Invalid input for model image-face-swap: new_face: Field required",
        ]


def test_the_accounts_have_their_own_credits(crun, other_crun):
    before = other_crun.balance()
    crun.create("image-face-swap", SWAP)
    assert other_crun.balance() == before


def test_every_create_makes_and_charges_a_task(crun):
    before = crun.balance()
    assert crun.create("image-face-swap", SWAP) != crun.create("image-face-swap", SWAP)
    assert crun.balance() == before - 6
