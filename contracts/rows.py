"""Typed rows of behaviour.yaml that tell general code about a provider: envelope, credentials, catalogue, money,
files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple


class Envelope(NamedTuple):
    """How a JSON body says whether the call succeeded: its member `code` equals `success`. `data` names the member
    with the operation's own data ("" for none). Without an envelope, the HTTP status alone says it."""

    code: str
    success: int | str
    data: str = ""


class SecretForm(NamedTuple):
    """The form of a key or a secret: `prefix`, then `length` letters and digits, in `lower` or `mixed` case."""

    length: int
    prefix: str = ""
    case: str = "mixed"

    @property
    def pattern(self) -> str:
        """A regular expression for such a text; "" for a form without a prefix, which looks like an ordinary word."""
        return rf"{re.escape(self.prefix)}\w{{{self.length}}}" if self.prefix else ""


class CredentialForm(NamedTuple):
    """The form of a sandbox's credential, and the headers that carry it.

    `headers` maps header names to templates such as `Bearer {key}` or `{secret}`. A provider that signs its
    callbacks has a `secret`, which need not be in a header."""

    key: SecretForm
    headers: Mapping[str, str]
    secret: SecretForm | None = None

    @classmethod
    def read(cls, row: Mapping[str, Any]) -> CredentialForm:
        """Return the form in a row of behaviour.yaml. Raises KeyError or TypeError for a wrong row."""
        secret = row.get("secret")
        return cls(SecretForm(**row["key"]), row["headers"], None if secret is None else SecretForm(**secret))

    def shown(self, key: str, secret: str) -> dict[str, str]:
        """Return the headers of a request that carry this `key` and `secret`."""
        return {name: template.format(key=key, secret=secret) for name, template in self.headers.items()}

    def key_in(self, headers: Mapping[str, str]) -> str:
        """Return the key in `headers` (names in lower case); "" for none."""
        for name, template in self.headers.items():
            if "{key}" in template and (found := _template(template).fullmatch(headers.get(name.lower(), ""))):
                return found["key"].strip()
        return ""

    @property
    def patterns(self) -> list[str]:
        """Return regular expressions that find keys and secrets of this form anywhere in a text."""
        forms = [self.key] if self.secret is None else [self.key, self.secret]
        return [form.pattern for form in forms if form.pattern]


@lru_cache(64)
def _template(template: str) -> re.Pattern[str]:
    """Return a header's template as a regular expression with the groups `key` and `secret`; the scheme's case does
    not matter."""
    parts = re.split(r"(\{key\}|\{secret\})", template)
    return re.compile(
        "".join(f"(?P<{part[1:-1]}>.*)" if part[:1] == "{" else re.escape(part) for part in parts), re.IGNORECASE
    )


class Catalogue(NamedTuple):
    """Which table of the folder has a row for each model or tool, and its columns.

    `table` is a file name without extension and the list in this file. `name` and `price` are columns, `kind` is
    the column with the kind of task. If each row is one operation, `operation` is that column. Otherwise a
    request names its row in the member `member` of its body, and the member `input` ("" for the body itself)
    holds the values on which the price depends. `others` has further things with a price: a name -> `{row: ROW,
    operations: [...]}`, where ROW is a row of behaviour.yaml with `credits`."""

    table: str
    name: str = "name"
    price: str = "price"
    operation: str = ""
    kind: str = ""
    member: str = "model"
    input: str = ""
    others: Mapping[str, Mapping[str, Any]] = {}

    def rows(self, tables: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Yield the rows, from the folder's `tables`."""
        yield from tables.get(self.table, {}).get(self.table, ())


class Money(NamedTuple):
    """What one credit costs, in `currency`."""

    currency: str
    per_credit: float
    evidence: str
    source: str


class FileLinks(NamedTuple):
    """The links to the files of tasks.

    `path` is a template with `{token}`, `{number}` and `{extension}`, and optionally `{folder}`, which may
    contain slashes. `lifetimes` maps a kind of task to the row of `lifetimes` for its files; the kind "" is for
    all others. `faces` has the kinds of tasks whose files are the faces found in one picture; the files of all
    other kinds are results."""

    path: str
    lifetimes: Mapping[str, str]
    faces: tuple[str, ...] = ()

    def lifetime(self, kind: str) -> str:
        """Return the row of `lifetimes` for files of this `kind` of task. Raises KeyError if there is none."""
        return self.lifetimes[kind] if kind in self.lifetimes else self.lifetimes[""]

    @property
    def start(self) -> str:
        """The fixed beginning of every such path, with its slashes: `/media/`."""
        return self.path[: self.path.index("{")]

    def read(self, path: str) -> dict[str, str] | None:
        """Return the parts of `path` by their names in the template; None if the path has another form."""
        found = _file_path(self.path).fullmatch(path) if path.startswith(self.start) else None
        return None if found is None else found.groupdict()


_PARTS = {
    "{token}": r"(?P<token>[^/]+)",
    "{number}": r"(?P<number>0|[1-9][0-9]{0,3})",
    "{extension}": r"(?P<extension>[^/.]+)",
    "{folder}": r"(?P<folder>.+)",
}


@lru_cache(64)
def _file_path(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template)
    return re.compile("".join(_PARTS[part] if part[:1] == "{" else re.escape(part) for part in parts))
