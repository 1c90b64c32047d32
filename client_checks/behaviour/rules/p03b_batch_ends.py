"""P3b: after 402 the client does not try the rest of a batch with the same price."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept, not_applicable
from swapmock.client_checks.behaviour.reading import is_parallel, refused
from swapmock.client_checks.behaviour.rule import SHOULD, Rule

#: The real seconds after an answer in which a client with several jobs at a time need not have read it yet.
REACTION = 0.25


def judge(case: Observations) -> Findings:
    """Judge whether a batch goes on after a refusal for missing credits."""
    if (case.jobs or 1) < 2:
        yield not_applicable("one run makes one paid task")
        return
    first = next(iter(refused(case, ("402",), Role.CREATE)), None)
    if first is None:
        return
    # A client with several jobs at a time may have sent the next one before it read the refusal.
    known = first.answered + (REACTION * case.rate if is_parallel(case) else 0.0)
    more = [one for one in case.of(Role.CREATE, run=first.run) if one.at > known and one.operation == first.operation]
    others = [one for one in more if one.key != first.key and _model(one.body) == _model(first.body)]
    if others:
        yield broken(f"after the first 402 it tried {len(others)} more of the same price", first, *others[:3])
    else:
        yield kept("the batch ended with the first 402", first)


def _model(body: object) -> object:
    return body.get("model") if isinstance(body, dict) else None


RULE = Rule(
    id="P3b",
    title="after a 402 the rest of a batch of the same price is not tried",
    levels=SHOULD,
    sources={
        "crun": "follows from 402 (seed 000)",
        "imgopen": "follows from the refusal for lack of quota, whose code is not documented",
    },
    looks_at="submissions after the first 402 of a batch",
    good="stop the queue at the first 402; continue with cheaper jobs, if there are any",
    bad="p3b_goes_on_after_402",
    judge=judge,
)
