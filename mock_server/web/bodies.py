"""Reads request bodies of the live server piece by piece, with a limit for each and for all together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from swapmock.mock_server.core.numerals import read_count

#: ASGI's `receive`: awaits the next message of a request.
Receive = Callable[[], Awaitable[Any]]

#: How many bytes beyond a limit are read and dropped.
DRAINED = 1 << 24


class GoneError(Exception):
    """The client has disconnected."""


async def next_message(receive: Receive) -> Any:
    """Return the next message of a request. Raises GoneError if the client has disconnected."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    return message


class ByteBudget:
    """The bytes that all request bodies in progress may take together. `most` is the limit."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self.is_full = f"with it more than {most} bytes are on their way; --max-bodies-bytes allows more"

    def acquire(self, size: int) -> bool:
        """Take `size` bytes; return False if too few are left."""
        if self._held + size > self._most:
            return False
        self._held += size
        return True

    def release(self, size: int) -> None:
        """Return `size` bytes to the budget."""
        self._held -= size


class Read(NamedTuple):
    """What was read: the `body`, why it was dropped ("" if it was not), and whether its end was read."""

    body: bytes = b""
    body_error: str = ""
    is_whole: bool = True


async def read_body(
    receive: Receive, headers: Mapping[str, str], limit: int, too_long: str, budget: ByteBudget
) -> Read:
    """Read the body of a request, up to `limit` bytes; `too_long` is the error text for a longer one.

    A body that is dropped is still read, up to DRAINED bytes more: a client that is still sending would not see
    the answer."""
    declared, body_error = headers.get("content-length", ""), ""
    length = read_count(declared, limit + DRAINED + 1)
    if length is not None and length > limit:
        body_error = too_long
        # A client that expects 100-continue sends nothing before the answer.
        if length > limit + DRAINED or headers.get("expect", "").lower() == "100-continue":
            return Read(body_error=body_error, is_whole=False)
    elif not declared and "transfer-encoding" not in headers:
        return Read()
    chunks: list[bytes] = []
    size = held = 0
    try:
        while True:
            message = await next_message(receive)
            chunk = message["body"]
            size += len(chunk)
            if size > limit:
                body_error = too_long
            elif not body_error and budget.acquire(len(chunk)):
                held += len(chunk)
                chunks.append(chunk)
            else:
                body_error = body_error or budget.is_full
            if body_error:
                budget.release(held)
                held = 0
                chunks.clear()
            if size > limit + DRAINED:
                return Read(body_error=body_error, is_whole=False)
            if not message["more_body"]:
                return Read(b"".join(chunks), body_error)
    finally:
        budget.release(held)
