"""JSON text that is used in place of a parsed value."""

from __future__ import annotations

from typing import NamedTuple


class JsonText(NamedTuple):
    """UTF-8 JSON text that is already written. A handler returns it as `Reply.data` when the value would be large."""

    text: bytes
