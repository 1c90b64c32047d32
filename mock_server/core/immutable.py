"""Records that nothing changes once they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def immutable(cls: type[T]) -> type[T]:
    """A dataclass that type checkers hold to be frozen. To freeze it at run time as well would more than double what
    making one costs, and some are made for every request."""
    return dataclass(slots=True)(cls)
