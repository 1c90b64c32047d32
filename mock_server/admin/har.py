"""Writes exchanges as HAR 1.2, with the library harfile, which Schemathesis also uses."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from swapmock import __version__
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.core.journal import Exchange, Transfer
from swapmock.mock_server.core.jsontext import JsonText

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def har(exchanges: Iterable[Exchange], engine: Engine, comment: str, mask: Mask) -> JsonText:
    """Return `exchanges` as a HAR document with this `comment`. Times are sandbox times. The status is 0 if the
    connection was cut on purpose. `mask` hides secrets."""
    import harfile

    def file_of(some: Iterable[Exchange]) -> Any:
        text = StringIO()
        with harfile.HarFile(text, creator=harfile.Creator("swapmock", __version__), comment=comment) as file:
            for exchange in some:
                waited = exchange.delay * 1000
                file.add_entry(
                    startedDateTime=datetime.fromtimestamp(exchange.at, UTC),
                    time=waited,
                    request=_request(exchange, mask),
                    response=_response(exchange, mask),
                    timings=harfile.Timings(send=0, wait=waited, receive=0),
                    comment=_remark(exchange),
                )
        return engine.json.loads(text.getvalue().encode())

    document = file_of(())
    document["log"]["entries"] = (file_of([exchange])["log"]["entries"][0] for exchange in exchanges)
    return engine.json.write_large(document, 3, lambda value: value)


def _remark(exchange: Exchange) -> str:
    facts = {"operation": exchange.operation or "none", "task": exchange.task, "fault": exchange.fault}
    return ", ".join([exchange.id, *(f"{name} {value}" for name, value in facts.items() if value)])


def _size(exchange: Exchange, body: bytes, *, is_upload: bool) -> int:
    """Return the length of a body; the journal may have only its beginning."""
    transfer = exchange.transfer
    return len(body) if transfer is None or is_upload != (exchange.method == "PUT") else transfer.sent


def _content_size(exchange: Exchange) -> int:
    """Return the length of the content that the answer declares: of a range, not of its file. It is more than was sent if the
    body broke off."""
    if exchange.transfer is None or exchange.method == "PUT":
        return len(exchange.answer)
    declared = [value for name, value in exchange.answer_headers if name.lower() == "content-length"]
    return int(declared[0]) if declared and exchange.method != "HEAD" else 0


def _text(body: bytes) -> tuple[str, str | None]:
    """Return a body as text, with its encoding if it is not text (HAR 1.2, content)."""
    try:
        return body.decode("utf-8"), None
    except UnicodeDecodeError as error:
        if error.start >= len(body) - 3 and len(body) > 3:  # a long text was cut inside a character
            return body.decode("utf-8", "replace"), None
        return base64.b64encode(body).decode("ascii"), "base64"


def _request(exchange: Exchange, mask: Mask) -> Any:
    from harfile import PostData, Record, Request

    target = mask.text(exchange.target)
    path, _, query = target.partition("?")
    url = exchange.base_url + quote(path, safe="/:@!$&'()*+,;=~-._%") + (f"?{query}" if query else "")
    kind = exchange.headers.get("content-type", "application/octet-stream")
    body = exchange.body.decode("utf-8", "replace")
    return Request(
        method=exchange.method,
        url=url,
        httpVersion="HTTP/1.1",
        headers=[Record(name, value) for name, value in mask.headers(exchange.headers)],
        queryString=[Record(name, value) for name, value in parse_qsl(urlsplit(target).query, keep_blank_values=True)],
        postData=PostData(mask.text(kind), text=mask.text(body)) if body else None,
        bodySize=_size(exchange, exchange.body, is_upload=True),
    )


def _response(exchange: Exchange, mask: Mask) -> Any:
    from harfile import Content, Record, Response

    kinds = [value for name, value in exchange.answer_headers if name.lower() == "content-type"]
    text, encoding = _text(exchange.answer)
    transfer = exchange.transfer
    return Response(
        status=exchange.status,
        statusText=_phrase(exchange.status),
        httpVersion="HTTP/1.1",
        headers=[Record(name, value) for name, value in mask.headers(exchange.answer_headers)],
        content=Content(
            size=_content_size(exchange),
            mimeType=(kinds or ["x-unknown"])[0],
            text=text if encoding else mask.text(text),
            encoding=encoding,
            comment=None if transfer is None else _transferred(transfer),
        ),
        redirectURL="",
        bodySize=_size(exchange, exchange.answer, is_upload=False),
    )


def _transferred(transfer: Transfer) -> str:
    facts = {"length": transfer.length, "sent": transfer.sent, "sha-256": transfer.digest, "range": transfer.range}
    return ", ".join(f"{name} {value}" for name, value in facts.items() if value != "")


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "" if status == 0 else "Unknown"
