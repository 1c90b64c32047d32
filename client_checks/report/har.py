"""The traffic of a run as an HTTP Archive (HAR), without its secrets."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from io import StringIO
from urllib.parse import parse_qsl, urlsplit

import harfile

from swapmock import __version__
from swapmock.client_checks.conformance.exchange import Exchange

#: Bodies with more bytes than this are cut; the entry's comment says so.
LIMIT = 1 << 20


def har(exchanges: Iterable[Exchange]) -> str:
    """Return the archive as text. Its entries have the numbers of the exchanges, which findings name."""
    file = StringIO()
    creator = harfile.Creator(name="swapmock", version=__version__)
    with harfile.HarFile.open(file, creator=creator) as archive:
        for exchange in exchanges:
            archive.add_entry(
                startedDateTime=datetime.fromtimestamp(exchange.at, UTC),
                time=round(exchange.elapsed * 1000, 3),
                request=_request(exchange),
                response=_response(exchange),
                timings=harfile.Timings(send=0, wait=round(exchange.elapsed * 1000, 3), receive=0),
                comment=f"{exchange.number} {exchange.origin} {exchange.operation}".strip(),
            )
    return file.getvalue()


def _request(exchange: Exchange) -> harfile.Request:
    post = None
    if exchange.body:
        kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
        post = harfile.PostData(mimeType=kind, text=exchange.body.decode("utf-8", "replace"))
    return harfile.Request(
        method=exchange.method,
        url=exchange.url,
        httpVersion="HTTP/1.1",
        headers=[harfile.Record(name=name, value=value) for name, value in exchange.headers],
        queryString=[
            harfile.Record(name=name, value=value)
            for name, value in parse_qsl(urlsplit(exchange.url).query, keep_blank_values=True)
        ],
        postData=post,
        bodySize=len(exchange.body),
    )


def _response(exchange: Exchange) -> harfile.Response:
    kind = exchange.header("Content-Type") or ""
    content, encoding = exchange.answer[:LIMIT], None
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text, encoding = base64.b64encode(content).decode(), "base64"
    cut = f"cut to {LIMIT} bytes" if len(exchange.answer) > LIMIT else None
    return harfile.Response(
        status=exchange.status or 0,
        statusText="",
        httpVersion="HTTP/1.1",
        headers=[harfile.Record(name=name, value=value) for name, value in exchange.answer_headers],
        content=harfile.Content(size=len(exchange.answer), mimeType=kind, text=text, encoding=encoding, comment=cut),
        redirectURL=exchange.header("Location") or "",
        bodySize=len(exchange.answer),
        comment=exchange.error or None,
    )
