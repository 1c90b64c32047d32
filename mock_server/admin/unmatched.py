"""Explains a request whose path is outside of every API: the operation that the client probably meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from swapmock.mock_server.core.suggest import nearest

if TYPE_CHECKING:
    from swapmock.contracts import Contract, Operation


class Nearest(NamedTuple):
    """An operation, and the name of its provider."""

    provider: str
    operation: Operation

    def __str__(self) -> str:
        return f"{self.operation.method} {self.operation.path} ({self.provider})"


def nearest_anywhere(method: str, path: str, contracts: Mapping[str, Contract]) -> Nearest | None:
    """Return the operation of any provider that a request probably meant: the one whose path has the most segments
    at its end in common, else the one with the most similar path. Operations with the same method are preferred."""
    every = [Nearest(name, operation) for name, c in contracts.items() for operation in c.operations.values()]
    wanted = _segments(path)
    common = {found: _common_end(wanted, _segments(found.operation.path)) for found in every}
    best = max(common.values(), default=0)
    if best:
        alike = [found for found, count in common.items() if count == best]
        return next((found for found in alike if found.operation.method == method), alike[0])
    by_path = {found.operation.path: found for found in reversed(every)}
    near = nearest(path[:200], by_path)
    return None if near is None else by_path[near]


def _segments(path: str) -> list[str]:
    return [segment for segment in path.lower().split("/") if segment]


def _common_end(left: list[str], right: list[str]) -> int:
    """Return how many segments at the end are equal; a parameter of a template equals any segment."""
    count = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b and not b.startswith("{"):
            break
        count += 1
    only_parameters = all(segment.startswith("{") for segment in right[len(right) - count :])
    return 0 if only_parameters else count


def hint(method: str, path: str, contracts: Mapping[str, Contract], base_url: str) -> str:
    """Return a sentence about the request `method` `path`, which no API has: the nearest operation of `contracts`,
    and the base URL where its paths begin. `base_url` is that of the vendors' APIs."""
    found = nearest_anywhere(method, path, contracts)
    shown = "GET" if method == "HEAD" else method  # HEAD gets the same Content-Length as GET
    said = f"no operation at {shown} {path[:200]}"
    if found is None:
        prefixes = ", ".join(f"{contract.behaviour.prefix} ({name})" for name, contract in contracts.items())
        return f"{said}; paths begin with {prefixes}"
    return f"{said}; nearest: {found}, at {base_url}{found.operation.path}"
