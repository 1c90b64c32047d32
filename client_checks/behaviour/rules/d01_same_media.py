"""D1: detection and swap name the same media URL."""

from collections.abc import Mapping
from typing import Any

from swapmock.client_checks.behaviour.model import Exchange, Findings, Level, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.rule import Rule

MEDIA = ("image_url", "video_url", "media_url", "gif_url")


def judge(case: Observations) -> Findings:
    """Judge whether each swap uses the media URL of its detection."""
    results = {detect_id(one): one for one in case.of(Role.DETECT_POLL) if detect_id(one)}
    for swap in case.of(Role.CREATE):
        given = swap.body.get("input") if isinstance(swap.body, Mapping) else None
        poll = results.get(given.get("detect_id")) if isinstance(given, Mapping) else None
        detection = next((one for one in case.of(Role.DETECT) if poll is not None and one.task == poll.task), None)
        if detection is None or not isinstance(given, Mapping) or not media(given):
            continue
        if media(detection.body) & media(given):
            yield kept("detection and swap name the same medium", detection, swap)
        else:
            yield broken("the swap names another medium than its detection", detection, swap)


def detect_id(one: Exchange) -> str | None:
    """Return the id that a finished detection gives for swaps; None without one."""
    data = one.answer.get("data") if isinstance(one.answer, Mapping) else None
    result = data.get("result") if isinstance(data, Mapping) else None
    found = result.get("id") if isinstance(result, Mapping) else None
    return str(found) if found else None


def media(body: Any) -> set[str]:
    """Return the media URLs in a request."""
    return {str(body[name]) for name in MEDIA if name in body} if isinstance(body, Mapping) else set()


RULE = Rule(
    id="D1",
    title="uses the same media URL in detection and swap",
    levels={"crun": Level.MUST},
    sources={"crun": "seed 003: it must match the media URL used for detection"},
    looks_at="the bodies of a detection and of the swap that uses its detect_id",
    good="store the URL with the detect_id, and send both unchanged",
    bad="d1_changes_the_url",
    judge=judge,
)
