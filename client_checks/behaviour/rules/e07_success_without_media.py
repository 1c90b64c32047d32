"""E7: a success without media is no success."""

from swapmock.client_checks.behaviour.model import (
    Exchange,
    Findings,
    Meaning,
    Observations,
    Role,
    broken,
    kept,
    not_declared,
)
from swapmock.client_checks.behaviour.providers import PROVIDERS
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client claims success without a result."""
    facts = PROVIDERS[case.provider]
    told = [
        one
        for one in case.of(Role.POLL)
        if one.meaning is Meaning.SUCCEEDED and _has_no_media(case, one, facts.links(one.answer))
    ]
    for run in case.runs:
        seen = [one for one in told if one.run == run.number]
        claim = case.claim_of(run.number)
        if not seen or run.ended == "killed":
            continue
        if claim is None:
            if not run.ended_by_us:
                yield not_declared("verdict")
        elif claim.outcome == "succeeded":
            yield broken(
                "the task succeeded without any link, and it claims success", seen[0], losses={"false_successes": 1}
            )
        else:
            yield kept(f"it claims {claim.outcome}", seen[0])


def _has_no_media(case: Observations, one: Exchange, links: list[str]) -> bool:
    """Return whether a success comes without a link, though that of the plain case has one: some tools answer texts."""
    has_links = case.plain is None or any(
        PROVIDERS[case.provider].links(other.answer)
        for other in case.plain.of(Role.POLL)
        if other.operation == one.operation and other.meaning is Meaning.SUCCEEDED
    )
    return not links and has_links and case.case != "plain"


RULE = Rule(
    id="E7",
    title="a success without media is not success",
    levels=SHOULD,
    sources={
        "crun": "gitroomhq/postiz-app#1809; a success with empty media_urls was seen live once",
        "imgopen": "gitroomhq/postiz-app#1809",
    },
    looks_at="polls that report a success without a link, and the claim",
    good="require at least one link to a result before the job counts as done",
    bad="e7_needs_no_media",
    judge=judge,
    needs=("verdict",),
)
