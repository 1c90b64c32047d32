"""Finds the kind of a file from its bytes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from posixpath import splitext

#: A picture of one pixel, for uploads.
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg=="
)

#: Kind -> (media types, extensions that a URL of it may have).
KINDS = {
    "png": (("image/png", "image/x-png"), (".png",)),
    "jpeg": (("image/jpeg", "image/jpg", "image/pjpeg"), (".jpg", ".jpeg", ".jfif")),
    "gif": (("image/gif",), (".gif",)),
    "webp": (("image/webp",), (".webp",)),
    "mp4": (("video/mp4", "video/quicktime", "video/x-m4v"), (".mp4", ".m4v", ".mov")),
    "webm": (("video/webm",), (".webm",)),
    "wav": (("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), (".wav",)),
    "mp3": (("audio/mpeg", "audio/mp3"), (".mp3",)),
}
#: The media types of a store that does not know the type of its files.
UNTYPED = ("application/octet-stream", "binary/octet-stream", "")

#: A kind of medium that a flow may name -> the kinds of file that belong to it.
IMAGES, VIDEOS, AUDIO = ("png", "jpeg", "gif", "webp"), ("mp4", "webm"), ("wav", "mp3")
ASKED = {"image": IMAGES, "video": VIDEOS, "audio": AUDIO, "image or video": (*IMAGES, *VIDEOS)}


def kind_of(content: bytes) -> str | None:
    """Return the kind of a file from its first bytes; None if they are not known."""
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if content[:4] == b"RIFF":
        return {b"WEBP": "webp", b"WAVE": "wav"}.get(content[8:12])
    if content[4:8] == b"ftyp":
        return "mp4"
    if content.startswith(b"\x1aE\xdf\xa3"):
        return "webm"
    if content.startswith(b"ID3") or content[:2] in (b"\xff\xfb", b"\xff\xf3", b"\xff\xf2"):
        return "mp3"
    return None


def fits(asked: str, declared: str, kind: str | None, paths: Sequence[str]) -> bool:
    """Return whether the declared type, the bytes and the file extensions in `paths` agree with each other and with
    the kind that was `asked` for. A path without a known extension is ignored, and so is the type of a store of
    plain bytes."""
    if kind is None or kind not in ASKED[asked]:
        return False
    types, extensions = KINDS[kind]
    if declared not in types and declared not in UNTYPED:
        return False
    known = {extension for _, all_of_it in KINDS.values() for extension in all_of_it}
    named = [splitext(path.lower())[1] for path in paths]
    return all(extension in extensions for extension in named if extension in known)
