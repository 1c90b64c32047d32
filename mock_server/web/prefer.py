"""The header `Prefer` (RFC 7240): with it, a request asks for a fault on itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from swapmock.contracts import load
from swapmock.mock_server.core.call import Problem
from swapmock.mock_server.core.faults import CODE_TYPES, Moment
from swapmock.mock_server.core.timetext import parse_duration
from swapmock.mock_server.web.replacements import GATEWAY_ERRORS

#: One preference: a name, and its value in quotes or without.
PREFERENCE = re.compile(r"""([A-Za-z][\w-]*)\s*(?:=\s*(?:"([^"]*)"|([^",;]*)))?""")


def read_prefer(header: str) -> dict[str, Any]:
    """Return the effect that a header such as `code=429, delay=2` asks for. Unknown preferences are ignored.

    Raises Problem `invalid` if a known preference has a bad value."""
    found: dict[str, Any] = {}
    for name, quoted, plain in PREFERENCE.findall(header):
        name, value = name.lower().replace("-", "_"), quoted or plain.strip()
        reader = PREFERENCES.get(name)
        if reader is not None:
            try:
                found[name] = reader(value)
            except ValueError as error:
                raise Problem("invalid", errors=[f"header Prefer: {name}={value[:50]}: {error}"]) from None
        elif name in EFFECT_WORDS and value in SET:
            found.update(EFFECT_WORDS[name])
    if "retry_after_form" in found:
        found["retry_after"] = {"seconds": found.get("retry_after", 1), "form": found.pop("retry_after_form")}
    if "stall_after" in found:
        after = int(found.pop("stall_after"))
        found["stall"] = {"after": after, **({"seconds": found["stall"]} if "stall" in found else {})}
    return found


def _number(low: float, high: float) -> Any:
    def read(text: str) -> float:
        number = float(text)
        if not low <= number <= high:
            raise ValueError(f"should be from {low:g} to {high:g}")
        return number

    return read


def _delay(text: str) -> list[float]:
    """Read `0.5` or `500ms`, or a range such as `0.5-2`."""
    low, dash, high = (part.strip() for part in text.partition("-"))
    ends = [parse_duration(low), parse_duration(high if dash else low)]
    if not ends[0] <= ends[1] <= 600:
        raise ValueError("should go from the lower to the higher, up to 600")
    return ends


def _known_gateway(status: int) -> int:
    if status not in GATEWAY_ERRORS:
        raise ValueError(f"should be one of {', '.join(map(str, GATEWAY_ERRORS))}")
    return status


def _one_of(*words: str) -> Any:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"should be one of {', '.join(words)}")
        return text

    return read


def _code(text: str) -> int | str:
    return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else text


#: Values that switch a preference on; "" means that it has no value.
SET = ("", "true", "1")


#: Words for whole effects, such as `reset`. Fault rules have the same words.
EFFECT_WORDS: Mapping[str, Mapping[str, Any]] = load("admin").at("#/components/schemas/Effect")["x-words"]


#: Names of preferences -> the functions that read their values.
PREFERENCES: Mapping[str, Any] = {
    "code": _code,
    "message": str,
    "status": lambda text: int(_number(200, 599)(text)),
    "delay": _delay,
    "retry_after": _number(0, 86400),
    "retry_after_form": _one_of("seconds", "date"),
    "maintenance": lambda text: text in SET,
    "body": _one_of("malformed", "truncated", "cut", "empty", "stale"),
    "content_type": str,
    "stall": lambda text: _delay(text)[0],
    "stall_after": _number(0, 1_000_000_000),
    "bandwidth": lambda text: int(_number(1, 1_000_000_000)(text)),
    "ranges": _one_of("ignore"),
    "refuse": str,
    "gateway": lambda text: _known_gateway(int(_number(500, 599)(text))),
    "redirect": str,
    "code_type": _one_of(*CODE_TYPES),
    "extra_fields": lambda text: text in SET,
    "connection": _one_of("reset", "hang_up", "hang-up", "dribble", "garbage"),
    "moment": _one_of(*Moment),
}
