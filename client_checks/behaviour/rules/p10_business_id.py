"""P10: `businessTaskId` is unique for each job and is used to ask for a task after a doubtful submission."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Level, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import doubtful_creates, without_ids
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge the caller's own ids of submissions."""
    first: dict[tuple[str, str], Exchange] = {}
    for one in case.of(Role.CREATE):
        if one.business_id is None:
            continue
        known = first.setdefault((one.operation, one.business_id), one)
        if without_ids(known.body, case.provider) != without_ids(one.body, case.provider):
            yield broken(f"two jobs share the businessTaskId {one.business_id!r}", known, one)
            return
    for doubtful, _ in doubtful_creates(case):
        if doubtful.business_id is None or any(run.ended_by_us for run in case.runs):
            continue
        asks = [
            one
            for one in case.exchanges
            if one.number > doubtful.number and one.is_poll and one.asked == doubtful.business_id
        ]
        if asks:
            yield kept("it asked by its own id", doubtful, asks[0])
        else:
            yield broken("in doubt it never asked by its businessTaskId", doubtful, losses={"results_lost": 1})


RULE = Rule(
    id="P10",
    title="`businessTaskId` is unique for each job and used to query a doubtful submission",
    levels={"imgopen": Level.SHOULD},
    sources={"imgopen": "seed 004: businessTaskId is required; docs-en 202222086: the query takes it"},
    looks_at="the ids of submissions, and queries after a submission whose answer was lost",
    good="make an id for each job, store it before the submission, and query by it if the answer is lost",
    bad="p10_never_asks_by_its_id",
    judge=judge,
)
