"""Shortens long request bodies, which contain media as data URIs: for example a phone's photo, 31 MB at most.

Validation takes time in proportion to the length of the body. So before a sandbox is opened, a long body is
replaced by a short one with the same structure. The task keeps the whole body. `shorten` can block for too long
for the event loop."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.adapters import jsontext

if TYPE_CHECKING:
    from swapmock.contracts import Operation
    from swapmock.mock_server.web.messages import Request

#: The number of characters of a data URI that are kept. It is above every limit for a URL.
LONGEST_DATA_URI = 4096


def is_long(request: Request, operation: Operation | None, json_limit: int) -> bool:
    """Return whether the body of `request` must be shortened. `json_limit` is the limit of a body without data URIs, in bytes."""
    is_larger = len(request.body) > json_limit and request.whole is None
    return is_larger and operation is not None and operation.takes_data_uris


def shorten(request: Request, json_limit: int) -> None:
    """Cut the data URIs in the body of `request`, and store the whole body in `request.whole`. A body that is not
    JSON, or is long without data URIs, is not changed: it is refused later."""
    if len(request.body) - length_of_data_uris(request.body) > json_limit:
        return
    try:
        short = jsontext.dumps(with_short_data_uris(jsontext.loads(request.body)))
    except (ValueError, TypeError):  # not JSON, or a number that only this parser accepts
        return
    request.body, request.whole = short, request.body


def with_short_data_uris(body: Any) -> Any:
    """Return a parsed body with its long data URIs cut. Each cut one ends with a digest of the whole URI."""
    if isinstance(body, str):
        if len(body) <= LONGEST_DATA_URI or not body.startswith("data:"):
            return body
        return body[:LONGEST_DATA_URI] + blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    if isinstance(body, dict):
        return {name: with_short_data_uris(item) for name, item in body.items()}
    return [with_short_data_uris(item) for item in body] if isinstance(body, list) else body


def length_of_data_uris(body: bytes) -> int:
    """Return the number of bytes in the JSON text `body` that are in strings with the prefix `data:`."""
    found, start = 0, body.find(b'"data:')
    while start >= 0:
        end = body.find(b'"', start + 1)
        end = len(body) if end < 0 else end
        found += end - start
        start = body.find(b'"data:', end + 1)
    return found
