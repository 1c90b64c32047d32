"""Finds the secrets of a run in answers, in every encoding, and masks them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: A secret that is shorter than this is masked only in its plain form: other encodings of it could match ordinary text.
SHORT = 8
#: In an answer with more bytes than this only plain forms are searched: such an answer is a file.
LARGE = 4 << 20


@dataclass(frozen=True)
class _Pattern:
    name: str
    plain: re.Pattern[str]
    every: re.Pattern[str]


class Secrets:
    """Masks secrets in text and bytes: each secret becomes the name of its variable, such as `$CRUN_API_KEY`.

    `values` maps the name of a variable to the secret. A secret is found in upper and lower case, with characters
    as URL, JSON, HTML or backslash escapes, in base64 (alone or inside a longer text) and in hexadecimal."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        longest_first = sorted((values or {}).items(), key=lambda pair: -len(pair[1]))
        self._patterns = [_pattern(name, value) for name, value in longest_first if value]

    def out_of(self, text: str) -> str:
        """Return `text` with every secret masked."""
        for one in self._patterns:
            pattern = one.plain if len(text) > LARGE else one.every
            text = pattern.sub(f"${one.name}", text)
        return text

    def out_of_bytes(self, content: bytes) -> bytes:
        """Return `content` with every secret masked; bytes that are not text are returned unchanged."""
        if not self._patterns:
            return content
        return self.out_of(content.decode("latin-1")).encode("latin-1")

    def out_of_headers(self, headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return `headers` with every secret masked in their values."""
        return [(name, self.out_of(value)) for name, value in headers]

    def shown_in(self, content: bytes, headers: Iterable[tuple[str, str]] = ()) -> str:
        """Return the variable's name of the first secret in an answer; "" if the answer has none."""
        text = "\n".join([*(value for _, value in headers), content.decode("latin-1")])
        return next((one.name for one in self._patterns if one.every.search(text[:LARGE])), "")


def _pattern(name: str, value: str) -> _Pattern:
    literal = re.compile(re.escape(value), re.IGNORECASE)
    if len(value) < SHORT:
        return _Pattern(name, literal, literal)
    forms = ["".join(map(_spellings, value)), value.encode().hex(), *map(re.escape, _in_base64(value))]
    # Case matters in base64; in all other encodings it does not.
    pattern = "|".join([f"(?i:{form})" for form in forms[:2]] + forms[2:])
    return _Pattern(name, literal, re.compile(pattern))


def _spellings(character: str) -> str:
    """A pattern for one character and its escapes: `%41`, `%2541`, `\\u0041`, `\\x41`, `&#65;`, `&#x41;`."""
    if not character.isascii():
        return re.escape(character)
    codes = {ord(character.lower()), ord(character.upper())}
    hexadecimal = "|".join(f"{code:02x}" for code in codes)
    decimal = "|".join(map(str, codes))
    escapes = rf"%(?:25)*(?:{hexadecimal})|\\+u00(?:{hexadecimal})|\\+x(?:{hexadecimal})"
    html = rf"&#0*(?:{decimal});|&#x0*(?:{hexadecimal});"
    backslash = r"\\*" if character in "/\"'" else ""
    return f"(?:{backslash}{re.escape(character)}|{escapes}|{html})"


def _in_base64(value: str) -> list[str]:
    """Return the base64 of `value` at each of the three offsets inside a longer text, in both alphabets."""
    found = []
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + value.encode()).decode().rstrip("=")
        # Leave out characters that share bits with the text before or after the secret.
        start = {0: 0, 1: 2, 2: 3}[before]
        length = (before + len(value.encode())) * 8 // 6
        found += [whole[start:length], whole[start:length].replace("+", "-").replace("/", "_")]
    return list(dict.fromkeys(found))
