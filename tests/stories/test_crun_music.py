"""Music: the flow of a client that reads each track from `suno_data`."""

import io
import wave

import pytest
import requests
from PIL import Image


def test_a_song_made_from_lyrics(crun, time):
    given = {
        "mode": "custom",
        "model": "v5.5",
        "instrumental": False,
        "title": "Harbour",
        "tags": "forro, acoustic",
        "lyrics": "la la la",
        "vocal_gender": "f",
    }
    task_id = crun.create("suno/music-generate", given, callback_url="")
    time.advance(20)
    result = crun.info(task_id)["result"]
    tracks = result["suno_data"]
    assert len(tracks) == 2
    assert [track["suno_audio_url"] for track in tracks] == result["media_urls"]
    sounds, covers = [], []
    for track in tracks:
        assert track["title"] == "Harbour"
        song = requests.get(track["suno_audio_url"], timeout=10)
        assert (song.status_code, song.headers["content-type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(song.content)) as sound:
            assert sound.getnframes() / sound.getframerate() == track["duration"]
        sounds.append(song.content)
        for name, side in (("suno_image_url", 360), ("suno_image_large_url", 720)):
            answer = requests.get(track[name], timeout=10)
            assert answer.headers["content-type"] == "image/png"
            with Image.open(io.BytesIO(answer.content)) as picture:
                assert picture.size == (side, side)
            covers.append(answer.content)
    assert len({track["suno_id"] for track in tracks}) == len(set(sounds)) == 2
    assert len(set(covers)) == 4
    assert tracks[0].keys() == {
        "suno_id",
        "title",
        "suno_audio_url",
        "suno_image_url",
        "suno_image_large_url",
        "duration",
    }


@pytest.mark.parametrize(
    ("model", "given", "count", "title"),
    [
        ("suno/sounds-generate", {"prompt": "rain on a roof"}, 1, "rain on a roof"),
        ("suno/music-extend", {"audio_url": "https://example.com/a.mp3", "duration": 30}, 2, "Untitled"),
        ("suno/music-cover", {"title": 5, "prompt": "x" * 100}, 2, "x" * 40),
    ],
)
def test_tracks_of_the_other_models(crun, time, model, given, count, title):
    task_id = crun.create(model, given)
    time.advance(20)
    tracks = crun.info(task_id)["result"]["suno_data"]
    assert [track["title"] for track in tracks] == [title] * count
    assert [track["duration"] for track in tracks] == [given.get("duration", 10)] * count


def test_a_song_survives_a_snapshot(account):
    task_id = account.crun.create("suno/music-generate", {"prompt": "la"})
    account.advance(by=20)
    before = account.crun.info(task_id)
    saved = account.admin("POST", "snapshot")
    account.admin("POST", "reset")
    account.admin("POST", "restore", json=saved)
    assert account.crun.info(task_id) == before
    assert requests.get(before["result"]["suno_data"][1]["suno_image_url"], timeout=10).status_code == 200


def test_other_models_tell_no_tracks(crun, time):
    task_ids = [crun.create("qwen3-tts/speech-synthesis", {"text": "la"}), crun.create("suno/music-video", {})]
    time.advance(20)
    assert ["suno_data" in crun.info(task_id)["result"] for task_id in task_ids] == [False, False]
