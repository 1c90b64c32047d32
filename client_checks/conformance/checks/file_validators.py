"""A file has the same validators in every answer (RFC 9110 sections 8.8 and 13), and HEAD has the headers of GET."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence

RFC = Evidence("documented", "RFC 9110 sections 8.8, 9.3.2 and 13")

ENTITY_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')

#: Headers that must be the same for HEAD as for GET, if GET sends them.
SAME = ("ETag", "Last-Modified", "Content-Type", "Content-Length")


@check("file.validator", "validators of a file that contradict each other")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each validator or header that differs."""
    exchange, files = context.exchange, context.history.memory["file.validator"]
    if not context.operation.is_download or exchange.status not in (200, 206, 304):
        return
    first: Exchange | None = files.get(exchange.url)
    if first is None:
        if exchange.method == "GET" and exchange.status == 200:
            files[exchange.url] = exchange
            yield EXAMINED
            yield from _date(exchange)
            tag = exchange.header("ETag")
            if tag is not None and not ENTITY_TAG.fullmatch(tag):
                yield Deviation("an entity tag in quotes", tag[:80], RFC, place="etag form")
        return
    yield EXAMINED
    names = SAME if exchange.method == "HEAD" else SAME[:2]
    for name in names:
        told, now = first.header(name), exchange.header(name)
        if told is not None and now != told and not (exchange.status == 304 and now is None):
            yield Deviation(f"{name}: {told}, as at first", now or "none", RFC, place=name.lower())
    condition = next((value for name, value in exchange.headers if name.lower() == "if-none-match"), None)
    if condition is not None and condition == first.header("ETag") and exchange.status == 200:
        yield Deviation("304: the file has this entity tag", "HTTP 200", RFC, place="condition")
    if exchange.status == 304 and exchange.answer:
        yield Deviation("no content with 304", f"{len(exchange.answer)} bytes", RFC, place="body")


def _date(exchange: Exchange) -> Iterator[Deviation]:
    """Yield a deviation if Last-Modified is later than the answer's own Date."""
    modified, date = exchange.header("Last-Modified"), exchange.header("Date")
    if modified is None or date is None:
        return
    moments = [_moment(modified), _moment(date)]
    for name, text, moment in zip(("Last-Modified", "Date"), (modified, date), moments, strict=True):
        if moment is None:
            yield Deviation(f"{name} is one HTTP date", text[:60], RFC, place=name.lower())
    if moments[0] is not None and moments[1] is not None and moments[0] > moments[1]:
        yield Deviation(f"Last-Modified not after Date ({date})", modified, RFC, place="last-modified")


def _moment(text: str) -> float | None:
    """Return an HTTP date in seconds since 1970; None for anything else, such as two dates."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
