"""The record of a request: its exchange for the journal, its metrics and its log line."""

from __future__ import annotations

import logging
from typing import Any

from swapmock.contracts import Operation, Violation
from swapmock.mock_server.adapters import jsontext
from swapmock.mock_server.admin.explanations import steps
from swapmock.mock_server.admin.masking import Mask
from swapmock.mock_server.core.journal import Breach, Exchange
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.web.messages import Answer, Request

log = logging.getLogger("swapmock")

#: The most bytes of a body that the journal keeps: its first ones.
KEPT_BYTES = 65_536

#: The most bytes that the journal keeps of a value that breaks the contract: its first ones.
KEPT_VALUE = 1000


def begin_exchange(
    box: Box, now: float, provider: str, operation: Operation | None, request: Request, most: int = KEPT_BYTES
) -> Exchange:
    """Return a record of `request`, not yet in the journal, with at most `most` bytes of its body. `now` is sandbox
    time; `operation` is None for a path without one."""
    target = f"{request.path}?{request.query}" if request.query else request.path
    body = request.body if request.whole is None else request.whole
    return Exchange(
        f"x{box.next_number('exchange')}", now, provider, "" if operation is None else operation.id,
        request.method, target, request.headers, body[:most],
    )  # fmt: skip


def end_exchange(box: Box, exchange: Exchange, task: str, answer: Answer) -> None:
    """Complete `exchange` with the answer and the id of its task ("" for none), and add it to the journal."""
    exchange.answer, exchange.delay = answer.body[:KEPT_BYTES], answer.delay
    exchange.status = 0 if answer.connection_fault in ("reset", "hang_up", "garbage") else answer.status
    exchange.answer_headers, exchange.task = tuple(answer.headers), task
    box.record(exchange)


def count_and_log(engine: Engine, exchange: Exchange, box: Box, seconds: float, admin_url: str) -> None:
    """Add the request to the metrics, and write its log line. `seconds` is the real time that it took; `admin_url`
    is the base URL of the admin API, "" for the one that the client used."""
    code = exchange.status if exchange.code is None else exchange.code
    engine.meter.answered(exchange.provider, exchange.operation or "unmatched", str(code), seconds)
    if log.isEnabledFor(logging.INFO):
        _log(engine, exchange, box, code, seconds, admin_url or exchange.base_url)


def _log(engine: Engine, exchange: Exchange, box: Box, code: int | str, seconds: float, admin_url: str) -> None:
    """Write one line: the request, its answer, and for an error the reasons that `why` gives."""
    mask = Mask(engine, box.sandbox)
    reasons = steps(exchange, engine.contracts[exchange.provider], engine)
    facts = {
        "request": exchange.id,
        "task": exchange.task,
        "sandbox": box.sandbox.id,
        "operation": exchange.operation or "unmatched",
        "status": exchange.status,
        "code": exchange.code,
        "seconds": round(seconds, 6),
        "why": mask.text("; ".join(text for text in reasons if not text.startswith("matched "))),
        "outcome": outcome_of(str(code)),
        "page": f"{admin_url}/__admin/sandboxes/{box.sandbox.id}/requests/{exchange.id}",
    }
    log.info("%s %s", exchange.method, mask.text(exchange.target.partition("?")[0]), extra=facts)


def outcome_of(code: str) -> str:
    """Return `good`, `refused` or `failed`, by a body code or an HTTP status; `other` for redirects and the like."""
    return {"2": "good", "4": "refused", "5": "failed", "0": "failed"}.get(code[:1], "other")


def breaches(violations: tuple[Violation | Breach, ...]) -> tuple[Breach, ...]:
    """Return the violations in the form of the journal."""
    return tuple(Breach(v.place, v.rule, v.expected, _shortened(v.got)) for v in violations)


def _shortened(got: Any) -> Any:
    """Return `got`, or the beginning of its JSON text if that is long."""
    if isinstance(got, str | list | dict) and len(text := jsontext.dumps(got)) > KEPT_VALUE:
        return text[:KEPT_VALUE].decode("utf-8", "ignore") + "…"
    return got
