"""Writes error responses of the file stores: XML as S3 and R2 write it, JSON, or an HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from http import HTTPStatus
from typing import Any, NamedTuple
from xml.sax.saxutils import escape as xml_escape

from swapmock.contracts.store import StoreRefusal, refusal_by_code, store_refusals
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.seeded import hexadecimal
from swapmock.mock_server.web.messages import Answer

#: The variants that decide about error responses of a store, each with the default for a provider without this variant:
#: the form of the body, the vendor whose wording is used, and the status for an expired link to a result.
FORM, STORE, EXPIRED = ("media_errors", "xml"), ("upload_store", "s3"), ("expired_media", 404)


class Asked(NamedTuple):
    """What an error response needs from its request: the variants and the seed of its sandbox, and the id of the
    exchange."""

    variants: Mapping[str, Any]
    seed: int
    exchange: str


def refusal_answer(problem: Problem, asked: Asked) -> Answer:
    """Return the answer that refuses a request to a store because of `problem`."""
    row = _row(problem, asked.variants)
    details = {str(name): str(value) for name, value in problem.details.items()}
    request = hexadecimal(16, asked.seed, "store request", asked.exchange).upper()
    content_type, body = FORMS[chosen(FORM, asked.variants)](row, details, request)
    headers = [("content-type", content_type), *problem.headers, ("x-amz-request-id", request)]
    return Answer(row.http, headers, body)


def _row(problem: Problem, variants: Mapping[str, Any]) -> StoreRefusal:
    rows = store_refusals()
    known = rows.get(problem.name)
    row = (known or rows["server_error"]).of(str(chosen(STORE, variants)))
    if problem.name == "link_expired" and problem.details.get("file") and chosen(EXPIRED, variants) in (404, 410):
        row = rows["no_such_key" if chosen(EXPIRED, variants) == 404 else "gone"]
    if problem.code is not None and refusal_by_code(str(problem.code)) is None:
        row = row._replace(code=str(problem.code))
    words = row.message.format_map(_Words(problem.details)) if "{" in row.message else row.message
    return row._replace(http=problem.http or row.http, message=problem.message or words)


class _Words(dict[str, Any]):
    """Words of a message by name; a name without a word gives an empty text."""

    def __missing__(self, name: str) -> str:
        return ""


def chosen(variant: tuple[str, Any], variants: Mapping[str, Any]) -> Any:
    """Return the choice of a variant. `variant` is its name and its default for a provider that does not have it."""
    name, usual = variant
    return variants.get(name, usual)


def _xml(row: StoreRefusal, details: Mapping[str, str], request: str) -> tuple[str, bytes]:
    elements = {
        "Code": row.code,
        "Message": row.message,
        **details,
        "RequestId": request,
        "HostId": request.lower() * 2,
    }
    inner = "".join(f"<{name}>{xml_escape(value)}</{name}>" for name, value in elements.items() if name[:1].isupper())
    return "application/xml", f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode(
        "utf-8", "replace"
    )


def _json(row: StoreRefusal, _details: Mapping[str, str], request: str) -> tuple[str, bytes]:
    return "application/json", jsontext.dumps(
        {"error": {"code": row.code, "message": row.message, "request_id": request}}
    )


def _html(row: StoreRefusal, _details: Mapping[str, str], _request: str) -> tuple[str, bytes]:
    try:
        title = f"{row.http} {HTTPStatus(row.http).phrase}"
    except ValueError:
        title = str(row.http)
    page = (
        f"<html>\n<head><title>{title}</title></head>\n<body>\n<center><h1>{title}</h1></center>\n"
        f"<hr><center>{escape(row.message)}</center>\n</body>\n</html>\n"
    )
    return "text/html", page.encode("utf-8", "replace")


FORMS = {"xml": _xml, "json": _json, "html": _html}
