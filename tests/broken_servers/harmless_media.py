"""Servers whose files differ from the emulator's in what the contract leaves open: other encoders, other bytes."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
from PIL import Image

from tests.broken_servers import Ask, Defect, Reply
from tests.broken_servers.harmless import SERVERS, with_extension
from tests.broken_servers.harmless import links_without_extension as shortened
from tests.broken_servers.media import ChangeFile, changing, of_ending, of_pictures, plainly_asked, redrawn

__all__ = ["SERVERS"]


def harmless_files(name: str, about: str, change: ChangeFile) -> None:
    SERVERS[name] = Defect(name, about, frozenset(), answer=changing(change), pass_on=plainly_asked)


def same(picture: Image.Image) -> Image.Image:
    return picture


def photo(**options: Any) -> Callable[[bytes], bytes]:
    return lambda content: redrawn(content, same, "JPEG", **options)


def turned(content: bytes) -> bytes:
    """A JPEG whose pixels lie on their side, and whose EXIF says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return redrawn(content, lambda picture: picture.transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif)


def index_last(content: bytes) -> bytes:
    """The same video with its index behind its frames."""
    out = BytesIO()
    with av.open(BytesIO(content), "r") as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return out.getvalue()


def encoded_anew(content: bytes, codec: str = "mpeg4", speed: Fraction = Fraction(1)) -> bytes:
    """The same video by another codec, its rate of frames times `speed`."""
    out = BytesIO()
    with av.open(BytesIO(content), "r") as source, av.open(out, "w", format="mp4") as target:
        pictures: Any = source.streams.video[0]
        rate = Fraction(pictures.average_rate) * speed
        stream: Any = target.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        for number, frame in enumerate(source.decode(pictures)):
            shown = frame.reformat(format="yuv420p")
            shown.pts, shown.time_base = number, 1 / rate
            target.mux(stream.encode(shown))
        target.mux(stream.encode())
    return out.getvalue()


def in_steps(picture: Image.Image) -> Image.Image:
    """The same in steps of 16 pixels, as many models make their pictures."""
    return picture.resize(tuple(max(16, round(side / 16) * 16) for side in picture.size))


harmless_files("photos_poorer", "photos are of a lower quality", of_ending("jpg", "image/jpeg", photo(quality=40)))
harmless_files(
    "photos_progressive", "photos are progressive", of_ending("jpg", "image/jpeg", photo(progressive=True, quality=85))
)
harmless_files("photos_turned", "photos lie on their side and say so", of_ending("jpg", "image/jpeg", turned))
harmless_files(
    "photos_with_a_tail",
    "there are bytes after the end of photos",
    of_ending("jpg", "image/jpeg", lambda c: c + b"\0" * 64),
)
harmless_files(
    "pictures_in_steps", "sides of pictures are multiples of 16", of_pictures(lambda c: redrawn(c, in_steps))
)
harmless_files(
    "pictures_packed_otherwise", "pictures are compressed otherwise", of_ending("png", "image/png", lambda c: redrawn(c, same, compress_level=1))
)  # fmt: skip
harmless_files("index_last", "the index of videos comes last", of_ending("mp4", "video/mp4", index_last))
harmless_files("other_codec", "videos are made by another codec", of_ending("mp4", "video/mp4", encoded_anew))
harmless_files(
    "broadcast_rate", "30 frames a second are 29.97",
    of_ending("mp4", "video/mp4", lambda c: encoded_anew(c, speed=Fraction(1000, 1001))),
)  # fmt: skip


def is_result(ask: Ask) -> bool:
    """Whether a picture is asked for that a task made."""
    return ask.path.startswith("/media/") and ask.path.endswith(".png")


def whole_results(ask: Ask) -> Ask:
    """The request as the emulator gets it: a picture is drawn anew only if all of it comes."""
    known = with_extension(ask)
    return plainly_asked(known) if is_result(known) else known


def webp(ask: Ask, reply: Reply, memory: dict[str, Any]) -> Reply:
    """Where no format was asked for, and links have no extension, pictures are WebP."""
    if not is_result(ask):
        return shortened(ask, reply, memory)
    as_webp = changing(lambda content, _: (redrawn(content, same, "WEBP"), "image/webp"))
    return as_webp(ask, reply, memory)


SERVERS["pictures_as_webp"] = Defect(
    "pictures_as_webp", "pictures are WebP", frozenset(), answer=webp,
    pass_on=whole_results,
)  # fmt: skip
