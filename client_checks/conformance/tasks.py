"""How a poll names its task, and what is remembered of every submission for the checks that compare several answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from swapmock.client_checks.conformance.context import ResponseContext, Submission
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.strict_json import parsed


def asked_id(context: ResponseContext, kind: Kind) -> str | None:
    """Return the id that a poll asked for, in the query, the body or the path; None if it named none."""
    place, name = kind.asked_at(context.target.contract)
    if place == "path":
        return context.params.get(name)
    if place == "query":
        return next(iter(parse_qs(urlsplit(context.exchange.url).query).get(name, ())), None)
    body = parsed(context.exchange.body)
    value = body.get(name) if isinstance(body, dict) else None
    return None if value is None else str(value)


def polled(context: ResponseContext) -> Iterator[tuple[Kind, Any, str]]:
    """Yield each kind of task in an answer, the status word of the task, and the id that was asked for."""
    if not context.is_success or not context.exchange.has_our_credentials:
        return
    for kind, word in context.polls():
        name = asked_id(context, kind)
        if name is not None:
            yield kind, word, name


def identity(context: ResponseContext, kind: Kind, asked: str) -> str | None:
    """Return a name that identifies a polled task; None if there is none.

    Flows give each task its own name. Generated calls may use a caller's id twice, even for tasks of two tools at
    the same time. Then the server's own id counts, from the answer or from the request."""
    if context.exchange.origin.startswith(("flow", "stateful")):
        return asked
    own = at(context.body, kind.own) if kind.own else None
    if own is not None:
        return str(own)
    return asked if not kind.callers else None


def observe(context: ResponseContext) -> None:
    """Remember an accepted submission under the server's id and the caller's id. If a caller's id is used again, it
    means the new task from now on."""
    history, number = context.history, context.exchange.number
    if number <= history.observed:
        return
    history.observed = number
    if not context.is_success:
        return
    body = parsed(context.exchange.body)
    for kind in context.target.profile.kinds.values():
        if context.operation.id not in kind.submit:
            continue
        callers = [str(name) for pointer in kind.callers for name in every(body, pointer)]
        for name in callers:
            history.forget(kind.name, name)
        own = at(context.body, kind.id)
        for name in [*([] if own is None else [str(own)]), *callers]:
            history.submissions[kind.name, name] = Submission(
                context.exchange.number, context.exchange.at, body, context.operation.id
            )


def without_queries(value: Any) -> Any:
    """Return `value` with the query of every URL removed: a link may be signed again in each answer."""
    if isinstance(value, Mapping):
        return {name: without_queries(item) for name, item in value.items()}
    if isinstance(value, list):
        return [without_queries(item) for item in value]
    if isinstance(value, str) and value.startswith(("http://", "https://")):
        return value.partition("?")[0]
    return value


def shared_part(one: Any, other: Any) -> tuple[Any, Any]:
    """Return two values without the members that only one of them has, and without differences inside their links."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        pairs = {name: shared_part(one[name], other[name]) for name in one if name in other}
        return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        items = [shared_part(*pair) for pair in zip(one, other, strict=True)]
        return [item[0] for item in items], [item[1] for item in items]
    links = [isinstance(value, str) and value.startswith(("http://", "https://")) for value in (one, other)]
    return ("<link>", "<link>") if all(links) else (one, other)


def difference(before: Any, after: Any, place: str = "") -> tuple[str, Any, Any] | None:
    """Return the first place where two values differ, and the value there in each; None if they are equal."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}, key=str):
            found = difference(before.get(name), after.get(name), f"{place}/{name}")
            if found is not None:
                return found
        return None
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            found = difference(one, other, f"{place}/{index}")
            if found is not None:
                return found
        return None
    if before == after and isinstance(before, bool) == isinstance(after, bool):
        return None
    return place, before, after
