"""What each kind of tool reads from its request, without a request."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.seeded import integer
from swapmock.mock_server.providers.imgopen import makers
from swapmock.mock_server.providers.imgopen.makers import DETAILS, LARGEST_SEED, MAKERS, STYLES, SUBJECTS, TOUCHES
from swapmock.mock_server.providers.imgopen.tools import tools

CONTRACT = load("imgopen")
TOOLS = tools(CONTRACT)
ENGINE: Any = SimpleNamespace(contracts={"imgopen": CONTRACT, "crun": load("crun")})


def called(operation, body, **choices) -> Any:
    box = SimpleNamespace(task=lambda _: None, sandbox=SimpleNamespace(seed=7))
    return SimpleNamespace(
        operation=operation, body=body, box=box, raw=b"raw", variants={**CONTRACT.behaviour.defaults, **choices}
    )


def made(operation, body, **choices):
    tool = TOOLS[operation]
    return MAKERS[tool.makes](called(operation, body, **choices), ENGINE, tool)


def url_with(count):
    """A URL whose picture shows that many faces."""
    from swapmock.mock_server.core.faces import count_in

    return next(url for n in range(1000) if count_in(url := f"https://example.com/{n}.png") == count)


G1, G2, G3, G4 = (url_with(count) for count in (1, 2, 3, 4))
A, B, C = (f"https://example.com/source-{name}.png" for name in "abc")


@pytest.mark.parametrize(
    ("body", "choices", "faces"),
    [
        ({"sourceUrl": [A], "targetUrl": G1}, {}, [[A, 0]]),
        ({"sourceUrl": A, "targetUrl": G1}, {}, [[A, 0]]),
        ({"sourceUrl": [A], "targetUrl": G3}, {}, [[A, 0], [G3, 1], [G3, 2]]),
        ({"sourceUrl": [A, B], "targetUrl": G3}, {}, [[A, 0], [B, 0], [G3, 2]]),
        ({"sourceUrl": [A, B, C], "targetUrl": G2}, {}, [[A, 0], [B, 0]]),
        ({"sourceUrl": [A, B], "targetUrl": G3}, {"source_order": "right_to_left"}, [[G3, 0], [B, 0], [A, 0]]),
        ({"sourceUrl": [A], "targetUrl": G3, "faceIdx": 1}, {}, [[A, 0], [G3, 1], [G3, 2]]),
        ({"sourceUrl": [A], "targetUrl": G3, "faceIdx": 3}, {}, [[G3, 0], [G3, 1], [A, 0]]),
        ({"sourceUrl": [A, B], "targetUrl": G3, "faceIdx": 2}, {}, [[G3, 0], [A, 0], [G3, 2]]),
        ({"sourceUrl": [A], "targetUrl": G3, "faceIdx": 2}, {"index_with_two_sources": "refuse"},
         [[G3, 0], [A, 0], [G3, 2]]),
    ],
)  # fmt: skip
def test_which_faces_a_swap_shows(body, choices, faces):
    assert made("face_fusion", body, **choices) == ({"faces": faces, "extension": ".png", "more": []}, None)


@pytest.mark.parametrize(
    ("body", "choices", "sentence"),
    [
        ({"sourceUrl": [A], "targetUrl": G3, "faceIdx": 4}, {}, "faceIdx should be from 1 to 3: the target has no face 4"),
        ({"sourceUrl": [A, B], "targetUrl": G3, "faceIdx": 1}, {"index_with_two_sources": "refuse"},
         "faceIdx should not be given with two sources"),
    ],
)  # fmt: skip
def test_indexes_that_are_refused(body, choices, sentence):
    with pytest.raises(Problem) as refused:
        made("face_fusion", body, **choices)
    assert (refused.value.name, refused.value.errors) == ("invalid", (sentence,))


def test_an_index_beyond_the_faces_may_fail_later():
    body = {"sourceUrl": [A], "targetUrl": G3, "faceIdx": 4}
    found = made("face_fusion", body, index_out_of_range="fail")
    assert found == ({"faces": [], "extension": ".png", "more": []}, "index_out_of_range")
    assert made("roop", {"sourceUrl": A, "targetUrl": G3, "faceIdx": 4}).fails is None


@pytest.mark.parametrize("body", [{"sourceUrl": ["https://pictures.invalid/no-face.jpg"], "targetUrl": G1}])
def test_a_picture_without_a_face_fails(body, monkeypatch):
    monkeypatch.setattr(makers, "faces_in", lambda url, _: 0 if "no-face" in url else 2)
    empty = {"faces": [], "extension": ".png", "more": []}
    assert made("face_fusion", body) == (empty, "no_face")
    assert made("face_fusion", {"sourceUrl": [A, body["sourceUrl"][0]], "targetUrl": G1}) == (empty, "no_face")
    assert made("face_fusion", {"sourceUrl": [A], "targetUrl": body["sourceUrl"][0]}) == (empty, "no_face")


def test_a_detection_counts_the_faces():
    assert made("face_detection", {"imageUrl": G3}) == ({"url": G3, "faces": 3, "extension": ".png"}, None)


def test_pictures_of_the_people_in_the_source():
    found = made("img_expand", {"sourceImage": G2, "imageCount": 3}).facts
    people = [[G2, 0], [G2, 1]]
    assert found == {"faces": people, "extension": ".png", "more": [[".png", people], [".png", people]]}


def test_pictures_without_a_source_differ():
    found = made("sd_text2image", {"prompt": "a", "n_iter": 2, "batch_size": 1, "seed": 5}).facts
    ((name, number),) = found["faces"]
    assert number == 0
    assert len(name) == 40
    assert found["more"] == [[".png", [[name, 1]]]]
    assert found["seed"] == 5


@pytest.mark.parametrize(("asked", "seed"), [("0", 0), (0, 0), (41, 41), ("7", 7), (LARGEST_SEED, LARGEST_SEED)])
def test_a_seed_that_is_asked_for(asked, seed):
    assert made("sd_text2image", {"prompt": "a", "seed": asked}).facts["seed"] == seed


@pytest.mark.parametrize(
    "given", [{}, {"seed": -1}, {"seed": "-1"}, {"seed": "none"}, {"seed": ""}, {"seed": LARGEST_SEED + 1}]
)
def test_a_seed_that_is_not(given):
    """It follows from the sandbox's seed and the request."""
    assert made("sd_text2image", {"prompt": "a", **given}).facts["seed"] == integer(
        0, 4_294_967_295, 7, "picture", b"raw"
    )


