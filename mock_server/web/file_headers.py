"""The headers of files: no browser runs what is in them, and every page may show or read them."""

from __future__ import annotations

#: Types that a browser shows without running anything in them.
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

#: A video that is opened directly is played by a page that Chromium makes around it. It refuses to play the file under
#: `sandbox`, and under a `default-src 'none'` without `media-src`.
PASSIVE = (
    *READABLE,
    ("content-security-policy", "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"),
)

#: Everything else could be active (svg, html, xml, pdf, unknown types): it is saved, and does not run if it is opened.
ACTIVE = (
    *READABLE,
    ("content-security-policy", "default-src 'none'; sandbox"),
    ("content-disposition", "attachment"),
)


def headers_for(content_type: str) -> tuple[tuple[str, str], ...]:
    """The headers for a file of `content_type`, beside the content type."""
    essence = content_type.partition(";")[0].strip().lower()
    return PASSIVE if essence in PASSIVE_TYPES else ACTIVE
