"""JSON text to values and back: orjson where it is installed, the standard library elsewhere, the same values from both.

RFC 8259 is taken strictly: no NaN or Infinity, no text that is not Unicode (lone surrogates), UTF-8 only. What is said of
text that is no JSON is each engine's own, and so is how a very small number is spelt (`1e-7`, `1e-07`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from swapmock.mock_server.core.jsontext import JsonText

orjson: Any
try:
    import orjson
except ImportError:  # the extra `fast` is not installed
    orjson = None

#: Deeper nesting is refused before a parser meets it: parsers differ in where they give up, orjson writes no more than 254
#: levels, and what was sent is told within further ones.
MAX_DEPTH = 200


class BadJson(ValueError):
    """The text is not JSON; the message is fit for a client."""


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson(f"{text[:20]} is too large a number")
    return number


def _integer(text: str) -> int | float:
    """As orjson has it: a number beyond 64 bits is no integer."""
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _finite(text)


def loads(raw: bytes) -> Any:
    """The value of UTF-8 JSON text, or BadJson."""
    if len(raw) > MAX_DEPTH and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels")
    return _parse(raw)


def _depth(raw: bytes) -> int:
    """The deepest nesting of brackets outside of strings."""
    depth = deepest = 0
    inside = escaped = False
    for byte in raw:
        if inside:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                inside = False
        elif byte == 0x22:
            inside = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _parse_with_orjson(raw: bytes) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadJson(str(error)) from None


def _parse_with_stdlib(raw: bytes) -> Any:
    try:
        value = json.loads(
            raw.decode("utf-8"), parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer
        )
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson(str(error)) from None
    return value


def _render_with_orjson(value: Any) -> bytes:
    text: bytes = orjson.dumps(value)
    return text


def _render_with_stdlib(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


_parse = _parse_with_stdlib if orjson is None else _parse_with_orjson

#: Compact UTF-8 JSON text of a value.
dumps = _render_with_stdlib if orjson is None else _render_with_orjson


def write_large(value: Any, depth: int, encode: Callable[[Any], Any]) -> JsonText:
    """The JSON text of a large value, written in pieces: between two pieces, other threads can run.

    The first `depth` levels of `value` are mappings, lists and iterators (written as arrays); what lies below is written in
    one piece, after `encode`. No more than one piece exists as a value at a time.
    """
    return JsonText(b"".join(_pieces(value, depth, encode)))


def _pieces(value: Any, depth: int, encode: Callable[[Any], Any]) -> Iterator[bytes]:
    if depth > 0 and isinstance(value, Mapping):
        start = b"{"
        for name, item in value.items():
            yield start + dumps(str(name)) + b":"
            yield from _pieces(item, depth - 1, encode)
            start = b","
        yield b"}" if start == b"," else b"{}"
    elif depth > 0 and isinstance(value, list | Iterator):
        start = b"["
        for item in value:
            yield start
            yield from _pieces(item, depth - 1, encode)
            start = b","
        yield b"]" if start == b"," else b"[]"
    else:
        yield dumps(encode(value))
