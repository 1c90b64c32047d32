"""The headers of files: browsers do not run their content, and every page may show or read them."""

from __future__ import annotations

#: Types that a browser shows without running code in them.
PASSIVE_TYPES = frozenset(
    {
        *(f"image/{name}" for name in ("png", "jpeg", "gif", "webp", "avif", "bmp", "tiff", "heic", "heif")),
        *(f"video/{name}" for name in ("mp4", "webm", "ogg", "quicktime", "x-msvideo", "x-matroska", "mpeg")),
        *(f"audio/{name}" for name in ("mpeg", "mp4", "wav", "x-wav", "wave", "ogg", "webm", "aac", "flac", "x-m4a")),
    }
)

#: Every page may embed the file, and every script may read it.
READABLE = (
    ("x-content-type-options", "nosniff"),
    ("access-control-allow-origin", "*"),
    ("access-control-expose-headers", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
)

#: For a video that is opened directly, Chromium makes a page that plays it. This page does not play the file under
#: `sandbox`, or under a `default-src 'none'` without `media-src`.
PASSIVE = (
    *READABLE,
    ("content-security-policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"),
)

#: Every other type could contain code (svg, html, xml, pdf, unknown types): it is downloaded, and its code does not run
#: if it is opened.
ACTIVE = (
    *READABLE,
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("content-disposition", "attachment"),
)


def headers_for(content_type: str) -> tuple[tuple[str, str], ...]:
    """Return the headers for a file of `content_type`, in addition to the content type."""
    essence = content_type.partition(";")[0].strip().lower()
    return PASSIVE if essence in PASSIVE_TYPES else ACTIVE
