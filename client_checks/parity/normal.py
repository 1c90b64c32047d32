"""Takes out of an answer what differs between any two runs: ids, times, URLs, balances."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import splitext
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Number:
    """Stands for a number that no two runs share."""

    of: str

    def __repr__(self) -> str:
        return f"<{self.of}>"


#: What a text is taken for, by its form; the first that fits.
FORMS = (
    ("<time>", re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}.*")),
    ("<id>", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
)

#: Fields that hold ids: whatever their form, no two runs share them.
ID_FIELD = re.compile(r"(.*_)?id|.*Id|id_task")

#: Fields whose value says something of the account or the moment, not of the server.
OF_THE_MOMENT = {"balance": Number("amount"), "duration_s": Number("seconds"), "seed": Number("number")}

#: Numbers from here on are epoch seconds, or milliseconds.
EPOCH = 1_000_000_000


def normal(value: Any, name: str = "") -> Any:
    """`value` with placeholders for what no two runs share; `name` is the field it stands in."""
    if isinstance(value, Mapping):
        return {key: normal(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [normal(item, name) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return OF_THE_MOMENT.get(name, Number("time") if value >= EPOCH else value)
    return "<id>" if ID_FIELD.fullmatch(name) else _text(str(value))


def _text(text: str) -> str:
    if text.startswith(("http://", "https://")):
        return f"<url {splitext(urlsplit(text).path)[1]}>".replace(" >", ">")
    return next((placeholder for placeholder, form in FORMS if form.fullmatch(text)), text)


def kind_of(value: Any) -> str:
    """The JSON type of a value; placeholders keep that of what they stand for."""
    if value is None:
        return "null"
    for name, types in (("boolean", bool), ("number", (int, float, Number)), ("string", str), ("array", list)):
        if isinstance(value, types):
            return name
    return "object"
