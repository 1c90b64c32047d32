"""Answers are JSON and say so: no error page, no stack trace, no text."""

from __future__ import annotations

import json
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation


@check("answer.form", "an answer that is not the JSON it should be")
def look(context: ResponseContext) -> Iterator[Deviation]:
    exchange = context.exchange
    if exchange.status is None or exchange.method == "HEAD" or not (context.wants_envelope or exchange.status >= 400):
        return
    kind = (exchange.header("Content-Type") or "").split(";")[0].strip().lower()
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        got = f"{kind or 'no Content-Type'}: {exchange.shown_answer()}"
        yield Deviation("Content-Type application/json", got, context.evidence, place="content-type")
        return
    try:
        json.loads(exchange.answer, parse_constant=_refused)
    except ValueError as error:
        yield Deviation("a JSON document", f"{error}: {exchange.shown_answer()}", context.evidence, place="body")


def _refused(word: str) -> None:
    """Python reads NaN and Infinity, JSON has neither."""
    raise ValueError(f"{word} is not JSON")
