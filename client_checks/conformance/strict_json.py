"""Reads JSON from an untrusted server: limited in depth, and strict about RFC 8259."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from math import isfinite
from typing import Any

#: The maximal depth of nested arrays and objects. The deepest answer of a contract has fewer than ten levels.
MAX_DEPTH = 100
#: The maximal number of digits in a number. A float has at most 17, the largest 64-bit integer 20.
MAX_DIGITS = 40


#: The escape of half a surrogate pair.
HALF = re.compile(r"\\u[dD][89a-fA-F]")


class NotJson(ValueError):
    """Why some bytes are not a JSON document, in one line."""


def parsed(content: bytes) -> Any:
    """Return `content` as parsed JSON; None if it cannot be read. A byte order mark, NaN and repeated names are
    accepted."""
    try:
        _check_depth(content)
        return json.loads(content.decode("utf-8-sig"), parse_int=_integer)
    except (ValueError, RecursionError):
        return None


def why_not_json(content: bytes) -> str:
    """Return why `content` is not a JSON document in UTF-8 by RFC 8259; "" if it is one."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start}"
    if text.startswith("\ufeff"):
        return "there is a byte order mark before the document"
    try:
        _check_depth(content)
        found = json.loads(text, parse_constant=_no_constant, parse_int=_strict_integer, parse_float=_strict_float,
                           object_pairs_hook=_unique_names)  # fmt: skip
        if HALF.search(text):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a text has half of a surrogate pair: it is no Unicode"
    except NotJson as error:
        return str(error)
    except (ValueError, RecursionError) as error:
        return " ".join(str(error).split())[:200]
    return ""


def _check_depth(content: bytes) -> None:
    """Raise NotJson if arrays and objects are nested deeper than MAX_DEPTH; brackets within strings are ignored."""
    if content.count(b"[") + content.count(b"{") <= MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for byte in content:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotJson(f"nested more than {MAX_DEPTH} levels deep")
        elif byte in b"]}":
            depth -= 1


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MAX_DIGITS else float(digits)


def _strict_integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise NotJson(f"a number of {len(digits)} digits")
    return int(digits)


def _strict_float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value) or len(digits) > 10 * MAX_DIGITS:
        raise NotJson(f"a number beyond every bound: {digits[:40]}")
    return value


def _no_constant(word: str) -> None:
    """Reject NaN and Infinity, which Python accepts and JSON does not have."""
    raise NotJson(f"{word} is not JSON")


def _unique_names(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"the name {repeated[:60]!r} occurs twice in one object")
    return found
