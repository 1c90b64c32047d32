"""C3: a repeated callback has one effect."""

from swapmock.client_checks.behaviour.model import Findings, Level, Observations, broken, kept, not_declared
from swapmock.client_checks.behaviour.rule import Rule


def judge(case: Observations) -> Findings:
    """Judge how many effects a callback has that is sent more than once."""
    yield from repeated(case, ("callback_duplicate", "callback_out_of_order"))


def repeated(case: Observations, scenarios: tuple[str, ...]) -> Findings:
    """Yield what is wrong with the effects of callbacks that came more than once under these `scenarios`."""
    taken = [one for one in case.attempts if one.reached]
    if case.condition.scenario not in scenarios or len(taken) < 2:
        return
    counts: dict[tuple[str, str], int] = {}
    for told in case.effects:
        counts[(told.task, told.effect)] = counts.get((told.task, told.effect), 0) + 1
    twice = {key: count for key, count in counts.items() if count > 1}
    if twice:
        (task, effect), count = next(iter(twice.items()))
        yield broken(
            f"{effect} of task {task} was done {count} times",
            *[one for one in taken if one.task == task],
            losses={"callbacks_acted_on_twice": sum(count - 1 for count in twice.values())},
        )
    elif counts:
        yield kept("one effect for each task")
    else:
        yield not_declared("effects")


RULE = Rule(
    id="C3",
    title="a repeated callback has one effect",
    levels={"crun": Level.SHOULD, "imgopen": Level.MUST},
    sources={
        "crun": "at-least-once delivery; gumroad#6193",
        "imgopen": "seed 004: retried up to ten times until acknowledged",
    },
    looks_at="effects reported to SWAPMOCK_EFFECT_URL, for callbacks that came twice",
    good="remember which tasks were fulfilled, in the same transaction as the effect",
    bad="c3_fulfils_twice",
    judge=judge,
    needs=("effects",),
)
