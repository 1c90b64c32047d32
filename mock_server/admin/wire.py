"""The admin API's wire format: a bearer token if one is set, plain JSON, and errors as RFC 9457 problem details."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.provider import Identity, VendorResponse
from swapmock.mock_server.core.suggest import nearest

if TYPE_CHECKING:
    from swapmock.contracts import Operation, Violation

NAME = "admin"
PROBLEM_HEADER = ("content-type", "application/problem+json")

#: The name of a Problem -> its HTTP status, and the `detail` of a Problem without a message.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "moved": (307, "moved"),
    "invalid": (400, "the request breaks the contract of the admin API"),
    "unauthorized": (
        401,
        "the admin API needs its token: Authorization: Bearer TOKEN (the server prints the token at its start)",
    ),
    "not_found": (404, "not found"),
    "endpoint_not_found": (404, "the admin API has no such path; GET /__admin lists its operations"),
    "method_not_allowed": (405, "this path does not allow that method; GET /__admin lists the operations"),
    "timed_out": (408, "the condition did not hold in time"),
    "conflict": (409, "the present state does not allow this"),
    "too_large": (413, "the body is too large"),
    "server_error": (500, "this is a bug in swapmock; see the server's log"),
    "store_failed": (503, "the store failed; what this call asked for may not have happened"),
}


def bearer_authentication(token: str) -> Callable[[bool, Mapping[str, str], Mapping[str, Any], Store], Identity]:
    """Return an `authenticate` function for Provider. It requires `token` as a bearer token, or nothing if `token`
    is empty."""

    def authenticate(is_public: bool, headers: Mapping[str, str], params: Mapping[str, Any], store: Store) -> Identity:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        right = scheme.lower() == "bearer" and hmac.compare_digest(shown.strip().encode(), token.encode())
        return Identity(str(params.get("sandbox", "")), None if not token or right else "unauthorized")

    return authenticate


def authorize(headers: Mapping[str, str], variants: Mapping[str, Any]) -> str | None:
    """Return None: no variant changes who may use the admin API."""
    return None


def render(reply: Reply, variants: Mapping[str, Any]) -> VendorResponse:
    """Return a success with the reply's data as JSON."""
    return VendorResponse(reply.status, reply.data, None, reply.headers)


def render_problem(problem: Problem, variants: Mapping[str, Any]) -> VendorResponse:
    """Return the problem as problem details."""
    status, said = PROBLEMS[problem.name]
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": problem.message or said,
    }
    errors = problem.details.get("errors") or [
        error((), text.removeprefix("body: "), "body") for text in problem.errors
    ]
    if errors:
        document["errors"] = errors
        document["detail"] = "; ".join(f"{error['pointer'] or 'body'}: {error['detail']}" for error in errors)
    challenge = (("www-authenticate", "Bearer"),) if problem.name == "unauthorized" else ()
    return VendorResponse(status, document, None, (PROBLEM_HEADER, *challenge, *problem.headers))


def error(place: Sequence[str | int], detail: str, rule: str = "value") -> dict[str, str]:
    """Return one entry of a problem's `errors`. `place` is the path of names and indexes from the body to the value."""
    pointer = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)
    return {"pointer": pointer, "rule": rule, "detail": detail}


def invalid(place: Sequence[str | int], detail: str, rule: str = "value") -> Problem:
    """Return a Problem for a value that the schema allows but that is wrong; `place` as for `error`."""
    return Problem("invalid", details={"errors": [error(place, detail, rule)]})


def not_found(what: str, name: object) -> Problem:
    """Return a Problem for a missing thing: `what` is its kind, `name` is the name in the request."""
    return Problem("not_found", message=f"no {what} {str(name)[:100]!r} here")


def explain_violations(
    operation: Operation, body: Any, violations: Sequence[Violation], variants: Mapping[str, Any]
) -> Problem | None:
    """Return a Problem `invalid` with one entry in `errors` for each of `violations` of the contract in `body`."""
    errors = []
    for violation in violations:
        part, *place = violation.place
        where = [*place] if part == "body" else [part, *place]
        errors.append(error(where, sentence(violation, operation), violation.rule))
    return Problem("invalid", details={"errors": errors})


def sentence(violation: Violation, operation: Operation) -> str:
    """Return what is wrong with one value, in a sentence that tells the caller what to change."""
    rule, expected, got = violation.rule, violation.expected, violation.got
    if rule == "required":
        return "is missing"
    if rule == "additionalProperties":
        return _unknown(violation, operation)
    if rule == "type":
        return f"should be {' or '.join([expected] if isinstance(expected, str) else expected)}, not {_shown(got)}"
    if rule in ("enum", "const"):
        known = expected if rule == "enum" else [expected]
        return f"should be one of {', '.join(map(_shown, known))}, not {_shown(got)}"
    if rule == "pattern":
        said = _description(violation, operation)
        return f"should be {said}, not {_shown(got)}" if said else f"should match {expected}, not {_shown(got)}"
    if rule in ("minProperties", "maxProperties"):
        known = ", ".join(_fields(_at(violation, operation, len(violation.place)), operation))
        count = {"minProperties": f"at least {expected}", "maxProperties": f"at most {expected}"}[rule]
        return f"should have {count} of {known or 'these'}"
    return f"breaks {rule} {_shown(expected)}: {_shown(got)}"


def _unknown(violation: Violation, operation: Operation) -> str:
    name = str(violation.place[-1])
    if violation.place[0] != "body":
        return _choice(name, [str(p["name"]) for p in operation.parameters if p["in"] == violation.place[0]])
    fields = _fields(_at(violation, operation, len(violation.place) - 1), operation)
    within = next((outer for outer, part in fields.items() if name in _fields([part], operation)), None)
    return f"no such field here; it belongs in {within!r}" if within is not None else _choice(name, list(fields))


def _choice(name: str, known: list[str]) -> str:
    near = nearest(name, known)
    return f"no such field; did you mean {near!r}?" if near is not None else f"no such field; known: {', '.join(known)}"


def _at(violation: Violation, operation: Operation, depth: int) -> list[Any]:
    """Return the schemas of the value at the first `depth` steps of a violation's place: several below a `oneOf`."""
    here = _alternatives(operation.body_schema, operation)
    for step in violation.place[1:depth]:
        inner = [
            schema.get("items", {}) if isinstance(step, int) else schema.get("properties", {}).get(step, {})
            for schema in here
        ]
        here = [choice for part in inner for choice in _alternatives(part, operation)]
    return here


def _alternatives(schema: Any, operation: Operation) -> list[Any]:
    schema = operation.contract.resolve(schema)
    return [schema, *(choice for part in schema.get("oneOf", ()) for choice in _alternatives(part, operation))]


def _fields(schemas: Sequence[Any], operation: Operation) -> dict[str, Any]:
    """Return the fields of the objects that `schemas` allow -> the schema of each."""
    choices = [choice for schema in schemas for choice in _alternatives(schema, operation)]
    return {name: part for choice in choices for name, part in choice.get("properties", {}).items()}


def _description(violation: Violation, operation: Operation) -> str | None:
    """Return the description of the schema at a violation's place; None without one."""
    here = _at(violation, operation, len(violation.place))
    return next((str(schema["description"]) for schema in here if "description" in schema), None)


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value).replace("True", "true").replace("False", "false")
    text = "null" if value is None else text
    return text if len(text) <= 80 else text[:79] + "…"
