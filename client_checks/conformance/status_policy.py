"""Which HTTP statuses may come with a body code, by the variants that a server is held to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from swapmock.client_checks.conformance.findings import Evidence
from swapmock.client_checks.conformance.profile import applies
from swapmock.client_checks.conformance.target import Target


def statuses_for(target: Target, code: Any, variants: Mapping[str, Any]) -> set[int]:
    """Return every HTTP status that may come with `code` under the choices `variants`."""
    behaviour = target.contract.behaviour
    row = behaviour.body_codes[code]
    policy = variants.get("http_status", "code")
    overrides = {refusal.http for refusal in behaviour.refusals.values() if refusal.code == code and refusal.http}
    if policy == "always200":
        usual = 200
    elif isinstance(policy, Mapping):
        usual = int(policy.get(code, row.http))
    else:
        usual = row.http
    extra = {
        int(rule["status"])
        for rule in target.profile.http_overrides
        if rule["code"] == code and applies(rule.get("when"), variants)
    }
    return {usual} | overrides | extra


def is_hidden(context: Any) -> bool:
    """Return whether an error came with an HTTP success status that the policy does not allow for it."""
    code = context.code
    if context.exchange.status is None or not 200 <= context.status < 300 or not context.envelope.refuses(context.body):
        return False
    if not isinstance(code, str | int) or code not in context.target.contract.behaviour.body_codes:
        return False
    return context.status not in statuses_for(context.target, code, context.variants)


def evidence_of(target: Target, code: Any) -> Evidence:
    """Return how well the HTTP status of a code is known. If the code comes with HTTP 200, its status was never seen
    elsewhere."""
    row = target.contract.behaviour.body_codes[code]
    is_unseen = row.name != "ok" and row.http == 200
    return Evidence("inferred" if is_unseen else row.evidence, row.source)
