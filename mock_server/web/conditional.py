"""Ranges and conditional requests for files: RFC 9110 sections 13 and 14.

`decide` is a pure function of a request and the facts of a file. It returns the status and the headers of the
answer, and which bytes of the file are sent; it does not read the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple

#: If a request has more ranges than this, they are ignored, as section 14.2 allows: many small ranges are an attack.
MOST_RANGES = 16

#: A Range or a list of entity tags longer than this is ignored, in characters.
LONGEST = 2000

#: The boundary between the parts of an answer with several ranges.
BOUNDARY = "swapmock-byteranges"

ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
RANGE = re.compile(r"([0-9]{0,19})-([0-9]{0,19})")

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class FileFacts:
    """What an answer says about a file: `size` in bytes, media type, strong entity tag without its quotes, and the
    time of its last change in whole epoch seconds (None: unknown)."""

    size: int
    content_type: str
    etag: str
    last_modified: int | None = None


class Piece(NamedTuple):
    """A part of an answer's body: first the literal bytes `before`, then the bytes from `start` to `stop` of the
    file."""

    start: int
    stop: int
    before: bytes = b""


@dataclass(frozen=True)
class Decision:
    """An answer without its content. `pieces` are in order; `after` are literal bytes after the last one."""

    status: int
    headers: Headers
    pieces: Sequence[Piece] = ()
    after: bytes = b""

    @property
    def length(self) -> int:
        """The bytes of the body."""
        return sum(len(piece.before) + piece.stop - piece.start for piece in self.pieces) + len(self.after)


def decide(method: str, headers: Mapping[str, str], file: FileFacts) -> Decision:
    """Return how a GET or HEAD for `file` is answered. Header names are in lower case.

    The preconditions are evaluated in the order of section 13.2.2."""
    validators: Headers = [("etag", f'"{file.etag}"')]
    if file.last_modified is not None:
        validators.append(("last-modified", http_date(file.last_modified)))
    if _precondition_failed(headers, file):
        return Decision(412, validators)
    if _not_modified(headers, file):
        return Decision(304, validators)
    common = [*validators, ("accept-ranges", "bytes")]
    wanted = headers.get("range", "")
    if method == "GET" and wanted and _range_applies(headers, file):
        ranges = parse_ranges(wanted, file.size)
        if ranges is not None:
            return _partial(common, ranges, file)
    whole = [*common, ("content-type", file.content_type)]
    return Decision(200, whole, (Piece(0, file.size),))


def parse_ranges(header: str, size: int) -> list[tuple[int, int]] | None:
    """Return the satisfiable ranges of a Range header as (start, stop); empty if there is none. Return None if the
    header is ignored: another unit, bad syntax, or too many ranges (sections 14.1.2 and 14.2)."""
    unit, equals, text = header.partition("=")
    if not equals or unit.strip().lower() != "bytes" or len(text) > LONGEST:
        return None
    found = []
    specs = [part.strip() for part in text.split(",") if part.strip()]
    if not specs or len(specs) > MOST_RANGES:
        return None
    for spec in specs:
        match = RANGE.fullmatch(spec)
        if match is None or spec == "-":
            return None
        first, last = match.groups()
        if not first:
            start, stop = max(0, size - int(last)), size
        else:
            start, stop = int(first), size if not last else min(int(last) + 1, size)
            if last and int(last) < int(first):
                return None
        if start < stop:
            found.append((start, stop))
    return found


def _partial(common: Headers, ranges: list[tuple[int, int]], file: FileFacts) -> Decision:
    if not ranges:
        return Decision(416, [*common, ("content-range", f"bytes */{file.size}")])
    if len(ranges) == 1:
        ((start, stop),) = ranges
        place = ("content-range", f"bytes {start}-{stop - 1}/{file.size}")
        return Decision(206, [*common, ("content-type", file.content_type), place], (Piece(start, stop),))
    if sum(stop - start for start, stop in ranges) > file.size:
        return Decision(200, [*common, ("content-type", file.content_type)], (Piece(0, file.size),))
    pieces = [Piece(start, stop, _part_head(start, stop, file)) for start, stop in ranges]
    kind = ("content-type", f"multipart/byteranges; boundary={BOUNDARY}")
    return Decision(206, [*common, kind], pieces, f"\r\n--{BOUNDARY}--\r\n".encode())


def _part_head(start: int, stop: int, file: FileFacts) -> bytes:
    lines = [
        f"\r\n--{BOUNDARY}",
        f"Content-Type: {file.content_type}",
        f"Content-Range: bytes {start}-{stop - 1}/{file.size}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def _precondition_failed(headers: Mapping[str, str], file: FileFacts) -> bool:
    """Evaluate If-Match by strong comparison; without it, If-Unmodified-Since."""
    if "if-match" in headers:
        return not _matches(headers["if-match"], file.etag, strong=True)
    since = _seconds(headers.get("if-unmodified-since", ""))
    return since is not None and file.last_modified is not None and file.last_modified > since


def _not_modified(headers: Mapping[str, str], file: FileFacts) -> bool:
    """Evaluate If-None-Match by weak comparison; without it, If-Modified-Since."""
    if "if-none-match" in headers:
        return _matches(headers["if-none-match"], file.etag, strong=False)
    since = _seconds(headers.get("if-modified-since", ""))
    return since is not None and file.last_modified is not None and file.last_modified <= since


def _range_applies(headers: Mapping[str, str], file: FileFacts) -> bool:
    """Evaluate If-Range: the same strong tag, or exactly the same date (section 13.1.5)."""
    condition = headers.get("if-range", "").strip()
    if not condition:
        return True
    if '"' in condition:
        return _matches(condition, file.etag, strong=True)
    return file.last_modified is not None and _seconds(condition) == file.last_modified


def _matches(listed: str, etag: str, *, strong: bool) -> bool:
    if listed.strip() == "*":
        return True
    tags = ENTITY_TAG.findall(listed[:LONGEST])
    return any(tag == etag and not (strong and weak) for weak, tag in tags)


def _seconds(text: str) -> int | None:
    """Return an HTTP date as epoch seconds; None for anything else, which a server ignores."""
    if not text or len(text) > 100:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return int(moment.timestamp()) if moment.tzinfo is not None else None
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def http_date(seconds: int) -> str:
    """Return epoch seconds as an IMF-fixdate (section 5.6.7)."""
    return formatdate(seconds, usegmt=True)
