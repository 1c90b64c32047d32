"""Headers that the contract demands of an answer are there, in their form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Deviation, Evidence


@check("answer.headers", "a header that is missing or malformed")
def look(context: ResponseContext) -> Iterator[Deviation]:
    answers = {str(status): answer for status, answer in context.operation.spec["responses"].items()}
    answer = context.target.contract.resolve(answers.get(str(context.exchange.status), {}))
    for name, header in answer.get("headers", {}).items():
        header = context.target.contract.resolve(header)
        evidence = Evidence.of(header.get("x-evidence")) or context.evidence
        value = context.exchange.header(name)
        pattern = header.get("schema", {}).get("pattern")
        if value is None and header.get("required"):
            yield Deviation(f"a header {name}", "none", evidence, place=name)
        elif value is not None and pattern and not re.search(pattern, value):
            yield Deviation(f"{name} as {pattern}", value[:80], evidence, place=name)
