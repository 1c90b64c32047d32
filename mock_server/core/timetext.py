"""Durations and times as text, as users write them and as answers show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(given: float | int | str) -> float:
    """Return seconds from a number, or from text such as `500ms`, `65s`, `2m`, `1h`, `14d`. Raises ValueError for
    anything else."""
    if not isinstance(given, str):
        return _finite(given)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", given, re.ASCII)
    if match is None:
        raise ValueError(f"{given[:60]!r} is no span of time; write 65, '65s', '2m', '1h' or '14d'")
    return _finite(match[1]) * UNITS[match[2] or "s"]


def _finite(given: float | int | str) -> float:
    """Return the value as a float, limited to a sensible maximum."""
    number = float(given if len(str(given)) < 40 else "inf")
    if not abs(number) < 1e15:
        raise ValueError(f"{str(given)[:40]} is too large")
    return number


def parse_timestamp(given: float | int | str) -> float:
    """Return epoch seconds from a number (also as text) or an RFC 3339 time stamp. Raises ValueError for anything
    else."""
    if not isinstance(given, str):
        return _finite(given)
    if re.fullmatch(r"\d{1,12}(\.\d+)?", given, re.ASCII):
        return float(given)
    try:
        if not re.match(r"\d{4}-\d\d-\d\d(?:[Tt ]|$)", given[:40]):
            raise ValueError(given)
        moment = datetime.fromisoformat(given.replace("Z", "+00:00").replace("z", "+00:00"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(f"{given[:60]!r} is no moment; write epoch seconds or 2026-01-01T00:00:00Z") from None


def format_timestamp(at: float) -> str:
    """Return the epoch seconds `at` as RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
