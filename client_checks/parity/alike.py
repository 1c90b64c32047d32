"""Tells values that no two runs share (ids, times, links) from values that should be the same on both sides.

A value is taken for one of these by its form on both sides, not by the name of its field. Ids and links must keep their
relations: what is the same in two places on the left is the same there on the right.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import splitext
from typing import Any
from urllib.parse import urlsplit

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")
#: An opaque name: long enough to be drawn by chance, and not made of letters alone.
OPAQUE = re.compile(r"(?=.*\d)[A-Za-z0-9_-]{8,}")
WORDS = re.compile(r"[A-Za-z0-9_-]+|[^A-Za-z0-9_-]+")
#: Numbers from here on are epoch seconds, or milliseconds.
EPOCH = 1_000_000_000
#: How many characters the lengths of two ids may differ: some hold a number that grows.
LENGTHS_DIFFER = 2


@dataclass
class Relations:
    """Which value on the right stands for which on the left, and the reverse, in one flow."""

    to_right: dict[str, str] = field(default_factory=dict)
    to_left: dict[str, str] = field(default_factory=dict)

    def broken_by(self, left: str, right: str) -> str:
        """What speaks against `left` and `right` being the same thing; "" if nothing does. The pair is remembered."""
        known, back = self.to_right.setdefault(left, right), self.to_left.setdefault(right, left)
        if known != right:
            return f"{left[:60]!r} stood for {known[:60]!r} before"
        if back != left:
            return f"{right[:60]!r} stood for {back[:60]!r} before"
        return ""


def form_of(text: str) -> str:
    """What a text is by its form: `<time>`, `<url .png>`, `<uuid>`, `<id>`, or "" for an ordinary text."""
    if TIME.fullmatch(text):
        return "<time>"
    if text.startswith(("http://", "https://")):
        return f"<url {splitext(urlsplit(text).path)[1]}>".replace(" >", ">")
    if UUID.fullmatch(text):
        return "<uuid>"
    return "<id>" if OPAQUE.fullmatch(text) else ""


def texts_differ(left: str, right: str, relations: Relations) -> str:
    """How two texts differ beyond what no two runs share; "" if they do not."""
    if left == right:
        return ""
    form = form_of(left)
    if form != form_of(right):
        return f"{form or 'a text'} and {form_of(right) or 'a text'}"
    if form == "<time>":
        return ""
    if form.startswith("<url"):
        return relations.broken_by(left.partition("?")[0], right.partition("?")[0])
    if form:
        if form == "<id>" and not _are_alike(left, right):
            return "two words, not two ids"
        return relations.broken_by(left, right)
    return _sentences_differ(left, right, relations)


def _are_alike(left: str, right: str) -> bool:
    """Whether two opaque names can be ids of one kind: about as long, with the same punctuation and the same beginning
    where that is made of letters."""
    shape = [re.sub(r"[A-Za-z0-9]+", "x", text) for text in (left, right)]
    return abs(len(left) - len(right)) <= LENGTHS_DIFFER and shape[0] == shape[1]


def _sentences_differ(left: str, right: str, relations: Relations) -> str:
    """A text may quote an id or a time: it is compared word for word."""
    ours, theirs = WORDS.findall(left), WORDS.findall(right)
    if len(ours) != len(theirs) or len(ours) < 2:
        return "two texts"
    for one, other in zip(ours, theirs, strict=True):
        if one == other:
            continue
        if not OPAQUE.fullmatch(one) or not OPAQUE.fullmatch(other) or not _are_alike(one, other):
            return f"{one[:40]!r} and {other[:40]!r}"
        why = relations.broken_by(one, other)
        if why:
            return why
    return ""


def numbers_differ(left: float, right: float) -> bool:
    """Whether two numbers differ. Two moments do not, as long as both are told in the same unit."""
    if left == right:
        return False
    return not (min(left, right) >= EPOCH and len(str(int(left))) == len(str(int(right))))


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if value is None:
        return "null"
    for name, types in (("boolean", bool), ("number", (int, float)), ("string", str), ("array", list)):
        if isinstance(value, types):
            return name
    return "object" if isinstance(value, Mapping) else type(value).__name__
