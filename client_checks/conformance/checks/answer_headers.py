"""The headers that the contract requires are in the answer and have the right form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

from swapmock.client_checks.conformance.context import EXAMINED, ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("answer.headers", "a header that is missing or malformed")
def look(context: ResponseContext) -> Iterator[Deviation | None]:
    """Yield a deviation for each header that is missing or has the wrong form."""
    answers = {str(status): answer for status, answer in context.operation.spec["responses"].items()}
    key = None if context.exchange.status is None else context.operation.answer_key(context.exchange.status)
    answer = {} if key is None else context.target.contract.resolve(answers[key])
    declared = answer.get("headers", {})
    retry_after = context.exchange.header("Retry-After")
    if retry_after is not None and "retry-after" not in map(str.lower, declared):
        yield EXAMINED
        if not is_retry_after(retry_after):
            expected = "a number of seconds or an HTTP date (RFC 9110)"
            yield Deviation(expected, retry_after[:80], context.evidence, place="Retry-After")
    for name, header in declared.items():
        header = context.target.contract.resolve(header)
        evidence = Evidence.of(header.get("x-evidence")) or context.evidence
        value = context.exchange.header(name)
        yield EXAMINED
        pattern = header.get("schema", {}).get("pattern")
        if value is None and header.get("required"):
            yield Deviation(f"a header {name}", "none", evidence, place=name)
        elif value is not None and name.lower() == "retry-after":
            if not is_retry_after(value):
                yield Deviation("a number of seconds or an HTTP date (RFC 9110)", value[:80], evidence, place=name)
        elif value is not None and pattern and not re.search(pattern, value):
            yield Deviation(f"{name} as {pattern}", value[:80], evidence, place=name)


def is_retry_after(value: str) -> bool:
    """Return whether `value` has one of the two forms that HTTP defines for Retry-After."""
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return True
    try:
        return bool(parsedate_to_datetime(value))
    except (ValueError, TypeError, OverflowError):
        return False
