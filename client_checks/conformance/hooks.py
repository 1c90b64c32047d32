"""Gives Schemathesis, through its hooks, the rules that OpenAPI cannot express, so that no check must be switched
off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.profile import Profile, applies
from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.contracts import Contract, Operation, Violation, guesses
from swapmock.contracts.leniency import accepted

#: The HTTP status with which an upload store answers if a link is signed for another method.
WRONG_SIGNATURE = 403

#: A function that says whether the provider's rules explain a failure, from the case and its response.
Excuse = Callable[[Any, Any], bool]


def install_hooks(schema: Any, contract: Contract, profile: Profile, variants: Mapping[str, Any] | None = None) -> None:
    """Let `schema` drop failures that the provider's rules explain, and see each answer with the HTTP status that it
    counts as.

    `variants` are the choices that the server is held to; by default the contract's."""
    excused = excuses(contract, profile, contract.behaviour.defaults if variants is None else variants)

    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001 - a hook's signature
        excuse = excused.get(type(failure).__name__)
        return excuse is None or not excuse(case, response)

    schema.hook(filter_failure)


def excuses(
    contract: Contract, profile: Profile, variants: Mapping[str, Any], *, balance_may_end: bool = False
) -> Mapping[str, Excuse]:
    """Return the functions that explain failures, by the name of Schemathesis' failure. With `balance_may_end`, an
    error because of missing credits is explained."""
    lets_anybody_in = profile.anonymous is not None and applies(profile.anonymous, variants)
    envelope = Envelope(contract)
    for_credits = contract.behaviour.refusals.get("insufficient_credits") if balance_may_end else None

    def is_for_credits(case: Any, response: Any) -> bool:
        operation = contract.operations.get(operation_id(case))
        code = envelope.code(response.status_code, parsed(response.content))
        return for_credits is not None and operation is not None and operation.may_cost and code == for_credits.code

    return {
        "IgnoredAuth": lambda *_: lets_anybody_in,
        "MissingHeaderNotRejected": lambda *_: lets_anybody_in,
        "AcceptedNegativeData": lambda case, _: _is_lenient(contract, profile, case, variants),
        "RejectedPositiveData": lambda case, response: (
            is_for_credits(case, response) or _is_domain_refusal(profile, envelope, variants, case, response)
        ),
        "UnsupportedMethodResponse": lambda case, response: (
            (
                response.status_code == profile.wrong_method
                and (not envelope.member or envelope.refuses(parsed(response.content)))
            )
            or (response.status_code == WRONG_SIGNATURE and _is_upload(contract, case))
        ),
        "AllowHeaderMismatch": lambda case, _: _is_upload(contract, case),
    }


def _is_upload(contract: Contract, case: Any) -> bool:
    """Return whether a case uses an upload link. The store knows methods that the link is not signed for, and lists
    them in `Allow`."""
    operation = contract.operations.get(operation_id(case))
    return operation is not None and operation.files == "store"


def _is_domain_refusal(
    profile: Profile, envelope: Envelope, variants: Mapping[str, Any], case: Any, response: Any
) -> bool:
    """Return whether a call was refused for a reason that no schema can express: the error has the profile's code
    and names one of its fields."""
    code = envelope.code(response.status_code, parsed(response.content))
    text = response.content.decode("utf-8", "replace")
    return any(
        code == rule["code"] and applies(rule.get("when"), variants) and any(field in text for field in rule["fields"])
        for rule in profile.domain_refusals.get(operation_id(case), ())
    )


def _is_lenient(contract: Contract, profile: Profile, case: Any, variants: Mapping[str, Any]) -> bool:
    """Return whether a request breaks the contract only in ways that servers accept, such as null for a missing member,
    or only rules that are not applied under the chosen variants."""
    operation = contract.operations.get(operation_id(case))
    if operation is None:
        return False
    violations = list(_broken_parameters(operation, case))
    left, body = violations[:], None
    if operation.takes_json:
        if not isinstance(case.body, dict | list):
            return False
        body = operation.normalize(case.body)
        of_body = operation.check_body(body)
        violations += of_body
        left += accepted(operation, body, of_body, variants)[1]
    left = [violation for violation in left if not _is_opened(contract, profile, violation, variants)]
    return bool(violations) and not guesses.left(operation, body, left, variants)


def _is_opened(contract: Contract, profile: Profile, violation: Violation, variants: Mapping[str, Any]) -> bool:
    """Return whether the chosen variants take away the broken rule, by the profile or by `waives` of the contract."""
    steps = violation.place[1:]
    if any(
        applies(row["when"], variants)
        and steps[:1] == (row["within"],)
        and len(steps) == 2
        and violation.rule in row["rules"]
        for row in profile.opened
    ):
        return True
    got = str(violation.got)[:100].lower()
    return any(
        violation.rule == waiver["rule"]
        and got.startswith(waiver["got"])
        and ("within" not in waiver or waiver["within"] in violation.place)
        for name, variant in contract.behaviour.variants.items()
        for waiver in variant.waives.get(str(variants.get(name)), ())
    )


def _broken_parameters(operation: Operation, case: Any) -> Sequence[Violation]:
    """Return the violations of the parameters in path and query, as texts, which is how they are sent."""
    places = {"path": case.path_parameters, "query": case.query}
    given = {place: {name: _text(value) for name, value in (values or {}).items()} for place, values in places.items()}
    return operation.check_parameters(given)


def _text(value: Any) -> Any:
    """Return a single value as its text in a URL; anything else as it is, which no parameter allows."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def operation_id(case: Any) -> str:
    """Return the operationId of a generated case."""
    return str(case.operation.definition.raw.get("operationId", ""))
