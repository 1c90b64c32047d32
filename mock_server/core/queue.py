"""Outcomes that are queued for the next tasks of a kind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Queued:
    """A scenario for one task to come; what is left None fits every task. `code` and `message` replace what the
    scenario's failure says."""

    id: str
    scenario: str
    provider: str | None = None
    kind: str | None = None
    operation: str | None = None
    model: str | None = None
    code: int | str | None = None
    message: str | None = None

    def fits(self, provider: str, kind: str, operation: str, model: str) -> bool:
        given = (provider, kind, operation, model)
        wanted = (self.provider, self.kind, self.operation, self.model)
        return all(want is None or want == have for want, have in zip(wanted, given, strict=True))


def first_fit(queue: Iterable[Queued], provider: str, kind: str, operation: str, model: str) -> Queued | None:
    return next((item for item in queue if item.fits(provider, kind, operation, model)), None)
