"""The answer with a file, or with the ranges of it that a request asks for."""

from __future__ import annotations

from collections.abc import Mapping

from swapmock.mock_server.web.conditional import FileFacts, decide
from swapmock.mock_server.web.file_headers import headers_for
from swapmock.mock_server.web.files import Media
from swapmock.mock_server.web.messages import Answer


def file_answer(found: Media, method: str, headers: Mapping[str, str]) -> Answer:
    """The answer to a request with this `method` and these `headers` for the file `found`."""
    decision = decide(method, headers, FileFacts(found.size, found.content_type, found.etag))
    wanted = () if method == "HEAD" else decision.pieces
    parts = [part for piece in wanted for part in (piece.before, *found.read(piece.start, piece.stop))]
    body = b"".join(parts) + (decision.after if wanted else b"")
    length = [("content-length", str(decision.length))] if decision.pieces else []
    return Answer(decision.status, [*length, *decision.headers, *headers_for(found.content_type)], body)
