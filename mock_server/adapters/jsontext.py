"""Converts JSON text to values and back: with orjson if it is installed, else with the standard library. Both give
the same values.

RFC 8259 is applied strictly: no NaN or Infinity, no lone surrogates, UTF-8 only. The message about text that is
not JSON differs between the two, and so does the form of a very small number (`1e-7`, `1e-07`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any, NoReturn

from swapmock.mock_server.adapters.clock import pause
from swapmock.mock_server.core.jsontext import JsonText

orjson: Any
try:
    import orjson
except ImportError:  # the extra `fast` is not installed
    orjson = None

#: How many pieces of a large value are written before other threads may run.
PIECES_IN_A_ROW = 64

#: Deeper nesting is refused before parsing. Parsers have different limits, orjson writes at most 254 levels, and
#: answers of the admin API show a request inside further levels.
MAX_DEPTH = 200


class BadJson(ValueError):
    """The text is not JSON; the message is for the client."""


def _refuse_constant(name: str) -> NoReturn:
    raise BadJson(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise BadJson(f"{text[:20]} is too large a number")
    return number


def _integer(text: str) -> int | float:
    """Return the number as orjson does: a number of more than 64 bits is not an integer."""
    number = int(text)
    return number if -(2**63) <= number < 2**64 else _finite(text)


def loads(raw: bytes) -> Any:
    """Return the value of UTF-8 JSON text. Raises BadJson. A byte order mark at the beginning is skipped."""
    if not b" " <= raw[:1] <= b"~":
        raw = _without_mark(raw)
    if len(raw) > MAX_DEPTH and raw.count(b"[") + raw.count(b"{") > MAX_DEPTH and _depth(raw) > MAX_DEPTH:
        raise BadJson(f"nested deeper than {MAX_DEPTH} levels")
    return _parse(raw)


#: The first bytes of a body that is not UTF-8 text -> its encoding. JSON must be UTF-8 (RFC 8259 8.1).
OTHER_FORMS = {
    b"\x1f\x8b": "it is compressed (gzip); send it as it is",
    b"\x28\xb5\x2f\xfd": "it is compressed (zstd); send it as it is",
    b"\xff\xfe": "it is UTF-16, and JSON is UTF-8",
    b"\xfe\xff": "it is UTF-16, and JSON is UTF-8",
}


def _without_mark(raw: bytes) -> bytes:
    """Return `raw` without a UTF-8 byte order mark. Raises BadJson for bytes that begin another encoding."""
    for start, what in OTHER_FORMS.items():
        if raw.startswith(start):
            raise BadJson(what)
    return raw.removeprefix(b"\xef\xbb\xbf")


def _explained(raw: bytes, error: Exception) -> BadJson:
    """Return the error of a parser, or a clearer one if the bytes are in another encoding."""
    if b"\x00" in raw[:4]:
        return BadJson("it is UTF-16 or UTF-32, and JSON is UTF-8")
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as wrong:
        return BadJson(f"it is not UTF-8: byte {wrong.start} is 0x{raw[wrong.start]:02x}")
    return BadJson(str(error))


def _depth(raw: bytes) -> int:
    """Return the deepest nesting of brackets outside of strings."""
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
        raise _explained(raw, error) from None


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
        raise _explained(raw, error) from None
    return value


def _render_with_orjson(value: Any) -> bytes:
    text: bytes = orjson.dumps(value)
    return text


def _render_with_stdlib(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8")


_parse = _parse_with_stdlib if orjson is None else _parse_with_orjson

#: Returns the compact UTF-8 JSON text of a value.
dumps = _render_with_stdlib if orjson is None else _render_with_orjson


def write_large(value: Any, depth: int, encode: Callable[[Any], Any]) -> JsonText:
    """Return the JSON text of a large value, written in pieces: between two pieces, other threads can run.

    The first `depth` levels of `value` are mappings, lists and iterators (written as arrays). Everything below is
    first passed to `encode` and then written in one piece. Only one piece at a time exists as a value."""
    written = BytesIO()  # joining all pieces at the end would block other threads once more
    for number, piece in enumerate(_pieces(value, depth, encode)):
        written.write(piece)
        if number % PIECES_IN_A_ROW == 0:
            pause(0)  # let another thread run now, without waiting for the interpreter's switch interval
    return JsonText(written.getvalue())


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
