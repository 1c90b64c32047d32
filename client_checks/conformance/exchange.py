"""One request and its answer, with every secret already masked."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from swapmock.client_checks.conformance.strict_json import parsed

#: Headers that curl lines leave out, because they do not matter for the call.
PLUMBING = ("host", "content-length", "connection", "accept-encoding", "accept", "user-agent", "transfer-encoding")

#: The value of a header that is a masked secret, alone or after a scheme: `$CRUN_API_KEY`, `Bearer $TOKEN`.
SECRET = re.compile(r"(?:[\w.+-]+ +)?\$[A-Za-z_]\w*")


@dataclass(frozen=True)
class Exchange:
    """A call as it was sent, with its answer. `status` is None if no answer came; `error` then says why.

    `origin` is the part of the run that sent the call (`flow image`, `fuzzing`). Times are in seconds.
    `broken_bound` says which limit of time or size the answer broke. `shown_secret` is the name of the variable
    whose value the answer contains."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: bytes
    status: int | None
    answer_headers: list[tuple[str, str]]
    answer: bytes
    operation: str
    origin: str
    at: float
    elapsed: float
    error: str = ""
    number: int = 0
    broken_bound: str = ""
    shown_secret: str = ""

    @cached_property
    def json(self) -> Any:
        """Return the answer's body as parsed JSON; None if it is not JSON."""
        return parsed(self.answer)

    def header(self, name: str) -> str | None:
        """Return the answer's header `name`, in any case of letters; several values are joined by commas, as in RFC
        9110."""
        values = [value for key, value in self.answer_headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def has_our_credentials(self) -> bool:
        """Whether a header carries a secret of the run. Here a secret is replaced by the name of its variable."""
        return any(SECRET.fullmatch(value) for _, value in self.headers)

    @property
    def path(self) -> str:
        """The path of the URL, as it was sent."""
        return urlsplit(self.url).path

    def shown_answer(self, limit: int = 300) -> str:
        """Return the status and the first `limit` characters of the body, for messages."""
        if self.status is None:
            return self.error or "no answer"
        text = self.answer.decode("utf-8", "replace")
        return f"HTTP {self.status} {text[:limit]}{'...' if len(text) > limit else ''}".rstrip()

    def curl(self) -> str:
        """Return a shell command that repeats the request; secrets are shell variables."""
        parts = ["curl", "-sS", "-X", self.method]
        for name, value in self.headers:
            if name.lower() not in PLUMBING:
                parts += ["-H", _quoted(f"{name}: {value}")]
        if self.body:
            parts += ["--data-binary", _quoted(_text(self.body))]
        return " ".join([*parts, _quoted(self.url)])


def _text(body: bytes, limit: int = 8000) -> str:
    text = body.decode("utf-8", "backslashreplace")
    return text if len(text) <= limit else text[:limit] + "..."


def _quoted(text: str) -> str:
    """Return text quoted for a POSIX shell. Text with a `$NAME` of a secret is in double quotes, so that the shell
    replaces it."""
    if "$" in text and not set(text) & set('"`\\!'):
        return f'"{text}"'
    return shlex.quote(text)
