"""An MP4 file around one H.264 stream, ready to play while it loads: the index comes before the samples.

Boxes are those of ISO/IEC 14496-12 (ftyp 4.3, mvhd 8.2.2, tkhd 8.3.2, mdhd 8.4.2, hdlr 8.4.3, stts 8.6.1.2, stss 8.6.2,
dref 8.7.2, stsz 8.7.3, stsc 8.7.4, stco 8.7.5, vmhd 12.1.2, colr 12.1.5) and of ISO/IEC 14496-15 (avcC 5.3.3.1, avc1
5.4.2.1). All times of creation are 0, so equal videos are equal bytes.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from swapmock.mock_server.media.h264 import COLOURS, CONSTRAINTS, PROFILE, Stream

TIMESCALE: Final = 1000
"""The ticks per second of the whole video; the track counts in pictures."""
UPRIGHT: Final = struct.pack(">9i", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""The unity matrix of mvhd and tkhd."""
UNDETERMINED: Final = 0x55C4
"""The language `und`, in three times five bits."""
SELF_CONTAINED: Final = 1
SHOWN: Final = 0b11
"""track_enabled and track_in_movie."""


@dataclass(frozen=True, slots=True)
class Track:
    """A video track: size in pixels, frames per second, parameter sets, the bytes of each sample (including the four
    bytes of its length), and the numbers of the key frames, from 1."""

    width: int
    height: int
    fps: int
    sps: bytes
    pps: bytes
    sizes: Sequence[int]
    key_frames: Sequence[int]


def mux(stream: Stream) -> bytes:
    """Return the stream as an MP4 file with one video track, in one chunk."""
    samples = [struct.pack(">I", len(unit)) + unit for unit in stream.pictures]
    sizes = [len(sample) for sample in samples]
    track = Track(stream.width, stream.height, stream.fps, stream.sps, stream.pps, sizes, [1])
    return head(track) + b"".join(samples)


def head(track: Track) -> bytes:
    """Return the part of the file before the bytes of the first sample."""
    kind = box("ftyp", b"isom", struct.pack(">I", 0x200), b"isom", b"iso2", b"avc1", b"mp41")
    # The index contains the position of the samples, which depends on the length of the index: measure it first.
    start = len(kind) + len(_moov(track, 0)) + 8
    return kind + _moov(track, start) + struct.pack(">I4s", 8 + sum(track.sizes), b"mdat")


def box(kind: str, *parts: bytes) -> bytes:
    """Return a box: its length and its type of four letters, then the parts."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind.encode("ascii")) + body


def full_box(kind: str, *parts: bytes, version: int = 0, flags: int = 0) -> bytes:
    """Return a box that begins with a version and 24 bits of flags."""
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def _moov(track: Track, start: int) -> bytes:
    return box("moov", _mvhd(track), _trak(track, start))


def _mvhd(track: Track) -> bytes:
    times = struct.pack(">IIII", 0, 0, TIMESCALE, _milliseconds(track))
    rate_and_volume = struct.pack(">IH10x", 0x10000, 0x100)
    return full_box("mvhd", times, rate_and_volume, UPRIGHT, bytes(24), struct.pack(">I", 2))


def _trak(track: Track, start: int) -> bytes:
    handler = full_box("hdlr", bytes(4), b"vide", bytes(12), b"VideoHandler\0")
    return box("trak", _tkhd(track), box("mdia", _mdhd(track), handler, _minf(track, start)))


def _tkhd(track: Track) -> bytes:
    times = struct.pack(">IIIII", 0, 0, 1, 0, _milliseconds(track))
    size = struct.pack(">II", track.width << 16, track.height << 16)
    return full_box("tkhd", times, bytes(16), UPRIGHT, size, flags=SHOWN)


def _mdhd(track: Track) -> bytes:
    return full_box("mdhd", struct.pack(">IIIIHH", 0, 0, track.fps, len(track.sizes), UNDETERMINED, 0))


def _minf(track: Track, start: int) -> bytes:
    here = full_box("dref", struct.pack(">I", 1), full_box("url ", flags=SELF_CONTAINED))
    return box("minf", full_box("vmhd", bytes(8), flags=1), box("dinf", here), _stbl(track, start))


def _stbl(track: Track, start: int) -> bytes:
    count, keys = len(track.sizes), track.key_frames
    return box(
        "stbl",
        full_box("stsd", struct.pack(">I", 1), _avc1(track)),
        full_box("stts", struct.pack(">III", 1, count, 1)),
        full_box("stss", struct.pack(f">I{len(keys)}I", len(keys), *keys)),
        full_box("stsc", struct.pack(">IIII", 1, 1, count, 1)),
        full_box("stsz", struct.pack(f">II{count}I", 0, count, *track.sizes)),
        full_box("stco", struct.pack(">II", 1, start)),
    )


def _avc1(track: Track) -> bytes:
    source = struct.pack(">6xH16x", 1)
    size = struct.pack(">HHII4xH", track.width, track.height, 72 << 16, 72 << 16, 1)
    rest = struct.pack(">32xHh", 24, -1)
    colours = box("colr", b"nclx", struct.pack(">HHHB", *COLOURS, 0))
    return box("avc1", source, size, rest, _avc_c(track), colours, box("pasp", struct.pack(">II", 1, 1)))


def _avc_c(track: Track) -> bytes:
    level = track.sps[3]
    # Lengths of NAL units take four bytes; there is one set of each kind. The upper bits of both counts are reserved.
    head = bytes([1, PROFILE, CONSTRAINTS, level, 0xFC | 3, 0xE0 | 1])
    sets = (struct.pack(">H", len(track.sps)), track.sps, b"\x01", struct.pack(">H", len(track.pps)), track.pps)
    return box("avcC", head, *sets)


def _milliseconds(track: Track) -> int:
    return len(track.sizes) * TIMESCALE // track.fps
