"""How an answer says success or error: by the contract's envelope, which may come with HTTP 200, or by HTTP status."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.contracts import Contract

#: The HTTP status of an error whose body code is not an HTTP status.
UNSPECIFIED = 422


@dataclass(frozen=True)
class Envelope:
    """How the answers of one contract say success or error. Body codes are compared with their type: `"200"` is not
    `200`."""

    contract: Contract

    @cached_property
    def member(self) -> str:
        """The member of a JSON answer that holds the body code; "" for a contract without an envelope."""
        declared = self.contract.behaviour.envelope
        return "" if declared is None else declared.code

    @cached_property
    def data(self) -> str:
        """A JSON pointer to the operation's own data in the envelope; "" for the whole answer."""
        declared = self.contract.behaviour.envelope
        return "" if declared is None or not declared.data else f"/{declared.data}"

    @cached_property
    def ok(self) -> Any:
        """The body code of a success; None for a contract without an envelope."""
        declared = self.contract.behaviour.envelope
        return None if declared is None else declared.success

    def code(self, status: int | None, body: Any) -> Any:
        """Return the code of an answer: the body code of `body` (parsed JSON) or, without an envelope, the HTTP status
        of an error. None for an answer without a code."""
        if not self.member:
            return status if status is not None and status >= 400 else None
        return body.get(self.member) if isinstance(body, Mapping) else None

    def refuses(self, body: Any) -> bool:
        """Return whether the envelope in `body` (parsed JSON) says that the call was refused."""
        code = self.code(None, body)
        return code is not None and code != self.ok

    def judged(self, status: int, content: bytes) -> int:
        """Return the HTTP status that an answer counts as: `status`, or the status of the error in the body `content`
        of an HTTP success."""
        if not 200 <= status < 300:
            return status
        body = parsed(content)
        if not self.refuses(body):
            return status
        code = self.code(status, body)
        row = self.contract.behaviour.body_codes.get(code) if isinstance(code, str | int) else None
        if row is not None and row.http >= 400:
            return row.http
        number = int(code) if re.fullmatch("[0-9]{3}", str(code)) else 0
        return number if 400 <= number < 600 else UNSPECIFIED
