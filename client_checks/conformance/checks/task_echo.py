"""A task repeats what was requested: its model, its parameters and the caller's own id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, Submission, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.tasks import difference, identity, polled


@check("task.echo", "a task that reports other values than were requested")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each repeated value that differs from the request."""
    for kind, word, asked in polled(context):
        if context.phase(kind, word) == "succeeded":
            yield from _ended(context, kind)
        name = identity(context, kind, asked)
        submission = None if name is None else context.history.submissions.get((kind.name, name))
        if submission is None:
            continue
        for pointer, told in kind.echoes.items():
            wanted, got = next(every(submission.body, pointer), None), at(context.body, told)
            if wanted is None or got is None:
                continue
            yield EXAMINED
            differs = difference(wanted, _of(wanted, got), told)
            if differs is not None:
                place, was, now = differs
                evidence = context.evidence_at(told)
                yield Deviation(f"{place} as it was asked: {was!r}"[:200], repr(now)[:120], evidence, place=told)
        yield from _described(context, kind, submission)
        yield from _fixed(context, kind, submission)


def _ended(context: ResponseContext, kind: Kind) -> Iterator[Deviation | None]:
    """Yield a deviation for words of a success that are not those of the chosen variant."""
    for pointer, variant in kind.ended.items():
        wanted, got = context.target.variants[variant], at(context.body, pointer)
        yield EXAMINED
        if got is not None and got != wanted:
            yield Deviation(repr(wanted), repr(got)[:120], context.evidence_at(pointer), place=pointer)


def _fixed(context: ResponseContext, kind: Kind, submission: Submission) -> Iterator[Deviation | None]:
    """Yield a deviation for values that are the same for every task, and for values that must be null because the
    request did not give them."""
    for pointer, wanted in kind.constants.items():
        got = at(context.body, pointer)
        yield EXAMINED
        if got is not None and got != wanted:
            yield Deviation(repr(wanted), repr(got)[:120], context.evidence_at(pointer), place=pointer)
    for asked, told in kind.nulls.items():
        got = at(context.body, told)
        yield EXAMINED
        if at(submission.body, asked) in (None, "") and got not in (None, ""):
            yield Deviation(f"null: {asked} was not given", repr(got)[:120], context.evidence_at(told), place=told)


def _described(context: ResponseContext, kind: Kind, submission: Submission) -> Iterator[Deviation | None]:
    """Yield a deviation for each value that differs from the contract's row of the requested model."""
    contract = context.target.contract
    catalogue, body = contract.behaviour.catalogue, submission.body
    named = body.get(catalogue.member) if catalogue is not None and isinstance(body, Mapping) else None
    named = contract.models_by_operation.get(submission.operation, named)
    row = contract.models.get(str(named))
    if row is None:
        return
    for pointer, column in kind.described.items():
        got = at(context.body, pointer)
        yield EXAMINED
        if got is not None and row.get(column) is not None and got != row[column]:
            evidence = Evidence("inferred", "the contract's row of the model")
            yield Deviation(f"{column} {row[column]!r} of {named}", repr(got)[:120], evidence, place=pointer)


def _of(wanted: Any, got: Any) -> Any:
    """Return `got` without the members that are not in `wanted`: a server may fill in defaults."""
    if isinstance(wanted, Mapping) and isinstance(got, Mapping):
        return {name: _of(wanted[name], got[name]) for name in got if name in wanted}
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        return [_of(one, other) for one, other in zip(wanted, got, strict=True)]
    return got
