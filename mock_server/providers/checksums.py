"""Computes the two checksums of S3 that the standard library lacks: CRC-32C and CRC-64/NVME.

Both are reflected CRCs. They are computed two bytes at a time and take 30 to 60 ns per byte: compute them for
large content in a thread."""

from __future__ import annotations

import sys
from array import array
from functools import cache

#: The reflected polynomials: of RFC 3720 (Castagnoli), and of the NVM Express specification.
CASTAGNOLI, NVME = 0x82F63B78, 0x9A6C9329AC4BC9B5


def crc32c(content: bytes) -> int:
    """Return the CRC-32C of `content`."""
    return _crc(content, CASTAGNOLI, 32)


def crc64nvme(content: bytes) -> int:
    """Return the CRC-64/NVME of `content`."""
    return _crc(content, NVME, 64)


def _crc(content: bytes, polynomial: int, bits: int) -> int:
    table, ones = _table(polynomial), (1 << bits) - 1
    crc, whole = ones, len(content) & ~1
    pairs = array("H", content[:whole])
    if sys.byteorder == "big":
        pairs.byteswap()
    for pair in pairs:
        crc = table[(crc ^ pair) & 0xFFFF] ^ (crc >> 16)
    if len(content) > whole:
        crc = _after_byte((crc ^ content[-1]) & 0xFF, polynomial) ^ (crc >> 8)
    return crc ^ ones


@cache
def _table(polynomial: int) -> tuple[int, ...]:
    """Return the effect of each pair of bytes on a CRC with this `polynomial`."""
    single = [_after_byte(value, polynomial) for value in range(256)]
    return tuple(
        single[single[value & 0xFF] & 0xFF ^ value >> 8] ^ single[value & 0xFF] >> 8 for value in range(1 << 16)
    )


def _after_byte(value: int, polynomial: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (polynomial if value & 1 else 0)
    return value
