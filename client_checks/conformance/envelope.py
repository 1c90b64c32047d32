"""The envelope's own word for a refusal, which may ride on HTTP 200, read by the contract's table of body codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.contracts import Contract

#: What a refusal counts as whose body code says no HTTP status.
UNSPECIFIED = 422


@dataclass(frozen=True)
class Envelope:
    """How one contract's answers say yes and no. Body codes are compared as they are: `"200"` is not `200`."""

    contract: Contract

    @property
    def ok(self) -> Any:
        """The body code of a success."""
        rows = self.contract.behaviour.body_codes
        return next((code for code, row in rows.items() if row.name == "ok"), 200)

    def code(self, body: Any) -> Any:
        """The body code of a parsed answer; None if it has no envelope."""
        return body.get("code") if isinstance(body, Mapping) else None

    def refuses(self, body: Any) -> bool:
        code = self.code(body)
        return code is not None and code != self.ok

    def judged(self, status: int, content: bytes) -> int:
        """The HTTP status that an answer amounts to: its own, or that of the refusal which an HTTP success holds."""
        if not 200 <= status < 300:
            return status
        body = parsed(content)
        if not self.refuses(body):
            return status
        code = self.code(body)
        row = self.contract.behaviour.body_codes.get(code) if isinstance(code, str | int) else None
        if row is not None and row.http >= 400:
            return row.http
        number = int(code) if re.fullmatch("[0-9]{3}", str(code)) else 0
        return number if 400 <= number < 600 else UNSPECIFIED
