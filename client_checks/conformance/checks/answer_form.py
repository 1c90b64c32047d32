"""An answer is valid JSON in UTF-8 and is declared as JSON: no repeated names, no NaN, no HTML page, no stack trace, no
plain text."""

from __future__ import annotations

from collections.abc import Iterator

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation
from swapmock.client_checks.conformance.strict_json import why_not_json


@check("answer.form", "an answer that is not the JSON it should be")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each of these rules that the answer breaks."""
    exchange = context.exchange
    if context.operation.files:
        return  # a file store: its error responses are not JSON
    if exchange.status is None or exchange.method == "HEAD" or not (context.wants_json or exchange.status >= 400):
        return
    yield EXAMINED
    kind, _, parameters = (exchange.header("Content-Type") or "").lower().partition(";")
    kind = kind.strip()
    if not (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))):
        got = f"{kind or 'no Content-Type'}: {exchange.shown_answer()}"
        yield Deviation("Content-Type application/json", got, context.evidence, place="content-type")
        return
    listed = context.operation.answer_types(exchange.status)
    if listed and kind not in listed:
        yield Deviation(f"Content-Type {' or '.join(listed)}", kind, context.evidence, place="listed")
    charset = parameters.replace(" ", "").replace('"', "").partition("charset=")[2].partition(";")[0]
    if charset not in ("", "utf-8", "utf8", "us-ascii"):
        got = f"charset {charset[:40]}"
        yield Deviation("JSON in UTF-8 (RFC 8259)", got, context.evidence, place="charset")
    why = why_not_json(exchange.answer)
    if why and not exchange.broken_bound:
        yield Deviation("a JSON document", f"{why}: {exchange.shown_answer()}", context.evidence, place="body")
