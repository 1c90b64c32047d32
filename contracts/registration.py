"""How a provider from outside this package is registered: a folder with its contract, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

#: The entry point group of packages that bring a provider: `NAME = "package.module:registration"`.
GROUP = "swapmock.providers"


class Registration(NamedTuple):
    """A provider: `make(contract)` returns its `Provider`, and `folder` holds openapi.yaml, behaviour.yaml and its tables."""

    folder: Path
    make: Callable[[Any], Any]


@lru_cache(maxsize=1)
def installed() -> Mapping[str, Registration]:
    """The providers that installed packages bring, by name; TypeError for an entry point that is no `Registration`."""
    from importlib.metadata import entry_points

    found = {}
    for point in sorted(entry_points(group=GROUP)):
        registration = point.load()
        if not isinstance(registration, Registration):
            raise TypeError(f"entry point {point.name} of {GROUP}: {point.value} is no Registration")
        found[point.name] = registration
    return found
