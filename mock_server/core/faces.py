"""Which faces a picture shows. The emulator never loads the picture: all faces follow from the text of its URL."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple
from urllib.parse import urlsplit

from swapmock.mock_server.core.seeded import integer

#: Faces in a picture whose URL is not a magic value.
MOST_FACES = 4

#: The count is cached for URLs up to this length, in characters.
LONGEST_KEPT = 512


class FaceRef(NamedTuple):
    """Face `number` of the media at `source`; the same pair is always drawn in the same way."""

    source: str
    number: int


def count_in(url: str) -> int:
    """Return the number of faces in the picture at `url`: 1 to 4, from the URL alone."""
    return _known_count(url) if len(url) <= LONGEST_KEPT else _count(url)


@lru_cache(4096)
def _known_count(url: str) -> int:
    """Return the number of faces. It is cached, because the same URLs are used again and again."""
    return _count(url)


def _count(url: str) -> int:
    return integer(1, MOST_FACES, "faces", url)


def path_of(url: str) -> str:
    """Return the path of a URL; "" for a text that is not a URL, such as `http://[`."""
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def extension(url: str) -> str:
    """Return the file extension of a URL's path in lower case, with its dot; "" without one."""
    last = path_of(url).rsplit("/", 1)[-1]
    return "." + last.rsplit(".", 1)[-1].lower() if "." in last else ""
