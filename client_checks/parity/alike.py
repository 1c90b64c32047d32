"""Separates values that differ between any two runs (ids, times, links) from values that must be equal on both
sides.

A value is recognised by its form on both sides, not by the name of its field. Ids and links must keep their
relations: if two places have the same value on the left, they must have the same value on the right."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from posixpath import splitext
from typing import Any
from urllib.parse import urlsplit

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TIME = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?")
#: An opaque id: long enough to be random, and not made of letters only.
OPAQUE = re.compile(r"(?=.*\d)[A-Za-z0-9_-]{8,}")
WORDS = re.compile(r"[A-Za-z0-9_-]+|[^A-Za-z0-9_-]+")
#: Larger numbers are seconds or milliseconds since the epoch.
EPOCH = 1_000_000_000
#: By how many characters the lengths of two ids may differ: some ids contain a growing number.
LENGTHS_DIFFER = 2


@dataclass
class Relations:
    """Which value on the right corresponds to which on the left, and the reverse, in one flow."""

    to_right: dict[str, str] = field(default_factory=dict)
    to_left: dict[str, str] = field(default_factory=dict)

    def broken_by(self, left: str, right: str) -> str:
        """Return why `left` and `right` cannot be the same thing; "" if they can. The pair is remembered."""
        known, back = self.to_right.setdefault(left, right), self.to_left.setdefault(right, left)
        if known != right:
            return f"{left[:60]!r} stood for {known[:60]!r} before"
        if back != left:
            return f"{right[:60]!r} stood for {back[:60]!r} before"
        return ""


def form_of(text: str) -> str:
    """Return the form of a text: `<time>`, `<url .png>`, `<uuid>`, `<id>`, or "" for an ordinary text."""
    if TIME.fullmatch(text):
        return "<time>"
    if text.startswith(("http://", "https://")):
        return f"<url {splitext(urlsplit(text).path)[1]}>".replace(" >", ">")
    if UUID.fullmatch(text):
        return "<uuid>"
    return "<id>" if OPAQUE.fullmatch(text) else ""


def texts_differ(left: str, right: str, relations: Relations) -> str:
    """Return how `left` and `right` differ, apart from values that differ between any two runs; "" if they do not.
    `relations` remembers which ids correspond."""
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
    """Return whether two opaque ids can be of one kind: similar length, the same punctuation, and the same letters
    at the beginning."""
    shape = [re.sub(r"[A-Za-z0-9]+", "x", text) for text in (left, right)]
    return abs(len(left) - len(right)) <= LENGTHS_DIFFER and shape[0] == shape[1]


def _sentences_differ(left: str, right: str, relations: Relations) -> str:
    """Compare two texts word by word, because a text may quote an id or a time."""
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
    """Return whether two numbers differ. Two times do not, if both have the same unit."""
    if left == right:
        return False
    return not (min(left, right) >= EPOCH and len(str(int(left))) == len(str(int(right))))


def kind_of(value: Any) -> str:
    """Return the JSON type of a value."""
    if value is None:
        return "null"
    for name, types in (("boolean", bool), ("number", (int, float)), ("string", str), ("array", list)):
        if isinstance(value, types):
            return name
    return "object" if isinstance(value, Mapping) else type(value).__name__
