"""Records that are not changed after they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(cls: type[T]) -> type[T]:
    """Make a dataclass that type checkers treat as frozen. It is not frozen at run time, because this would more
    than double the cost of making one, and some are made for every request."""
    return dataclass(slots=True)(cls)
