"""Records of the journal as answers show them: filtered, with readable bodies, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.admin.wire import invalid
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.delivery import Attempt, read_head
from swapmock.mock_server.core.journal import Exchange, Record
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.timetext import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def type_of(record: Record) -> str:
    """Return `exchange`, `transition` or `delivery` (an attempt to send a callback)."""
    if isinstance(record, Exchange):
        return "exchange"
    return "delivery" if isinstance(record, Attempt) else "transition"


def readable(body: bytes, engine: Engine) -> Any:
    """Return the JSON value of `body`, else its text; None for an empty body."""
    if not body:
        return None
    try:
        return engine.json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def attempt_row(attempt: Attempt, engine: Engine) -> dict[str, Any]:
    """Return an attempt with a readable answer and the parts of its heads. Secrets are not masked yet."""
    row = {name: value for name, value in encode(attempt).items() if name not in ("request_head", "answer_head")}
    request, answer = read_head(attempt.request_head), read_head(attempt.answer_head)
    return {
        **row,
        "request_line": request.line,
        "request_headers": _by_name(request.headers),
        "answer_line": answer.line,
        "answer_headers": _by_name(answer.headers),
        "answer": readable(attempt.answer, engine),
    }


def _by_name(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return headers by their names in lower case. The values of a repeated name are joined (RFC 9110 5.3)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def record_row(number: int, record: Record, engine: Engine, mask: Mask) -> dict[str, Any]:
    """Return a record as answers show it, with its number in the journal. `mask` hides secrets."""
    head = {"type": type_of(record), "number": number, "at": record.at, "at_iso": format_timestamp(record.at)}
    if not isinstance(record, Exchange):
        rest = attempt_row(record, engine) if isinstance(record, Attempt) else encode(record)
        return {**mask.value(rest), **head}
    return {
        **head,
        "id": record.id,
        "provider": record.provider,
        "operation": record.operation or None,
        "unmatched": not record.operation,
        "method": record.method,
        "target": mask.text(record.target),
        "status": record.status,
        "code": record.code,
        "task": record.task or None,
        "problem": record.problem or None,
        "fault": mask.text(record.fault) or None,
        "scenario": record.scenario or None,
        "delay": record.delay,
        **({} if record.transfer is None else {"transfer": record.transfer._asdict()}),
        "violations": mask.value([breach._asdict() for breach in record.violations]),
        "request": {
            "headers": dict(mask.headers(record.headers)),
            "body": mask.value(readable(record.body, engine)),
        },
        "response": {
            "headers": dict(mask.headers(record.answer_headers)),
            "body": mask.value(readable(record.answer, engine)),
        },
    }


def numbered(box: Box) -> Iterator[tuple[int, Record]]:
    """Yield the records in the journal, each with its number. The first record ever has the number 1."""
    return enumerate(box.records(), box.dropped() + 1)


#: Query parameter -> the function that returns the value of a record that must equal it.
FILTERS: Mapping[str, Callable[[Record], Any]] = {
    "type": type_of,
    "provider": lambda record: getattr(record, "provider", None),
    "operation": lambda record: getattr(record, "operation", None),
    "method": lambda record: getattr(record, "method", None),
    "status": lambda record: getattr(record, "status", None),
    "code": lambda record: str(getattr(record, "code", None)),
    "task": lambda record: record.task,
    "problem": lambda record: getattr(record, "problem", None),
    "fault": lambda record: getattr(record, "fault", None),
}


def selected(params: Mapping[str, Any], held: Iterable[tuple[int, Record]]) -> list[tuple[int, Record]]:
    """Return the records of `held` that pass the filters in `params`; `after` and `limit` are ignored."""
    since, until = _moment(params, "since"), _moment(params, "until")
    only_unmatched = params.get("unmatched", "0") in ("1", "true", "")
    wanted = [(FILTERS[name], value) for name, value in params.items() if name in FILTERS]
    return [
        (number, record)
        for number, record in held
        if (since is None or record.at >= since)
        and (until is None or record.at < until)
        and (not only_unmatched or (isinstance(record, Exchange) and not record.operation))
        and all(read(record) == value for read, value in wanted)
    ]


def _moment(params: Mapping[str, Any], name: str) -> float | None:
    if name not in params:
        return None
    try:
        return parse_timestamp(params[name])
    except ValueError as error:
        raise invalid(("query", name), str(error)) from None
