"""Short sounds as real WAV files: PCM, 16 bit, mono."""

import io
import math
import sys
import wave
from array import array
from functools import lru_cache
from hashlib import sha256
from typing import Final

RATE: Final = 16_000
"""The samples per second."""
FADE: Final = RATE // 20
"""The samples over which the tone becomes loud and silent: a hard edge would click."""
CYCLE: Final = 1024
"""The number of steps in one wave."""
LOUDNESS: Final = 12_000
"""The highest sample; the maximum of 16 bits is 32,767."""
SCALE: Final = (0, 2, 4, 7, 9, 12, 14, 16, 19, 21)
"""Semitones of a pentatonic scale: any two identities sound well together."""


@lru_cache(maxsize=32)
def audio_wav(identity: str) -> bytes:
    """Return one second of a tone with the pitch and timbre of ``identity``: 16 kHz, mono, 16 bit, about 32 kB."""
    return _wav(_samples(identity))


@lru_cache(maxsize=32)
def one_second(identity: str) -> bytes:
    """Return only the samples of `audio_wav`: little-endian, 32,000 bytes."""
    samples = array("h", _samples(identity))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()


def _samples(identity: str) -> "array[int]":
    digest = sha256(identity.encode("utf-8", "surrogatepass")).digest()
    detune = digest[0] / 255 - 0.5
    pitch = 220 * 2 ** ((SCALE[digest[1] % len(SCALE)] + detune) / 12)
    overtones = [(digest[2 + n] / 255) / (n + 2) for n in range(3)]
    return _tone(pitch, overtones)


def silence_wav() -> bytes:
    """Return one second of silence: 16 kHz, mono, 16 bit, about 32 kB."""
    return _wav(array("h", bytes(2 * RATE)))


def _tone(pitch: float, overtones: list[float]) -> "array[int]":
    turn = 2 * math.pi / CYCLE
    parts = [1.0, *overtones]
    cycle = [
        LOUDNESS / sum(parts) * sum(part * math.sin(turn * at * (n + 1)) for n, part in enumerate(parts))
        for at in range(CYCLE)
    ]
    pace = pitch * CYCLE / RATE
    return array("h", (round(_swell(at) * cycle[int(at * pace) % CYCLE]) for at in range(RATE)))


def _swell(at: int) -> float:
    return min(1.0, at / FADE, (RATE - at) / FADE)


def _wav(samples: "array[int]") -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 2, RATE, len(samples), "NONE", "not compressed"))
        # On a big-endian machine, the module wave converts to little-endian.
        file.writeframes(samples.tobytes())
    return out.getvalue()
