"""Music: the flow of a client that reads each track from `suno_data`."""

import requests


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
    (track,) = result["suno_data"]
    assert [track["suno_audio_url"]] == result["media_urls"]
    song = requests.get(track["suno_audio_url"], timeout=10)
    assert (song.status_code, song.headers["content-type"]) == (200, "audio/wav")
    assert song.content.startswith(b"RIFF")


def test_other_models_tell_no_tracks(crun, time):
    task_ids = [crun.create("qwen3-tts/speech-synthesis", {"text": "la"}), crun.create("suno/music-video", {})]
    time.advance(20)
    assert ["suno_data" in crun.info(task_id)["result"] for task_id in task_ids] == [False, False]
