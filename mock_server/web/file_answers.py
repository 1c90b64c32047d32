"""An answer with a file, or with the requested ranges of it, as one piece in memory."""

from __future__ import annotations

from collections.abc import Mapping

from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.conditional import FileFacts, decide
from swapmock.mock_server.web.file_headers import headers_for
from swapmock.mock_server.web.files import Found, opened
from swapmock.mock_server.web.messages import Answer


def file_answer(found: Found, engine: Engine, method: str, headers: Mapping[str, str]) -> Answer:
    """Return the answer to a request with this `method` and these `headers` for the file `found`. Raises
    StoreProblem for an upload that no longer exists."""
    source, etag, *_ = opened(found, engine)
    decision = decide(method, headers, FileFacts(source.size, found.content_type, etag))
    wanted = () if method == "HEAD" else decision.pieces
    parts = [part for piece in wanted for part in (piece.before, *source.read(piece.start, piece.stop))]
    body = b"".join(parts) + (decision.after if wanted else b"")
    length = [("content-length", str(decision.length))] if decision.pieces else []
    return Answer(decision.status, [*length, *decision.headers, *headers_for(found.content_type)], body)
