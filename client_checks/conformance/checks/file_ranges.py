"""A range request returns exactly that part of the file (RFC 9110 section 14), or the whole file if ranges are not
supported."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence

RFC = Evidence("documented", "RFC 9110 section 14")
ASKED = re.compile(r"bytes=(\d*)-(\d*)")
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


@check("file.range", "an answer to a range request with other bytes")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation if the part, or its Content-Range, differs from the range that was asked for."""
    exchange, files = context.exchange, context.history.memory["file.range"]
    if not context.operation.is_download or exchange.method != "GET":
        return
    asked = ASKED.fullmatch(next((value for name, value in exchange.headers if name.lower() == "range"), ""))
    if asked is None:
        if exchange.status == 200:
            files[exchange.url] = (exchange.answer, (exchange.header("Accept-Ranges") or "").lower())
        return
    if exchange.url not in files or exchange.status not in (200, 206, 416):
        return
    yield EXAMINED
    whole, offers = files[exchange.url]
    start, stop = _part(asked, len(whole))
    if exchange.status == 200:
        if offers == "bytes" and start < stop:
            yield Deviation("206: the file says Accept-Ranges: bytes", "HTTP 200", RFC, place="status")
        elif exchange.answer != whole:
            yield Deviation("the whole file", f"{len(exchange.answer)} other bytes", RFC, place="body")
        return
    told = exchange.header("Content-Range") or ""
    if (start < stop) != (exchange.status == 206):
        expected = f"HTTP {206 if start < stop else 416} for {asked[0]} of {len(whole)} bytes"
        yield Deviation(expected, f"HTTP {exchange.status}", RFC, place="status")
    elif exchange.status == 416:
        if told not in ("", f"bytes */{len(whole)}"):
            yield Deviation(f"Content-Range: bytes */{len(whole)}", told, RFC, place="content-range")
    else:
        yield from _of_part(exchange.answer, told, whole, start, stop)


def _part(asked: re.Match[str], size: int) -> tuple[int, int]:
    """Return the first byte of the range `asked` and the byte after its last, for a file of `size` bytes. An empty
    range is beyond the end."""
    if not asked[1]:
        return max(0, size - int(asked[2] or 0)), size
    return int(asked[1]), min(int(asked[2] or size) + 1, size)


def _of_part(content: bytes, told: str, whole: bytes, start: int, stop: int) -> Iterator[Deviation]:
    found = CONTENT_RANGE.fullmatch(told)
    expected = f"Content-Range: bytes {start}-{stop - 1}/{len(whole)}"
    if found is None or (int(found[1]), int(found[2]) + 1) != (start, stop) or found[3] not in ("*", str(len(whole))):
        yield Deviation(expected, told or "none", RFC, place="content-range")
    if content != whole[start:stop]:
        yield Deviation(f"bytes {start} to {stop - 1} of the file", f"{len(content)} other bytes", RFC, place="body")
