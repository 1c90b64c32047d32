"""Links of ours in what clients send, and the face behind one."""

from types import SimpleNamespace
from typing import Any

import pytest

from swapmock.contracts import load
from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.providers.links import Link, face_at, file_url, read

CONTRACTS = {"crun": load("crun"), "imgopen": load("imgopen")}
TOKEN = "a1b2c3d4e5f6a7b8c9d0"


@pytest.mark.parametrize(
    ("path", "link"),
    [
        (f"/media/{TOKEN}/0.jpg", Link(TOKEN, 0, "jpg")),
        (f"/media/{TOKEN}/12.png", Link(TOKEN, 12, "png")),
        ("/Output-Img2/face/pre1-3.png", Link("pre1", 3, "png", "face")),
        ("/media/x", None),
        ("/other/x/0.jpg", None),
        ("", None),
    ],
)
def test_paths_of_links(path, link):
    assert read(path, CONTRACTS) == link
    assert read(path, {}) is None


@pytest.mark.parametrize(
    ("url", "face"),
    [
        (f"https://x/media/{TOKEN}/0.jpg", FaceRef("source", 0)),
        (f"https://x/media/{TOKEN}/2.jpg?y#z", FaceRef("source", 2)),
        (f"https://x/media/{TOKEN}/3.jpg", None),
        (f"https://x/media/{TOKEN}/4.jpg", None),
        ("https://x/media/bbbbbbbbbbbbbbbbbbbb/0.jpg", None),
        ("https://x/media/other/0.jpg", None),
        ("https://x/photo.jpg", None),
        ("http://[", None),
    ],
)
def test_the_face_behind_a_url(url, face):
    tasks = {
        TOKEN: SimpleNamespace(facts={"faces": 3, "url": "source"}),
        "bbbbbbbbbbbbbbbbbbbb": SimpleNamespace(facts={"faces": [["a", 0]], "url": "source"}),
    }
    box: Any = SimpleNamespace(task=tasks.get)
    engine: Any = SimpleNamespace(contracts=CONTRACTS)
    assert face_at(box, engine, url) == (face or FaceRef(url, 0))


@pytest.mark.parametrize(
    ("provider", "facts", "number", "path"),
    [
        ("crun", {"extension": ".png", "more": []}, 0, "/media/TOKEN/0.png"),
        ("crun", {"extension": ".png", "more": [[".wav", []], [".jpg", []]]}, 0, "/media/TOKEN/0.png"),
        ("crun", {"extension": ".png", "more": [[".wav", []], [".jpg", []]]}, 1, "/media/TOKEN/1.wav"),
        ("crun", {"extension": ".png", "more": [[".wav", []], [".jpg", []]]}, 2, "/media/TOKEN/2.jpg"),
        ("crun", {"faces": 3}, 2, "/media/TOKEN/2.jpg"),
        ("imgopen", {"extension": ".png", "folder": "f"}, 1, "/Output-Img2/f/TOKEN-1.png"),
    ],
)
def test_the_link_to_a_file(provider, facts, number, path):
    engine: Any = SimpleNamespace(contracts=CONTRACTS, publish=lambda box, task: "TOKEN")
    call: Any = SimpleNamespace(base_url="http://h", box=None)
    task: Any = SimpleNamespace(provider=provider, facts=facts)
    assert file_url(call, engine, task, number) == f"http://h{path}"
    assert file_url(call, engine, task) == file_url(call, engine, task, 0)


def test_a_provider_without_files_has_no_links():
    contract = SimpleNamespace(behaviour=SimpleNamespace(files=None))
    engine: Any = SimpleNamespace(contracts={"plain": contract})
    call: Any = SimpleNamespace(base_url="http://h", box=None)
    task: Any = SimpleNamespace(provider="plain", facts={})
    assert read("/media/x/0.jpg", {"plain": contract}) is None  # type: ignore[dict-item]  # what it needs of a contract
    with pytest.raises(LookupError, match="plain serves no files"):
        file_url(call, engine, task)
