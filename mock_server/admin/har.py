"""Exchanges as HAR 1.2. The library harfile, which Schemathesis also uses, writes the format."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from io import StringIO
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, urlsplit

from swapmock import __version__
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.jsontext import JsonText

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def har(exchanges: Iterable[Exchange], engine: Engine, comment: str, mask: Mask) -> JsonText:
    """The HAR document. Times are sandbox times. The status is 0 where the connection was cut on purpose."""
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
        bodySize=len(exchange.body),
    )


def _response(exchange: Exchange, mask: Mask) -> Any:
    from harfile import Content, Record, Response

    kinds = [value for name, value in exchange.answer_headers if name.lower() == "content-type"]
    body = mask.text(exchange.answer.decode("utf-8", "replace"))
    return Response(
        status=exchange.status,
        statusText=_phrase(exchange.status),
        httpVersion="HTTP/1.1",
        headers=[Record(name, value) for name, value in mask.headers(exchange.answer_headers)],
        content=Content(size=len(exchange.answer), mimeType=(kinds or ["x-unknown"])[0], text=body),
        redirectURL="",
        bodySize=len(exchange.answer),
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "" if status == 0 else "Unknown"
