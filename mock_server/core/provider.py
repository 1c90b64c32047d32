"""What a provider brings: handlers by operation, and the words it speaks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from mock_server.core.call import Call, Problem, Reply
from mock_server.core.ports import Store


class Identity(NamedTuple):
    """Whose request it is. With a `problem`, `sandbox` is only where it is noted down ("" for the default one)."""

    sandbox: str
    problem: str | None = None


class Dressed(NamedTuple):
    """An answer in the vendor's clothes: HTTP status, body (None for an empty one), the envelope's code.

    `usual` is the status that the contract knows this answer by, where a variant has chosen another.
    """

    status: int
    body: Any
    code: int | str | None
    headers: tuple[tuple[str, str], ...] = ()
    usual: int | None = None


@dataclass(frozen=True)
class Provider:
    """One emulated vendor.

    handlers: operationId -> function(call, engine) -> Reply, or raises Problem.
    identify: (is the operation public, headers, parameters, store) -> Identity.
    permit: (headers, variants) -> name of a problem that the sandbox's variants make of the credential, or None.
    dress: (reply, variants) -> Dressed.
    refuse: (problem, variants) -> Dressed.
    object_to: (operation, body, violations, variants) -> Problem, or None if a variant waives them all.
    """

    name: str
    handlers: Mapping[str, Callable[[Call, Any], Reply]]
    identify: Callable[[bool, Mapping[str, str], Mapping[str, Any], Store], Identity]
    permit: Callable[[Mapping[str, str], Mapping[str, Any]], str | None]
    dress: Callable[[Reply, Mapping[str, Any]], Dressed]
    refuse: Callable[[Problem, Mapping[str, Any]], Dressed]
    object_to: Callable[[Any, Any, Sequence[Any], Mapping[str, Any]], Problem | None]
