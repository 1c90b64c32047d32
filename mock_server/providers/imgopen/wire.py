"""Img Open's wire format: the pair of credential headers, the envelope with its text codes, the status policy."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swapmock.contracts import guesses
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.provider import Identity, VendorResponse

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour, Operation, Violation
    from swapmock.contracts.behaviour import Refusal

NAME = "imgopen"
OK = "200"

#: The names of the two credentials, as headers (in lower case) and as query parameters.
HEADERS = ("x-request-req-accesskeyid", "x-request-req-accesskeysecret")
QUERY = ("X-Request-req-accessKeyId", "X-Request-req-accessKeySecret")

#: The operation whose English page lists the credentials as query parameters.
FLUX = "flux_text2image"


def _pair(place: Mapping[str, Any], names: tuple[str, str]) -> tuple[str, str]:
    """Return key and secret; an empty header counts as missing."""
    key, secret = names
    return str(place.get(key, "")).strip(), str(place.get(secret, "")).strip()


def authenticate(is_public: bool, headers: Mapping[str, str], params: Mapping[str, Any], store: Store) -> Identity:
    """Return the sandbox of a request by its key and secret."""
    key, secret = _pair(headers, HEADERS)
    if not key and not secret:
        key, secret = _pair(params, QUERY)
    if not key and not secret:
        return Identity("")  # a variant says whether this is allowed, so `authorize` decides
    if not key or not secret:
        return Identity("", "key_missing")
    found = store.find(NAME, key)
    if found is None:
        return Identity("", "key_unknown")
    sandbox, right, disabled = found
    if not hmac.compare_digest(secret.encode("utf-8", "replace"), right.encode()):
        return Identity(sandbox, "secret_wrong")
    return Identity(sandbox, "key_disabled" if disabled else None)


def authorize(headers: Mapping[str, str], variants: Mapping[str, Any]) -> str | None:
    """Return the problem that a variant makes of the credential; None if there is none."""
    if any(_pair(headers, HEADERS)) or variants["credentials"] == "optional":
        return None
    return None if variants["flux_credentials"] == "query" else "key_missing"


def by_header(handler: Callable[[Call, Any], Reply]) -> Callable[[Call, Any], Reply]:
    """Return the handler for requests whose credentials are in the place where the operation expects them."""

    def handle(call: Call, engine: Any) -> Reply:
        if call.variants["credentials"] == "required" and not any(_pair(call.headers, HEADERS)):
            in_query = call.operation == FLUX and any(_pair(call.params, QUERY))
            if not (in_query and call.variants["flux_credentials"] == "query"):
                raise Problem("key_missing")
        return handler(call, engine)

    return handle


class Wire:
    """Writes answers with the envelope, by the tables of the contract."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour

    def render(self, reply: Reply, variants: Mapping[str, Any]) -> VendorResponse:
        """Return a success in the envelope."""
        body = envelope(reply)
        status = 200 if body["code"] == OK else self._status(body["code"], variants)
        return VendorResponse(status, body, body["code"], reply.headers)

    def render_problem(self, problem: Problem, variants: Mapping[str, Any]) -> VendorResponse:
        """Return an error in the envelope."""
        row = self._behaviour.refusals[problem.name]
        code = str(row.code if problem.code is None else problem.code)
        text = problem.message or row.message
        if row.errors and problem.errors:
            text = f"{text}: {'; '.join(problem.errors)}"
        body: dict[str, Any] = {"code": code, "msg": text}
        form = variants["refusal_data"]
        if form != "absent":
            body["data"] = {"errorMessage": text} if form == "error_message" else None
        status = problem.http or self._refusal_status(row, code, variants)
        return VendorResponse(status, body, code, problem.headers)

    def _refusal_status(self, row: Refusal, code: str, variants: Mapping[str, Any]) -> int:
        if variants["http_status"] != "always200" and row.http is not None:
            return row.http
        return self._status(code, variants)

    def _status(self, code: str, variants: Mapping[str, Any]) -> int:
        policy = variants["http_status"]
        if policy == "always200":
            return 200
        known = self._behaviour.body_codes.get(code)
        contract_status = 200 if known is None else known.http
        return (
            contract_status
            if policy == "code"
            else int(policy.get(int(code) if code.isdigit() else code, contract_status))
        )

    def explain_violations(
        self, operation: Operation, body: Any, violations: Sequence[Violation], variants: Mapping[str, Any]
    ) -> Problem | None:
        """Return a Problem with the violations; None if a variant allows all of them."""
        left = guesses.left(operation, body, violations, variants)
        return Problem("invalid", errors=[sentence(violation) for violation in left]) if left else None


def envelope(reply: Reply) -> dict[str, Any]:
    """Return the body of a success."""
    return {"code": str(reply.code), "msg": reply.message, "data": reply.data}


#: The sentence for a broken rule; for other rules their own name is shown. The vendor's sentences are unknown.
WORDS = {
    "required": "is required",
    "type": "should be of type {expected}",
    "enum": "should be one of {expected}",
    "const": "should be {expected}",
    "minLength": "should have at least {expected} character(s)",
    "maxLength": "should have at most {expected} character(s)",
    "minItems": "should have at least {expected} item(s)",
    "maxItems": "should have at most {expected} item(s)",
    "minimum": "should be at least {expected}",
    "maximum": "should be at most {expected}",
    "format": "should be a valid {expected}",
    "pattern": "should match {expected}",
}


def sentence(violation: Violation) -> str:
    """Return a sentence such as `imageUrl is required`."""
    place = ".".join(map(str, violation.place[1:])) or str(violation.place[0])
    words = WORDS.get(violation.rule, f"breaks the rule {violation.rule}")
    return f"{place} {words.format(expected=_listed(violation.expected))}"


def _listed(expected: Any) -> str:
    return ", ".join(map(str, expected)) if isinstance(expected, list | tuple) else str(expected)
