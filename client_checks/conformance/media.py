"""What kind of file some bytes are, by their own first bytes."""

from __future__ import annotations

import base64
from posixpath import splitext

#: A picture of one pixel, for uploads.
IMAGE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M/wHwAEBgIApD5fRAAAAABJRU5ErkJggg=="
)

#: Kind -> (media type, extensions that a URL of it may have).
KINDS = {
    "png": ("image/png", (".png",)),
    "jpeg": ("image/jpeg", (".jpg", ".jpeg")),
    "gif": ("image/gif", (".gif",)),
    "webp": ("image/webp", (".webp",)),
    "mp4": ("video/mp4", (".mp4", ".m4v", ".mov")),
    "webm": ("video/webm", (".webm",)),
    "wav": ("audio/wav", (".wav",)),
    "mp3": ("audio/mpeg", (".mp3",)),
}

#: What a flow may ask for -> the beginnings of the media types that do.
ASKED = {"image": ("image/",), "video": ("video/",), "audio": ("audio/",), "image or video": ("image/", "video/")}


def kind_of(content: bytes) -> str | None:
    """The kind of a file; None if its first bytes are of none that is known."""
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
    if content.startswith(b"ID3") or content[:2] in (b"\xff\xfb", b"\xff\xf3"):
        return "mp3"
    return None


def fits(asked: str, declared: str, kind: str | None, path: str) -> bool:
    """Whether declared type, bytes and extension agree with one another and with what was asked for."""
    if kind is None or not declared.startswith(ASKED[asked]):
        return False
    media_type, extensions = KINDS[kind]
    same = declared == media_type or declared.split("/")[0] == media_type.split("/")[0] == "audio"
    return same and splitext(path.lower())[1] in extensions
