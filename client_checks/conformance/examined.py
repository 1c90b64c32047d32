"""What a run did not examine is reported, and fails the run unless the user allowed it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from swapmock.client_checks.conformance.context import to_finding
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.rules import PARTIAL
from swapmock.client_checks.conformance.target import Target

#: The reason in a report why a part that was not examined fails the run.
WHY = Evidence("documented", "what was not examined is not called clean")


def not_examined(missing: Mapping[str, str], allowed: Sequence[str]) -> Iterator[Finding]:
    """Yield a finding for each part in `missing` (part to reason) that no pattern of `allowed` matches."""
    for what, why in missing.items():
        if not any(fnmatchcase(what, pattern) for pattern in allowed):
            expected = f"{what} examined; --allow-partial '{what}' accepts that it is missing"
            yield to_finding(PARTIAL, "", Deviation(expected, why, WHY, what), None)


def unexercised(target: Target, examined: Mapping[str, int]) -> dict[str, str]:
    """Return the checks that never judged anything, although the provider's contract and profile have something for
    them."""
    return {
        f"check {name}": "it never met anything that it judges"
        for name, count in examined.items()
        if not count and name not in _idle(target)
    }


def _idle(target: Target) -> set[str]:
    """Return the checks that have nothing to judge for this provider."""
    kinds = target.profile.kinds.values()
    has_envelope = target.contract.behaviour.envelope is not None
    given = {
        "code.http": has_envelope,
        "code.known": has_envelope,
        "code.type": has_envelope,
        "refusal.hidden": has_envelope,
        "task.stable": any(kind.fixed for kind in kinds),
        "task.times": any(kind.times for kind in kinds),
        "task.clock": any(kind.times for kind in kinds),
        "task.ids": any(kind.forms or kind.echo for kind in kinds),
        "task.answer": any(kind.answered for kind in kinds),
        "task.echo": any(kind.echoes for kind in kinds),
        "credits.amount": bool(target.profile.account),
        "credits.free": bool(target.profile.account),
        "credits.affordable": bool(target.profile.affordable),
        "credits.agree": any(len(one.operations) > 1 for one in target.profile.estimates.values()),
        "credits.listed": any("sold" in rules for rules in target.profile.lists.values()),
        "link.expiry": bool(target.profile.links),
        "file.range": target.contract.behaviour.files is not None,
        "file.validator": target.contract.behaviour.files is not None,
        "list.page": bool(target.profile.lists),
        "list.detail": bool(target.profile.details),
        "list.contents": any("rows" in rules for rules in target.profile.lists.values()),
        "faces.stable": any(kind.faces for kind in kinds),
        "answer.headers": any(_has_headers(target, name) for name in target.contract.operations),
    }
    return {name for name, has in given.items() if not has}


def _has_headers(target: Target, operation: str) -> bool:
    answers = target.contract.operations[operation].spec["responses"].values()
    return any("headers" in target.contract.resolve(answer) for answer in answers)
