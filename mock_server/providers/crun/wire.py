"""crun.ai's wire format: the key header, the envelope, the status policy, and pydantic's error messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from swapmock.contracts import guesses
from swapmock.mock_server.core.call import Problem, Reply
from swapmock.mock_server.core.ports import Store
from swapmock.mock_server.core.provider import Identity, VendorResponse

if TYPE_CHECKING:
    from swapmock.contracts import Behaviour, Operation, Violation

NAME = "crun"


def bearer_token(headers: Mapping[str, str]) -> str:
    """Return the token in the Authorization header; "" without one."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def authenticate(is_public: bool, headers: Mapping[str, str], params: Mapping[str, Any], store: Store) -> Identity:
    """Return the sandbox of a request by its key."""
    if is_public:
        return Identity(store.owner(str(params.get("file_name", ""))) or "")
    key = headers.get("x-api-key", "").strip() or bearer_token(headers)
    if not key:
        return Identity("", "key_missing")
    found = store.find(NAME, key)
    if found is None:
        return Identity("", "key_unknown")
    return Identity(found[0], "key_disabled" if found[2] else None)


def authorize(headers: Mapping[str, str], variants: Mapping[str, Any]) -> str | None:
    """Return the problem that a variant makes of the credential; None if there is none."""
    if variants["bearer"] == "refuse" and not headers.get("x-api-key", "").strip():
        return "key_missing"
    return None


class Wire:
    """Writes answers with the envelope, by the tables of the contract."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._waives = {name: variant.waives for name, variant in behaviour.variants.items() if variant.waives}

    def render(self, reply: Reply, variants: Mapping[str, Any]) -> VendorResponse:
        """Return a success in the envelope."""
        if reply.is_empty:
            return VendorResponse(reply.status, None, None, reply.headers)
        code = reply.code
        body = {"code": code, "message": reply.message, "data": reply.data}
        if code == 200:
            return VendorResponse(200, body, code, reply.headers)
        status = self._status(code, variants)
        return VendorResponse(status, body, code, reply.headers, self._usual(code, status, variants))

    def render_problem(self, problem: Problem, variants: Mapping[str, Any]) -> VendorResponse:
        """Return an error in the envelope."""
        row = self._behaviour.refusals[problem.name]
        code = row.code if problem.code is None else problem.code
        if problem.name == "key_disabled" and variants["disabled_key"] != code:
            return self.render_problem(Problem("key_unknown", headers=problem.headers), variants)
        body: dict[str, Any] = {"code": code, "message": problem.message or row.message}
        if row.errors:
            body["errors"] = list(problem.errors)
        if row.data == "null":
            body["data"] = None
        elif row.data is not None:
            amount = problem.details.get(row.data, 0)
            body["data"] = {row.data: ceil(amount) if variants["credits_number"] == "integer" else amount}
        status = row.http or problem.http or self._status(code, variants)
        if problem.name == "task_not_found" and row.http is None and variants["task_not_found_http"] == 200:
            status = 200
        if status == 200 and body.get("data", "") is None:
            del body["data"]  # in the published schemas of a 200, this is an object or missing
        return VendorResponse(status, body, code, problem.headers, self._usual(code, status, variants))

    def _status(self, code: int | str, variants: Mapping[str, Any]) -> int:
        policy = variants["http_status"]
        if policy == "always200":
            return 200
        contract_status = self._by_code(code)
        return contract_status if policy == "code" else int(policy.get(code, contract_status))

    def _by_code(self, code: int | str) -> int:
        known = self._behaviour.body_codes.get(code)
        return 200 if known is None else known.http

    def _usual(self, code: int | str, status: int, variants: Mapping[str, Any]) -> int | None:
        """Return the HTTP status of the contract's table, if the user's own map has replaced it; else None."""
        policy = variants["http_status"]
        return None if isinstance(policy, str) or policy.get(code) != status else self._by_code(code)

    def explain_violations(
        self, operation: Operation, body: Any, violations: Sequence[Violation], variants: Mapping[str, Any]
    ) -> Problem | None:
        """Return a Problem with the violations in pydantic's sentences; None if variants allow all of them."""
        opened = variants["model_limits"] == "open" and _limits_are_observed(operation, body)
        left = [v for v in violations if not (opened and _is_limit(v)) and not self._is_waived(v, variants)]
        left = [*guesses.left(operation, body, left, variants)]
        if not left:
            return None
        unknown = next((v for v in left if v.rule == "discriminator"), None)
        if unknown is not None:
            return unknown_model(unknown.got, variants)
        model = body.get("model") if isinstance(body, dict) else None
        return Problem("invalid", errors=[sentence(violation, model) for violation in left])

    def _is_waived(self, violation: Violation, variants: Mapping[str, Any]) -> bool:
        for name, waives in self._waives.items():
            for waiver in waives.get(str(variants[name]), ()):
                fits = violation.rule == waiver["rule"] and str(violation.got)[:100].lower().startswith(waiver["got"])
                if fits and ("within" not in waiver or waiver["within"] in violation.place):
                    return True
        return False


