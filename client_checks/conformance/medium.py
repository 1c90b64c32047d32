"""Decodes a media file to its last frame: finds its size, its length, its frame rate, and whether it is complete."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

import av
from PIL import Image

from swapmock.client_checks.conformance.media import AUDIO, IMAGES, VIDEOS

#: The maximal number of pixels of a picture, or of a frame of a video, that is decoded.
MOST_PIXELS = 100_000_000
#: The maximal number of pixels of all decoded frames of a video together. The rest is read but not decoded.
MOST_DECODED = 4_000_000_000
#: The maximal number of decoded frames of an animated picture.
MOST_FRAMES = 1000
#: The fraction of the frames in its index that a complete video may lack: an edit list can hide some.
HIDDEN_FRAMES = 0.1
#: The EXIF tag of the orientation, and its values for a picture that is turned by 90 degrees.
ORIENTATION, ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
#: For each kind of file, its group: a request asks for files of a group.
FAMILIES = {**dict.fromkeys(IMAGES, "image"), **dict.fromkeys(VIDEOS, "video"), **dict.fromkeys(AUDIO, "audio")}


@dataclass(frozen=True)
class Medium:
    """A decoded media file. `kind` is one of `media.KINDS`. `width` and `height` are in pixels as a viewer shows
    them, `seconds` is the length, `rate` is in frames per second; 0 means unknown. `broken` says why the file
    cannot be decoded to its end, or is ""."""

    kind: str
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    rate: float = 0.0
    broken: str = ""

    @property
    def family(self) -> str:
        """The group of the file: `image`, `video` or `audio`."""
        return FAMILIES[self.kind]


def decoded(content: bytes, kind: str) -> Medium:
    """Return the decoded file `content`, whose first bytes are those of `kind`. A broken file raises nothing; see
    `Medium.broken`."""
    medium = Medium(kind)
    try:
        if kind in IMAGES:
            return _picture(content, medium)
        return _frames(content, medium)
    except Exception as error:  # a decoder can raise anything for an untrusted file
        return replace(medium, broken=f"{type(error).__name__}: {' '.join(str(error).split())[:120]}")


def _picture(content: bytes, medium: Medium) -> Medium:
    with warnings.catch_warnings(), Image.open(BytesIO(content)) as picture:
        warnings.simplefilter("ignore")
        is_turned = picture.getexif().get(ORIENTATION) in ON_ITS_SIDE
        width, height = picture.size[::-1] if is_turned else picture.size
        medium = replace(medium, width=width, height=height)
        if width * height > MOST_PIXELS:
            return replace(medium, broken=f"{width} x {height} pixels")
        milliseconds = 0.0
        for frame in range(min(getattr(picture, "n_frames", 1), MOST_FRAMES)):
            picture.seek(frame)
            picture.load()
            milliseconds += picture.info.get("duration", 0)
    return replace(medium, seconds=milliseconds / 1000, broken=_why_cut(content, medium.kind))


def _why_cut(content: bytes, kind: str) -> str:
    """Return what is wrong with a picture that its decoder accepts: a missing end or a part with a wrong checksum;
    "" if nothing."""
    if kind == "png":
        return _why_cut_png(content)
    if kind == "jpeg" and content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        return "no end-of-image marker"
    if kind == "gif" and not content.rstrip(b"\0\r\n").endswith(b";"):
        return "no trailer"
    if kind == "webp" and int.from_bytes(content[4:8], "little") + 8 > len(content):
        return f"it says that it has {int.from_bytes(content[4:8], 'little') + 8} bytes"
    return ""


def _why_cut_png(content: bytes) -> str:
    place = 8
    while place + 12 <= len(content):
        size, name = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        end = place + 12 + size
        if end > len(content):
            return f"the chunk {name.decode('latin-1')} reaches beyond the end"
        if zlib.crc32(content[place + 4 : end - 4]) != int.from_bytes(content[end - 4 : end], "big"):
            return f"the chunk {name.decode('latin-1')} has a wrong checksum"
        if name == b"IEND":
            return ""
        place = end
    return "no chunk IEND"


def _frames(content: bytes, medium: Medium) -> Medium:
    """Return `medium` with what every stream of the video or sound in `content` shows."""
    cut = _why_cut_box(content) if medium.kind == "mp4" else _why_cut_wav(content) if medium.kind == "wav" else ""
    source = av.open(BytesIO(content), "r")
    with source as container:
        wanted = container.streams.video if medium.family == "video" else container.streams.audio
        if not wanted:
            return replace(medium, broken=f"no {medium.family} in it")
        main: Any = wanted[0]
        told = 0.0 if container.duration is None else container.duration / av.time_base
        if medium.family == "video":
            medium = _with_size(medium, main)
            if medium.width * medium.height > MOST_PIXELS:
                return replace(medium, broken=f"{medium.width} x {medium.height} pixels")
        seen = _Seen()
        for frame in _every_frame(container, medium):
            seen.add(frame, main)
        if seen.turned:
            medium = replace(medium, width=medium.height, height=medium.width)
        broken = cut or seen.why_broken(main)
    return replace(medium, seconds=seen.seconds if seen.is_whole else told, broken=broken)


def _with_size(medium: Medium, stream: Any) -> Medium:
    shape = stream.sample_aspect_ratio
    width = round(stream.width * float(shape)) if shape else stream.width
    return replace(medium, width=width, height=stream.height, rate=float(stream.average_rate or 0))


def _every_frame(container: Any, medium: Medium) -> Iterator[Any]:
    """Yield each frame of every audio and video stream. In place of the first frame beyond the limits, yield None."""
    left = MOST_DECODED
    for packet in container.demux(*container.streams.video, *container.streams.audio):
        is_picture = packet.stream.type == "video"
        if is_picture and left <= 0:
            yield None
            return
        for frame in packet.decode():
            left -= medium.width * medium.height if is_picture else 0
            yield packet.stream, frame


class _Seen:
    """What was decoded of the main stream."""

    def __init__(self) -> None:
        self.count, self.samples, self.rate = 0, 0, 0
        self.first: float | None = None
        self.last = self.gap = 0.0
        self.turned = self.is_corrupt = False
        self.is_whole = True

    def add(self, pair: Any, main: Any) -> None:
        if pair is None:
            self.is_whole = False
            return
        stream, frame = pair
        self.is_corrupt = self.is_corrupt or bool(getattr(frame, "is_corrupt", False))
        if stream.index != main.index:
            return
        self.count += 1
        if stream.type == "audio":
            self.samples, self.rate = self.samples + frame.samples, frame.sample_rate
            return
        self.turned = self.turned or getattr(frame, "rotation", 0) % 180 == 90
        if frame.time is not None:
            self.first = frame.time if self.first is None else min(self.first, frame.time)
            self.gap = frame.time - self.last if frame.time > self.last else self.gap
            self.last = max(self.last, frame.time)

    @property
    def seconds(self) -> float:
        """The time from the first frame to the end of the last, in seconds."""
        if self.rate:
            return self.samples / self.rate
        return 0.0 if self.first is None else self.last - self.first + self.gap

    def why_broken(self, main: Any) -> str:
        if not self.count:
            return "nothing in it can be decoded"
        if self.is_corrupt:
            return "a frame is damaged"
        if self.is_whole and main.type == "video" and self.count < main.frames * (1 - HIDDEN_FRAMES):
            return f"{self.count} of {main.frames} frames can be decoded"
        return ""


def _why_cut_wav(content: bytes) -> str:
    size = int.from_bytes(content[4:8], "little") + 8
    # A sound that is sent while it is produced has 0 or the largest number as its size.
    is_known = 8 < size < 0xFFFFFF00
    return f"it says that it has {size} bytes" if is_known and size > len(content) + 1 else ""


def _why_cut_box(content: bytes) -> str:
    """Return what is wrong with the boxes of an MP4 file: they must cover the file to its last byte, and include
    those that a player needs. "" if nothing is wrong."""
    place, names = 0, []
    while place < len(content):
        size, name = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16], "big")
        elif size == 0:
            size = len(content) - place
        if size < 8 or place + size > len(content):
            return f"the box {name.decode('latin-1')!r} at byte {place} reaches beyond the end"
        names.append(name)
        place += size
    missing = [name.decode() for name in (b"moov", b"mdat") if name not in names and b"moof" not in names]
    return f"no box {missing[0]}" if missing else ""