def test_captions_and_styles_are_made_of_words():
    captions = {made("interrogate", {"image": f"https://example.com/{n}.png"}).facts["text"] for n in range(400)}
    subjects, styles = zip(*((one.split(" with ")[0].split(" in ")[0], one.rsplit(", ", 1)[1]) for one in captions), strict=True)  # fmt: skip
    assert set(subjects) == set(SUBJECTS)
    assert set(styles) == set(STYLES)
    assert all(any(f" {detail} and " in one for one in captions) for detail in DETAILS)
    assert all(any(f"and {detail}, " in one for one in captions) for detail in DETAILS)
    for number in range(20):
        url = f"https://example.com/{number}.png"
        assert made("identify_style", {"sourceImage": url}).facts["text"] == STYLES[integer(0, 6, url, "style")]
    found = {made("identify_style", {"sourceImage": f"https://example.com/{n}.png"}).facts["text"] for n in range(100)}
    assert found == set(STYLES)


def test_longer_prompts():
    (only,) = made("expand_prompts", {"sourcePrompt": "a cat"}).facts["text"]
    start, *touches = only.split(", ")
    assert start == "a cat"
    assert len(set(touches)) == 3
    assert set(touches) <= set(TOUCHES)
    first = TOUCHES.index(touches[0])
    assert touches == [TOUCHES[(first + step) % len(TOUCHES)] for step in (0, 1, 2)]
    several = made("expand_prompts", {"sourcePrompt": "a cat", "sequencesNum": 4}).facts["text"]
    assert (len(several), several[0]) == (4, only)
    for odd in (0, -1):
        assert made("expand_prompts", {"sourcePrompt": "a cat", "sequencesNum": odd}).facts["text"] == [only]
    assert made("sd_prompts", {"raw_prompt": "a dog"}).facts["text"][0].startswith("a dog, ")
    assert made("expand_prompts", {}).facts["text"][0].startswith("a picture, ")
    (cut,) = made("expand_prompts", {"sourcePrompt": "x" * 3000}).facts["text"]
    assert cut.startswith("x" * 2000 + ", ")
    for number in range(20):
        (text,) = made("expand_prompts", {"sourcePrompt": f"{number}"}).facts["text"]
        assert text.split(", ")[1] == TOUCHES[integer(0, 6, "touches", f"{number}", 0)]
    begun = {made("expand_prompts", {"sourcePrompt": f"{n}"}).facts["text"][0].split(", ")[1] for n in range(200)}
    assert begun == set(TOUCHES)
