"""Sounds of any length: WAV files that every reader takes."""

import io
import wave

import pytest

from swapmock.mock_server.media.tone import Tone


def test_it_is_a_wav_file_of_that_length():
    with wave.open(io.BytesIO(b"".join(Tone("a", 7).read()))) as file:
        assert file.getparams()[:4] == (1, 2, 16_000, 7 * 16_000)
        assert len(set(file.readframes(16_000))) > 50


def test_any_range_is_the_same_bytes_as_in_the_whole_file():
    tone = Tone("a", 2)
    whole = b"".join(tone.read())
    assert len(whole) == tone.size
    edges = [0, 10, 44, 45, 32_044, 32_045, tone.size - 1, tone.size]
    for start in edges:
        for stop in edges:
            assert b"".join(tone.read(start, stop)) == whole[start:stop]


def test_another_identity_sounds_different():
    assert b"".join(Tone("a", 1).read()) != b"".join(Tone("b", 1).read())


def test_no_length_is_told():
    with pytest.raises(ValueError, match="no sound of 0 s"):
        Tone("a", 0)
