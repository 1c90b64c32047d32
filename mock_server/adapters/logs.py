"""How log lines are written: as text, or as one JSON object a line."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

#: What looks like a credential of any provider, wherever it stands in a line.
SECRETS = re.compile(r"(ak_|openapi-|Bearer )[A-Za-z0-9_~+/.-]{6,}|(?<=signature=)[0-9a-f]{8,}")

#: Facts that a record may carry in `extra`.
FACTS = ("request", "task", "delivery", "sandbox", "operation", "status", "code", "seconds")


#: Characters that break a line, steer a terminal or reverse the direction of writing.
_UNSAFE = (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0xFEFF)

#: Each of them -> the escape sequence that is shown in its place.
CONTROLS = {code: repr(chr(code))[1:-1] for code in _UNSAFE}


def masked(text: str) -> str:
    """`text` without credentials."""
    return SECRETS.sub(lambda match: (match[1] or "") + "…", text)


def facts(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name in FACTS if (value := getattr(record, name, None)) not in (None, "")}


class TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the base class's
        """On one line, so that what a client sends can make no line of its own."""
        found = " ".join(f"{name}={value}" for name, value in facts(record).items())
        return masked(super().formatMessage(record) + (f" {found}" if found else "")).translate(CONTROLS)

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the base class's
        text = masked(super().formatException(ei))
        return "\n".join(line.translate(CONTROLS) for line in text.split("\n"))


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(record.getMessage()),
            **facts(record),
        }
        if record.exc_info:
            line["exception"] = masked(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up(level: str, form: str) -> None:
    """Log to stderr from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler])
