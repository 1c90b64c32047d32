"""L4: one failing poll does not end the job."""

from swapmock.client_checks.behaviour.model import Exchange, Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import TRANSIENT, ended_at_its_deadline, ended_with_success
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client goes on after one poll has failed."""
    for one in case.of(Role.POLL, Role.DETECT_POLL):
        run = next(each for each in case.runs if each.number == one.run)
        if not _fails(one) or run.ended != "exit":
            continue
        more = [other for other in case.of(one.role, run=one.run) if other.number > one.number]
        if more or ended_with_success(case, one.run):
            yield kept("it asked again", one, *more[:1])
        else:
            others = [other for other in case.of(one.role, run=one.run) if _fails(other)]
            text = "one failing poll" if len(others) == 1 else f"{len(others)} failing polls"
            if len(others) < 3 and not ended_at_its_deadline(case, run):
                yield broken(f"{text} ended the job", one, losses={"results_lost": 1})


def _fails(one: Exchange) -> bool:
    is_lost = one.meaning is Meaning.AMBIGUOUS and one.status is None
    is_passing = one.meaning is Meaning.REFUSED and (
        one.refusal in ("500", "501", "503", "429") or one.status in TRANSIENT
    )
    return is_lost or is_passing


RULE = Rule(
    id="L4",
    title="a failing poll does not end the job",
    levels=SHOULD,
    sources={
        "crun": "practice: the task goes on and is paid, whether it is asked for or not",
        "imgopen": "practice: the task goes on, whether it is asked for or not",
    },
    looks_at="polls that were reset or refused with a temporary error, and whether another one follows",
    good="count consecutive failed polls, and end the job as unknown only after several",
    bad="l4_ends_on_one_failing_poll",
    judge=judge,
)
