"""Bodies that are long because media stand in them as data URIs: a phone's photo, 31 MB at most.

What a call is held to and looked at for takes time by the length of its body. So a long body is replaced by a short one with the
same structure before a sandbox is opened; the task keeps the whole. `shorten` takes longer than the event loop can wait.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.adapters import jsontext

if TYPE_CHECKING:
    from swapmock.contracts import Operation
    from swapmock.mock_server.web.messages import Request

#: A data URI of a long body is kept up to this many characters, which is beyond every limit of a URL.
LONGEST_DATA_URI = 4096


def is_long(request: Request, operation: Operation | None, json_limit: int) -> bool:
    """Return whether the body of `request` must be shortened. `json_limit` is the limit of a body without data URIs, in bytes."""
    is_larger = len(request.body) > json_limit and request.whole is None
    return is_larger and operation is not None and operation.takes_data_uris


def shorten(request: Request, json_limit: int) -> None:
    """Cut the data URIs in the body of `request`, and keep the whole body in `request.whole`. A body that is long for another
    reason, or is not JSON, is not changed: it is refused later."""
    if len(request.body) - length_of_data_uris(request.body) > json_limit:
        return
    try:
        short = jsontext.dumps(with_short_data_uris(jsontext.loads(request.body)))
    except (ValueError, TypeError):  # no JSON, or a number that only a parser takes
        return
    request.body, request.whole = short, request.body


def with_short_data_uris(body: Any) -> Any:
    """Return a parsed body whose long data URIs are cut, with a digest of the whole URI at their end."""
    if isinstance(body, str):
        if len(body) <= LONGEST_DATA_URI or not body.startswith("data:"):
            return body
        return body[:LONGEST_DATA_URI] + blake2b(body.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    if isinstance(body, dict):
        return {name: with_short_data_uris(item) for name, item in body.items()}
    return [with_short_data_uris(item) for item in body] if isinstance(body, list) else body


def length_of_data_uris(body: bytes) -> int:
    """Return how many bytes of a JSON text are in strings that begin with `data:`."""
    found, start = 0, body.find(b'"data:')
    while start >= 0:
        end = body.find(b'"', start + 1)
        end = len(body) if end < 0 else end
        found += end - start
        start = body.find(b'"data:', end + 1)
    return found
