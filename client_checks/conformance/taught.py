"""What Schemathesis cannot know from OpenAPI alone, told to it through its hooks instead of switching checks off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from client_checks.conformance.envelope import Envelope, parsed
from client_checks.conformance.profile import Profile
from contracts import Contract


def teach(schema: Any, contract: Contract, profile: Profile) -> None:
    """Let `schema` drop failures that the provider's own rules explain. Its answers come with judged HTTP statuses."""
    envelope = Envelope(contract)
    excuses: Mapping[str, Callable[[Any, Any], bool]] = {
        "RejectedPositiveData": lambda case, response: _is_domain_refusal(profile, envelope, case, response),
        "UnsupportedMethodResponse": lambda _, response: (
            response.status_code == profile.wrong_method and envelope.refuses(parsed(response.content))
        ),
    }

    def filter_failure(context: Any, failure: Any, case: Any, response: Any) -> bool:  # noqa: ARG001 - a hook's signature
        excuse = excuses.get(type(failure).__name__)
        return excuse is None or not excuse(case, response)

    schema.hook(filter_failure)


def _is_domain_refusal(profile: Profile, envelope: Envelope, case: Any, response: Any) -> bool:
    """Refused for what no schema can say: the refusal has the profile's code and names one of its fields."""
    rule = profile.domain_refusals.get(operation_id(case))
    body = parsed(response.content)
    if rule is None or envelope.code(body) != rule["code"]:
        return False
    text = response.content.decode("utf-8", "replace")
    return any(field in text for field in rule["fields"])


def operation_id(case: Any) -> str:
    """The operationId of a generated case."""
    return str(case.operation.definition.raw.get("operationId", ""))
