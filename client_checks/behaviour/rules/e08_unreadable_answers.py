"""E8: an answer that is not JSON is a temporary failure for a read."""

from swapmock.client_checks.behaviour.model import Findings, Meaning, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.reading import ended_at_its_deadline, ended_with_success
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client survives a poll that is answered with a page."""
    for one in case.of(Role.POLL, Role.DETECT_POLL):
        is_unreadable = one.meaning is Meaning.AMBIGUOUS and one.status is not None and one.delivered == "whole"
        run = next(each for each in case.runs if each.number == one.run)
        if not is_unreadable or run.ended != "exit" or one.fault == "redirect":
            continue
        more = [
            other for other in case.of(one.role, run=one.run) if other.number > one.number and other.asked == one.asked
        ]
        if more or ended_with_success(case, one.run):
            yield kept("it asked again", one, *more[:1])
        elif not ended_at_its_deadline(case, run):
            yield broken("one answer that is no JSON ended the job", one, losses={"results_lost": 1})


RULE = Rule(
    id="E8",
    title="an answer that is not JSON, or is empty, is a temporary failure for reads",
    levels=SHOULD,
    sources={
        "crun": "a client saw HTTP 502 with a page of the gateway; practice",
        "imgopen": "practice: gateways answer with pages of their own",
    },
    looks_at="polls that were answered with a page, broken JSON or nothing, and whether another poll follows",
    good="catch the parse error of a poll, wait, and ask again until the job's deadline",
    bad="e8_ends_on_a_page",
    judge=judge,
)