#: Rules that limit a value of a known type.
LIMITS = ("maxLength", "maxItems", "minimum", "maximum", "enum", "pattern", "not")


def _is_limit(violation: Violation) -> bool:
    """Return whether a field of `input` itself is beyond a limit; this does not include media URLs."""
    return violation.place[1:2] == ("input",) and len(violation.place) == 3 and violation.rule in LIMITS


def _limits_are_observed(operation: Operation, body: Any) -> bool:
    """Return whether the limits of the model that `body` names were observed at clients and not documented."""
    if not operation.takes_json:
        return False
    schemas, model = operation.contract.components["schemas"], body.get("model") if isinstance(body, dict) else None
    mapping = operation.body_schema.get("discriminator", {}).get("mapping", {})
    if not isinstance(model, str) or model not in mapping:
        return False
    reference = operation.branch_schema(model)["properties"]["input"]["$ref"]
    return bool(schemas[reference.rpartition("/")[2]]["x-evidence"]["level"] == "observed")


def unknown_model(model: object, variants: Mapping[str, Any]) -> Problem:
    """Return the Problem for a model that is not in the catalogue: 422 by the spec's enum, 404 by one client's
    report."""
    if variants["unknown_model"] == 404:
        return Problem("model_not_found")
    name = str(model)[:100]
    return Problem("invalid", errors=[f"model: Input should be a known model, not '{name}' (see job/Models)"])


def invalid_input(model: str, place: str, message: str) -> Problem:
    """Return the Problem for a value of `input` that the rules of its model forbid. `place` is the field, `message`
    the rule."""
    return Problem("invalid", errors=[_input_sentence(model, place, message)])


def _input_sentence(model: object, place: str, message: str) -> str:
    where = f"{place}: " if place else ""
    return f"Value error, Invalid input for model {model}: {where}{message}"


def sentence(violation: Violation, model: object) -> str:
    """Return the sentence of FastAPI and pydantic. Errors inside `input` name the model (spec: nano-banana-pro)."""
    message = _message(violation)
    steps = [str(step) for step in violation.place[1:]]
    if steps[:1] == ["input"] and len(steps) > 1 and isinstance(model, str):
        return _input_sentence(model, ".".join(steps[1:]), message)
    return f"{'.'.join(steps) or violation.place[0]}: {message}"


_TYPES = {
    "string": "Input should be a valid string",
    "integer": "Input should be a valid integer",
    "number": "Input should be a valid number",
    "boolean": "Input should be a valid boolean",
    "object": "Input should be a valid dictionary",
    "array": "Input should be a valid list",
}


def _message(violation: Violation) -> str:
    rule, expected, got = violation.rule, violation.expected, violation.got
    if rule == "required":
        return "Field required"
    if rule == "type":
        kind = expected if isinstance(expected, str) else next(k for k in expected if k != "null")
        return _TYPES[kind]
    if rule in ("enum", "const"):
        return f"Input should be {_listed(expected if rule == 'enum' else [expected])}"
    if rule in ("minLength", "maxLength"):
        return f"String should have at {'least' if rule == 'minLength' else 'most'} {_counted(expected, 'character')}"
    if rule in ("minItems", "maxItems"):
        bound = "least" if rule == "minItems" else "most"
        return f"List should have at {bound} {_counted(expected, 'item')} after validation, not {len(got)}"
    if rule in ("minimum", "maximum"):
        return f"Input should be {'greater' if rule == 'minimum' else 'less'} than or equal to {expected}"
    if rule == "not" and isinstance(expected, Mapping) and "const" in expected:
        return f"Input should not be {_listed([expected['const']])} with the other values given"
    if rule == "format" and expected == "uri":
        return "Input should be a valid URL"
    if rule == "pattern":
        return _pattern_message(str(expected))
    if rule in ("json", "content_type", "too_large"):
        return str(expected)
    return f"Input breaks the rule {rule}"


def _pattern_message(pattern: str) -> str:
    if "https?" in pattern:
        return "URL scheme should be 'http' or 'https'"
    return (
        "Input should be text without control characters"
        if "\\x00" in pattern or "\\u0000" in pattern
        else (f"String should match pattern '{pattern}'")
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _listed(values: Sequence[Any]) -> str:
    texts = [f"'{value}'" if isinstance(value, str) else str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} or {texts[-1]}"
