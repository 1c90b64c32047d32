"""Reproducible random values: identifiers and numbers that follow from a seed and a name."""

from __future__ import annotations

from functools import lru_cache, partial
from hashlib import blake2b

_BASE36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_BASE62 = _BASE36 + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def digest(*parts: object, size: int = 16) -> bytes:
    """Return `size` bytes that depend only on `parts`."""
    return blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=size).digest()


def text(alphabet: str, length: int, *parts: object) -> str:
    """Return `length` characters of `alphabet` that depend only on `parts`."""
    raw = digest(*parts, size=length if length < 64 else 64)
    while len(raw) < length:
        raw += digest(raw, size=min(64, length - len(raw)))
    return raw.translate(_table(alphabet)).decode("ascii")


@lru_cache
def _table(alphabet: str) -> bytes:
    """Return a character for each byte value. Some characters are slightly more frequent, which does not matter for
    ids."""
    return bytes(ord(alphabet[byte % len(alphabet)]) for byte in range(256))


#: `(length, *parts)` -> text, as above.
lower_alphanumeric = partial(text, _BASE36)
alphanumeric = partial(text, _BASE62)


def hexadecimal(length: int, *parts: object) -> str:
    """Return `length` hexadecimal digits that depend only on `parts`."""
    return digest(*parts, size=(length + 1) // 2).hex()[:length]


def uuid4(*parts: object) -> str:
    """Return a version 4 UUID in its usual form, which depends only on `parts`."""
    raw = digest(*parts).hex()
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{'89ab'[int(raw[16], 16) & 3]}{raw[17:20]}-{raw[20:]}"


def integer(low: int, high: int, *parts: object) -> int:
    """Return a whole number from `low` to `high`, both included, which depends only on `parts`."""
    return low + int.from_bytes(digest(*parts, size=8), "big") % (high - low + 1)


def fraction(*parts: object) -> float:
    """Return a number from 0 (included) to 1 (excluded), which depends only on `parts`."""
    return int.from_bytes(digest(*parts, size=7), "big") / 2**56
