"""The formats of log lines: for a person at a terminal, as plain text, or as one JSON object in each line."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TextIO

#: Credentials of no particular vendor, anywhere in a line.
GENERIC = r"(?P<scheme>Bearer )[A-Za-z0-9_~+/.-]{6,}|(?<=signature=)[0-9a-f]{8,}"

#: Facts that a record may have in `extra`, in the order in which they are shown.
FACTS = ("request", "task", "delivery", "sandbox", "operation", "status", "code", "seconds", "why", "page")

#: Characters that break a line, control a terminal or reverse the direction of writing.
_UNSAFE = (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF)

#: Each of these characters -> the escape sequence that is shown in its place.
CONTROLS = {code: repr(chr(code))[1:-1] for code in _UNSAFE}

#: A function that replaces secrets in a text.
Mask = Callable[[str], str]


def secret_mask(prefixes: Iterable[str] = (), headers: Iterable[str] = (), values: Iterable[str] = ()) -> Mask:
    """Return a function that hides secrets in a text.

    `prefixes` are the beginnings of the providers' keys, such as `ak_`. `headers` are the names of headers that
    carry credentials. `values` are secrets that are hidden anywhere. Bearer tokens and signatures are always
    hidden."""
    forms = [re.escape(value) for value in sorted(set(values) - {""}, key=len, reverse=True)]
    names = "|".join(re.escape(name) for name in sorted(set(headers)))
    if names:
        forms.append(rf"(?P<name>(?i:{names})['\"]?\s{{0,9}}[:=]\s{{0,9}}['\"]?)[^\s'\",;&]+")
    begins = "|".join(re.escape(prefix) for prefix in sorted(set(prefixes) - {""}))
    if begins:
        forms.append(rf"(?P<prefix>{begins})[A-Za-z0-9_~+/.-]{{6,}}")
    pattern = re.compile("|".join([*forms, GENERIC]))
    return lambda text: pattern.sub(lambda match: (match[match.lastgroup] if match.lastgroup else "") + "…", text)


#: Hides the secrets that can be recognised without knowledge of the providers.
masked = secret_mask()


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return the facts of a record, without the empty ones."""
    return {name: value for name in FACTS if (value := getattr(record, name, None)) not in (None, "")}


class TextFormatter(logging.Formatter):
    """`LEVEL logger: message name=value ...` on one line. Line breaks from a client are escaped, so that a client
    cannot forge a log line."""

    def __init__(self, mask: Mask = masked) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")
        self._mask = mask

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's
        """Return the line for a record."""
        found = " ".join(f"{name}={value}" for name, value in facts(record).items())
        return self._mask(super().formatMessage(record) + (f" {found}" if found else "")).translate(CONTROLS)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class's
        """Return the traceback on one line."""
        text = self._mask(super().formatException(ei))
        return "\n".join(line.translate(CONTROLS) for line in text.split("\n"))


#: The outcome of a request or a callback -> the escape sequence of its colour.
COLOURS = {"good": "32", "refused": "33", "failed": "31", "other": "36"}


class TerminalFormatter(TextFormatter):
    """One line for a person: the time, what happened, and why. The outcome is in colour unless `has_colour` is
    false."""

    def __init__(self, mask: Mask = masked, *, has_colour: bool = True) -> None:
        super().__init__(mask)
        self._has_colour = has_colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's
        """Return the line for a record."""
        parts = [self.formatTime(record, "%H:%M:%S")]
        if record.levelno >= logging.WARNING and not hasattr(record, "outcome"):
            parts.append(
                self._coloured(record.levelname.lower(), "failed" if record.levelno > logging.WARNING else "refused")
            )
        parts.append(self._mask(record.message).translate(CONTROLS))
        found = facts(record)
        if "status" in found:
            parts += self._answer(record, found)
        if why := found.get("why"):
            if page := found.get("page"):
                parts.append(str(page).translate(CONTROLS))
            parts.append("- " + self._mask(str(why)).translate(CONTROLS))
        return "  ".join(parts)

    def _answer(self, record: logging.LogRecord, found: Mapping[str, Any]) -> list[str]:
        status, code = str(found["status"]), str(found.get("code", ""))
        shown = status if code in ("", status) else f"{status}/{code}"
        duration = [f"{found['seconds'] * 1000:.1f} ms"] if "seconds" in found else []
        operation = [str(found["operation"])] if "operation" in found else []
        return [*operation, self._coloured(shown, getattr(record, "outcome", "other")), *duration]

    def _coloured(self, text: str, outcome: str) -> str:
        return f"\x1b[{COLOURS[outcome]}m{text}\x1b[0m" if self._has_colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object in each line, with the facts of the record as members."""

    def __init__(self, mask: Mask = masked) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        found = facts(record)
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._mask(record.getMessage()),
            **found,
        }
        if "why" in found:
            line["why"] = self._mask(str(found["why"]))
        if record.exc_info:
            line["exception"] = self._mask(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(
    level: str,
    form: str,
    mask: Mask = masked,
    environment: Mapping[str, str] | None = None,
    stream: TextIO | None = None,
) -> None:
    """Log to `stream` (stderr) from `level` on, as `text` or `json`. If the stream is a terminal, text is in the
    form for a person.

    `mask` hides secrets. `environment` decides about colour: NO_COLOR (no-color.org) and TERM=dumb switch it off."""
    stream = stream or sys.stderr
    given = environment or {}
    formatter: logging.Formatter
    if form == "json":
        formatter = JsonFormatter(mask)
    elif stream is not None and stream.isatty():
        formatter = TerminalFormatter(mask, has_colour=not given.get("NO_COLOR") and given.get("TERM") != "dumb")
    else:
        formatter = TextFormatter(mask)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler])
