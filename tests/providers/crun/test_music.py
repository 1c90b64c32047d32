"""The files and the result of songs."""

import pytest

from swapmock.mock_server.core.faces import FaceRef
from swapmock.mock_server.providers.crun.music import further_tracks, makes_music

SONG = {"provider": "suno", "modality": "audio", "operations": ["music-generate"]}
NOISE = {"provider": "suno", "modality": "audio", "operations": ["sound-effects"]}
FACES = [FaceRef("a", 3), FaceRef("b", 4)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (SONG, True),
        (NOISE, True),
        ({**SONG, "modality": "video"}, False),
        ({**SONG, "provider": "kling"}, False),
    ],
)
def test_which_models_make_sound(row, expected):
    assert makes_music(row) is expected


def test_a_song_has_two_tracks_and_two_covers_for_each():
    """The first track is the task's own file. Covers of one track show the same."""
    assert further_tracks(SONG, FACES) == [
        [".wav", [["a-1", 0]]],
        [".png", [["a", 0]]],
        [".png", [["a", 0]]],
        [".png", [["a", 1]]],
        [".png", [["a", 1]]],
    ]
    assert further_tracks(NOISE, FACES) == [[".png", [["a", 0]]], [".png", [["a", 0]]]]
    assert further_tracks(SONG, []) == []
    assert further_tracks({**SONG, "modality": "video"}, FACES) == []


@pytest.mark.parametrize(
    ("model", "count"), [("suno/music-generate", 2), ("suno/music-cover", 2), ("suno/sounds-generate", 1)]
)
@pytest.mark.parametrize(
    ("given", "title"),
    [
        ({"prompt": "p" * 50}, "p" * 40),
        ({"prompt": "  rain  "}, "rain"),
        ({"prompt": "p", "title": "  Long title that has more than forty characters "}, "Long title that has more than forty characters"),
    ],
)  # fmt: skip
def test_the_result_of_a_song(account, model, count, given, title):
    one = account()
    task = one.created(model, given)
    assert one.info(task)["result"] is None
    one.advance(600)
    result = one.info(task)["result"]
    links = result["media_urls"]
    assert (result["code"], result["message"], len(links)) == (200, "success", count)
    assert len(set(links)) == count
    assert all(link.endswith(".wav") for link in links)
    assert [row["suno_audio_url"] for row in result["suno_data"]] == links
    covers = [row[name] for row in result["suno_data"] for name in ("suno_image_url", "suno_image_large_url")]
    assert len(set(covers)) == 2 * count
    numbers = [int(link.rsplit("/", 1)[1].removesuffix(".png")) for link in covers]
    assert numbers == list(range(count, 3 * count))
    assert {row["title"] for row in result["suno_data"]} == {title}
    assert len({row["suno_id"] for row in result["suno_data"]}) == count
    assert {row["duration"] for row in result["suno_data"]} == {10.0}
