"""R2: the client checks status, type and length of each download."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.reading import (
    ended_with_success,
    is_bad_media,
    is_unfinished,
    result_fetches,
    what_came,
)
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client accepts a damaged download as a result."""
    fetched = [one for one in result_fetches(case) if one.method == "GET"]
    bad_fetches = [one for one in fetched if is_bad_media(one)]
    if not bad_fetches or not all(is_bad_media(one) for one in fetched):
        return
    bad = {one.digest: one for one in bad_fetches if one.size}
    for file in case.files:
        if file.digest in bad and not is_unfinished(file.path):
            yield broken(
                f"{file.path} holds what came in place of the result ({what_came(bad[file.digest])})",
                bad[file.digest],
                losses={"false_successes": 1},
            )
            return
    if ended_with_success(case):
        yield broken(
            f"nothing usable came ({what_came(bad_fetches[0])}), and it claims success",
            bad_fetches[0],
            losses={"false_successes": 1},
        )
    else:
        yield kept("what came was not taken for a result", bad_fetches[0])


RULE = Rule(
    id="R2",
    title="checks status, type and length of each download",
    levels=SHOULD,
    sources={
        "crun": "RFC 9110 8.6 and 15; grok2api#285: an error page saved as a picture",
        "imgopen": "RFC 9110 8.6 and 15; grok2api#285",
    },
    looks_at="downloads that were refused, cut, empty or a page; the stored files; and the claim",
    good="require 2xx, a media type and the announced length; write to a temporary name and rename at the end",
    bad="r2_saves_whatever_comes",
    judge=judge,
)
