"""Media types by file extension. A fixed table: the `mimetypes` of the standard library depends on the machine."""

from types import MappingProxyType
from typing import Final

CONTENT_TYPES: Final = MappingProxyType(
    {
        "aac": "audio/aac",
        "avi": "video/x-msvideo",
        "avif": "image/avif",
        "bmp": "image/bmp",
        "flac": "audio/flac",
        "gif": "image/gif",
        "heic": "image/heic",
        "jpeg": "image/jpeg",
        "jpg": "image/jpeg",
        "m4a": "audio/mp4",
        "m4v": "video/mp4",
        "mkv": "video/x-matroska",
        "mov": "video/quicktime",
        "mp3": "audio/mpeg",
        "mp4": "video/mp4",
        "ogg": "audio/ogg",
        "opus": "audio/ogg",
        "png": "image/png",
        "tif": "image/tiff",
        "tiff": "image/tiff",
        "wav": "audio/wav",
        "webm": "video/webm",
        "webp": "image/webp",
    }
)


def content_type(ext: str) -> str | None:
    """Return the media type of an extension, such as ``image/png`` for ``.png``; None for an unknown one.

    The dot may be left out, and case does not matter."""
    return CONTENT_TYPES.get(ext.removeprefix(".").lower())
