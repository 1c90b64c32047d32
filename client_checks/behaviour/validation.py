"""Checks values that a user wrote against a JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def violations(schema: Mapping[str, Any], value: Any, whole: str = "the file") -> list[str]:
    """Return one line for each place in `value` that breaks `schema`, in order of the places; `whole` names the root."""
    # Imported late: it reads a grammar of URLs, which takes a second, and most runs have nothing to check.
    from jsonschema import Draft202012Validator

    wrong = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda error: list(map(str, error.path)))
    return [f"{'.'.join(map(str, error.path)) or whole}: {error.message}" for error in wrong]
