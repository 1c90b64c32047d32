"""R1: the client downloads a result before its link expires, and stores the bytes."""

from swapmock.client_checks.behaviour.model import Findings, Observations, Role, broken, kept, not_applicable
from swapmock.client_checks.behaviour.reading import ended_with_success, is_bad_media, is_clean, result_fetches
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the bytes of each result are stored."""
    told = [one for one in case.succeeded_seen if one.role in (Role.POLL, Role.CREATE)]
    if not is_clean(case) or not told:
        return
    fetched = [one for one in result_fetches(case) if not is_bad_media(one) and one.method == "GET"]
    stored = {file.digest for file in case.files}
    if fetched and any(one.digest in stored for one in fetched):
        yield kept("the bytes are on disk", told[0], fetched[0])
    elif fetched:
        yield kept("the bytes were fetched", told[0], fetched[0])
    elif not case.declaration.downloads:
        yield not_applicable("it hands on links and fetches nothing")
    elif ended_with_success(case):
        yield broken("it claims success and has only the link", told[0], losses={"results_lost": 1})


RULE = Rule(
    id="R1",
    title="downloads before the link expires; stores the bytes, not the link",
    levels=SHOULD,
    sources={
        "crun": "links live for a limited time (length not documented); huobao-drama#58",
        "imgopen": "no retention is documented; huobao-drama#58",
    },
    looks_at="downloads after a success, and the stored files",
    good="download at once after the success, into a separate file",
    bad="r1_keeps_the_link",
    judge=judge,
)
