"""A range request returns exactly that part of the file (RFC 9110 section 14), or the whole file if ranges are not
supported."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence

RFC = Evidence("documented", "RFC 9110 section 14")
ASKED = re.compile(r"bytes=(\d+)-(\d+)")
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
    if exchange.url not in files or exchange.status not in (200, 206):
        return
    yield EXAMINED
    whole, offers = files[exchange.url]
    start, stop = int(asked[1]), min(int(asked[2]) + 1, len(whole))
    if exchange.status == 200:
        if offers == "bytes":
            yield Deviation("206: the file says Accept-Ranges: bytes", "HTTP 200", RFC, place="status")
        elif exchange.answer != whole:
            yield Deviation("the whole file", f"{len(exchange.answer)} other bytes", RFC, place="body")
        return
    told = CONTENT_RANGE.fullmatch(exchange.header("Content-Range") or "")
    expected = f"Content-Range: bytes {start}-{stop - 1}/{len(whole)}"
    if told is None or (int(told[1]), int(told[2]) + 1) != (start, stop) or told[3] not in ("*", str(len(whole))):
        yield Deviation(expected, exchange.header("Content-Range") or "none", RFC, place="content-range")
    if exchange.answer != whole[start:stop]:
        yield Deviation(
            f"bytes {start} to {stop - 1} of the file", f"{len(exchange.answer)} other bytes", RFC, place="body"
        )
