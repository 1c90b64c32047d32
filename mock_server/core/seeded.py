"""Chance that is handed in: identifiers and numbers that follow from a seed and a name."""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import blake2b

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = _BASE36 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digest(*parts: object, size: int = 16) -> bytes:
    """`size` bytes that follow from `parts` alone."""
    return blake2b(
        "\x1f".join([str(part) for part in parts]).encode("utf-8", "surrogatepass"), digest_size=size
    ).digest()


def text(alphabet: str, length: int, *parts: object) -> str:
    """`length` characters of `alphabet` that follow from `parts`."""
    raw = digest(*parts, size=length if length < 64 else 64)
    while len(raw) < length:
        raw += digest(raw, size=min(64, length - len(raw)))
    return raw.translate(_table(alphabet)).decode("ascii")


@lru_cache
def _table(alphabet: str) -> bytes:
    """A character for each byte; that some come up a little more often harms no id."""
    return bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))


#: `(length, *parts)` -> text, as above.
lower_alphanumeric = partial(text, _BASE36)
alphanumeric = partial(text, _BASE62)


def hexadecimal(length: int, *parts: object) -> str:
    return digest(*parts, size=(length + 1) // 2).hex()[:length]


def uuid4(*parts: object) -> str:
    """A version 4 UUID in its usual spelling."""
    raw = digest(*parts).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{'89ab'[int(raw[16], 16) & 3]}{raw[17:20]}-{raw[20:]}"


def integer(low: int, high: int, *parts: object) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int.from_bytes(digest(*parts, size=8), "big") % (high - low + 1)


def fraction(*parts: object) -> float:
    """A number from 0 up to but not including 1."""
    return int.from_bytes(digest(*parts, size=7), "big") / 2**56
