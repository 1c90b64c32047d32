"""Spans and moments of time as people write them, and as answers show them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read_span(given: float | int | str) -> float:
    """Seconds: a number, or text such as `500ms`, `65s`, `2m`, `1h`, `14d`. ValueError for anything else."""
    if not isinstance(given, str):
        return float(given)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?", given)
    if match is None:
        raise ValueError(f"{given!r} is no span of time; write 65, '65s', '2m', '1h' or '14d'")
    return float(match[1]) * UNITS[match[2] or "s"]


def read_moment(given: float | int | str) -> float:
    """Epoch seconds: a number (as text, too), or an RFC 3339 time stamp. ValueError for anything else."""
    if not isinstance(given, str):
        return float(given)
    if re.fullmatch(r"\d{1,12}(\.\d+)?", given):
        return float(given)
    try:
        moment = datetime.fromisoformat(given.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        raise ValueError(f"{given!r} is no moment; write epoch seconds or 2026-01-01T00:00:00Z") from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def iso(at: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
