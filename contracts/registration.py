"""Registers a provider from outside this package: a folder with its contract, and the function that makes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

#: The entry point group of packages that contain a provider: `NAME = "package.module:registration"`.
GROUP = "swapmock.providers"


class Registration(NamedTuple):
    """A provider. `make(contract)` returns its `Provider`. `folder` has openapi.yaml, behaviour.yaml and the tables."""

    folder: Path
    make: Callable[[Any], Any]


@lru_cache(maxsize=1)
def installed() -> Mapping[str, Registration]:
    """Return the providers of installed packages, by name. Raises ImportError for an entry point that cannot be
    imported, and TypeError for one that is not a `Registration`."""
    from importlib.metadata import entry_points

    found = {}
    for point in sorted(entry_points(group=GROUP)):
        try:
            registration = point.load()
        except (ImportError, AttributeError) as error:
            raise ImportError(f"entry point {point.name} of {GROUP}: cannot import {point.value}: {error}") from error
        if not isinstance(registration, Registration):
            raise TypeError(f"entry point {point.name} of {GROUP}: {point.value} is no Registration")
        found[point.name] = registration
    return found
