"""Bodies on their way to the live server: read piece by piece, within bounds for each and for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

#: ASGI's way to the next message of a request.
Receive = Callable[[], Awaitable[Any]]

#: The most that is read beyond a limit, in bytes.
DRAINED = 1 << 24


class GoneError(Exception):
    """The client has gone."""


async def next_message(receive: Receive) -> Any:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise GoneError
    return message


class ByteBudget:
    """Bytes for bodies that are still on their way; any number of clients may send, but not everything at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self.is_full = f"with it more than {most} bytes are on their way; --max-bodies-bytes allows more"

    def acquire(self, size: int) -> bool:
        if self._held + size > self._most:
            return False
        self._held += size
        return True

    def release(self, size: int) -> None:
        self._held -= size


class Read(NamedTuple):
    """A body; why it is not kept, if it is not; whether its end was read."""

    body: bytes = b""
    cut: str = ""
    is_whole: bool = True


async def read_body(
    receive: Receive, headers: Mapping[str, str], limit: int, too_long: str, budget: ByteBudget
) -> Read:
    """The body. One that is not kept is read while that is bearable, for a client that is still sending would not see the
    answer."""
    declared, cut = headers.get("content-length", ""), ""
    if declared.isdigit() and int(declared) > limit:
        cut = too_long
        # Who asks whether to go on sends nothing before the answer.
        if int(declared) > limit + DRAINED or headers.get("expect", "").lower() == "100-continue":
            return Read(cut=cut, is_whole=False)
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
                cut = too_long
            elif not cut and budget.acquire(len(chunk)):
                held += len(chunk)
                chunks.append(chunk)
            else:
                cut = cut or budget.is_full
            if cut:
                budget.release(held)
                held = 0
                chunks.clear()
            if size > limit + DRAINED:
                return Read(cut=cut, is_whole=False)
            if not message["more_body"]:
                return Read(b"".join(chunks), cut)
    finally:
        budget.release(held)
