"""Headers that the contract demands of an answer are there, in their form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from swapmock.client_checks.conformance.context import ResponseContext, check
from swapmock.client_checks.conformance.findings import Breach, Evidence


@check("answer.headers", "a header that is missing or malformed")
def look(seen: ResponseContext) -> Iterator[Breach]:
    answers = {str(status): answer for status, answer in seen.operation.spec["responses"].items()}
    answer = seen.target.contract.resolve(answers.get(str(seen.exchange.status), {}))
    for name, header in answer.get("headers", {}).items():
        header = seen.target.contract.resolve(header)
        evidence = Evidence.of(header.get("x-evidence")) or seen.evidence
        value = seen.exchange.header(name)
        pattern = header.get("schema", {}).get("pattern")
        if value is None and header.get("required"):
            yield Breach(f"a header {name}", "none", evidence, place=name)
        elif value is not None and pattern and not re.search(pattern, value):
            yield Breach(f"{name} as {pattern}", value[:80], evidence, place=name)
