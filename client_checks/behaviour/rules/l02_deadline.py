"""L2: the client stops at a deadline, with an error."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept, not_declared
from swapmock.client_checks.behaviour.reading import is_over_deadline
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge how the client ends if a task never does."""
    if case.condition.scenario != "stuck" or not case.runs:
        return
    run = case.runs[0]
    polls = [one for one in case.of(Role.POLL, run=1) if one.meaning is Meaning.RUNNING]
    if len(polls) < 2:
        return
    claim = case.claim_of(1)
    if run.ended_by_us:
        over = is_over_deadline(case, run)
        if over is None:
            yield not_declared("deadline")
        elif over:
            yield broken(
                f"it declares a deadline of {case.declaration.deadline:g} s and still asked after {run.finished:.0f} s",
                polls[0],
                polls[-1],
            )
    elif claim is not None and claim.outcome == "succeeded":
        yield broken("the task never ended, and it claims success", polls[-1], losses={"false_successes": 1})
    elif claim is None and run.status == 0 and not (run.stderr.strip() or run.stdout.strip()):
        yield broken("it gave up without a word: exit status 0, no output", polls[-1])
    else:
        yield kept(f"it gave up after {run.finished:.0f} s", polls[0], polls[-1])


RULE = Rule(
    id="L2",
    title="stops at a deadline, with an error",
    levels=SHOULD,
    sources={"crun": "mulmocast#1481: a loop without an end", "imgopen": "mulmocast#1481: a loop without an end"},
    looks_at="a task that never ends: the end of the run, its output and its claim",
    good="use one deadline for each job on a monotonic clock, check it in the loop, and report it at the end",
    bad="l2_polls_for_ever",
    judge=judge,
)
