"""Hides secrets in everything that the admin API shows of a sandbox."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from swapmock.mock_server.core.delivery import read_head

if TYPE_CHECKING:
    from swapmock.mock_server.core.sandbox import Sandbox
    from swapmock.mock_server.engine.engine import Engine

_WORDS = r"(?:api[-_]?key|access[-_]?key|secret|token|signature|password|passwd|credential|authorization|cookie)"

#: Names of headers, parameters and fields that contain a secret.
NAME = re.compile(rf"{_WORDS}|(?:^|[-_.])(?:key|auth|sig)$", re.IGNORECASE)

#: A name in JSON text; a letter may be escaped.
_JSON_NAME = r"(?P<name>(?>(?:[^\"\\]|\\++u[0-9A-Fa-f]{4})*))"

#: `name=value` of a query or form, `"name": "value"` of JSON text, the same as text within JSON text (`\\"name\\": \\"value\\"`),
#: and a part of a multipart body. The group `before` is the text before the value.
# Possessive quantifiers and atomic groups keep the time linear for every input. A group is atomic and not possessive: Python
# 3.11.2 (Debian 12) does not find some texts with a possessive group.
_PAIRS = (
    re.compile(r"(?P<before>(?:^|[?&;\s])(?P<name>[^=&?#\s\"]++)=)[^&#\s\"]++"),
    re.compile(rf"(?P<before>\"{_JSON_NAME}\"\s{{0,9}}:\s{{0,9}}\")(?>(?:[^\"\\…]|\\.)+)(?=\")"),
    re.compile(rf"(?P<before>\\++\"{_JSON_NAME}\\++\"\s{{0,9}}:\s{{0,9}}\\++\")[^\"\\…]++(?=\\)"),
    re.compile(
        r"(?P<before>\bname=\"(?P<name>[^\"\r\n]*+)\"[^\r\n]{0,500}+(?>(?:\r?\n[^\r\n]{1,500}+){0,8})\r?\n\r?\n)"
        r"(?!…)(?:[^\r\n]++|\r?\n(?!--))+"
    ),
)

#: A segment of a path before a secret: the segment, or its last word, is the name of a secret.
_SEGMENT = re.compile(rf"(?:^|[-_.])(?:{_WORDS}|key|auth|sig)s?$", re.IGNORECASE)

#: A path of at least two segments.
_PATH = re.compile(r"(?>(?:/[^/?#\s\"\\]*+){2,})")

_ESCAPED = re.compile(r"\\++u([0-9A-Fa-f]{4})")

#: User name and password in a URL.
_USER = re.compile(r"(\bhttps?://)[^/?#@\s\"]++@")

HIDDEN = "…"


def masked(value: str) -> str:
    """Return the first and last characters of a secret: enough to recognise it, not enough to use it."""
    if HIDDEN in value:
        return value
    return f"{value[:5]}{HIDDEN}{value[-2:]}" if len(value) > 16 else HIDDEN


class Mask:
    """Hides secrets in texts, headers and JSON values.

    A value is a secret if its name says so (NAME, and the vendors' credential headers), if it has the form of a vendor's
    key, or if it is a credential of `sandbox` or one of `engine.secrets` (the admin token)."""

    def __init__(self, engine: Engine, sandbox: Sandbox) -> None:
        forms = [form for c in engine.contracts.values() if (form := c.behaviour.credential_form) is not None]
        self._names = {name.lower() for form in forms for name in form.headers}
        own = {text for c in sandbox.credentials for text in (c.key, c.secret) if text} | engine.secrets
        keys = [re.escape(text) for text in sorted(own, key=len, reverse=True)]
        keys += [pattern for form in forms for pattern in form.patterns]
        self._keys = re.compile("|".join(keys)) if keys else None

    def text(self, text: str) -> str:
        """Return `text` with its secrets masked."""
        for pair in _PAIRS:
            text = pair.sub(self._pair, text)
        text = _PATH.sub(self._path, text)
        text = _USER.sub(rf"\g<1>{HIDDEN}@", text)
        return text if self._keys is None else self._keys.sub(lambda match: masked(match[0]), text)

    def _is_secret(self, name: str) -> bool:
        """Return whether a value of this name is a secret. The name may be escaped as in a URL or in JSON."""
        if "%" in name:
            name = unquote(name)
        if "\\" in name:
            name = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), name)
        return name.lower() in self._names or NAME.search(name) is not None

    def _pair(self, match: re.Match[str]) -> str:
        return match["before"] + HIDDEN if self._is_secret(match["name"]) else match[0]

    def _path(self, match: re.Match[str]) -> str:
        """Return a path in which each segment after the name of a secret is masked: `/token/abc` as `/token/…`."""
        segments = match[0].split("/")
        return "/".join(
            HIDDEN if segment and _SEGMENT.search(unquote(before)) else segment
            for before, segment in pairwise(["", *segments])
        )

    def headers(self, pairs: Mapping[str, str] | Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return pairs of name and value with the secret values masked."""
        items = pairs.items() if isinstance(pairs, Mapping) else pairs
        return [(name, self._value_of(name, value)) for name, value in items]

    def _value_of(self, name: str, value: str) -> str:
        return masked(value) if self._is_secret(name) else self.text(value)

    def head(self, head: bytes) -> bytes:
        """Return `head`, the first line and the headers of a message, with secret values masked. Without a secret it stays byte for byte."""
        line, pairs = read_head(head)
        first, shown = self.text(line), tuple(self.headers(pairs))
        if (first, shown) == (line, pairs):
            return head
        return "\r\n".join([first, *(f"{name}: {value}" for name, value in shown), "", ""]).encode()

    def value(self, value: Any) -> Any:
        """Return a JSON value with its secrets masked. Names are masked as well, and so are the values of HAR's
        pairs `{name, value}`."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            if value.keys() == {"name", "value"} and isinstance(value["value"], str):
                return {"name": value["name"], "value": self._value_of(str(value["name"]), value["value"])}
            return {
                self.text(name): self._value_of(name, item) if isinstance(item, str) else self.value(item)
                for name, item in value.items()
            }
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value
