"""One request and its answer, with every secret already masked."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from swapmock.client_checks.conformance.strict_json import parsed

#: Headers that say nothing about the call, left out of curl lines.
PLUMBING = ("host", "content-length", "connection", "accept-encoding", "accept", "user-agent", "transfer-encoding")

#: A header's value that is a masked secret, alone or behind a scheme: `$CRUN_API_KEY`, `Bearer $TOKEN`.
SECRET = re.compile(r"(?:[\w.+-]+ +)?\$[A-Za-z_]\w*")


@dataclass(frozen=True)
class Exchange:
    """A call as it went over the wire. `status` is None when no answer came, `error` then says why.

    `origin` is the part of the run that sent it (`flow image`, `fuzzing`); times are in seconds. `broken_bound` says which
    bound of time or size the answer broke, `shown_secret` names the variable whose value the answer showed.
    """

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
        """The answer's body as JSON; None if it is none."""
        return parsed(self.answer)

    def header(self, name: str) -> str | None:
        """A header of the answer, whatever its case; several of one name are joined by commas, as RFC 9110 reads them."""
        values = [value for key, value in self.answer_headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    @property
    def has_our_credentials(self) -> bool:
        """Whether a header carries a secret of the run, which stands as the name of its variable here."""
        return any(SECRET.fullmatch(value) for _, value in self.headers)

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def shown_answer(self, limit: int = 300) -> str:
        """Status and the beginning of the body, for a human."""
        if self.status is None:
            return self.error or "no answer"
        text = self.answer.decode("utf-8", "replace")
        return f"HTTP {self.status} {text[:limit]}{'...' if len(text) > limit else ''}".rstrip()

    def curl(self) -> str:
        """A line that repeats the request; secrets stand as shell variables."""
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
    """For a POSIX shell. Text with a `$NAME` that stands for a secret is in double quotes, so that it is filled in."""
    if "$" in text and not set(text) & set('"`\\!'):
        return f'"{text}"'
    return shlex.quote(text)
