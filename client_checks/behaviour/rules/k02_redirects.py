"""K2: the key does not follow a redirect to another host."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the key was sent to the host of a redirect."""
    led_away = [one for one in case.exchanges if one.fault == "redirect"]
    if not led_away:
        return
    shown = [
        one
        for one in case.redirected
        if any(secret in value for value in one.headers.values() for secret in case.secrets)
    ]
    if shown:
        yield broken("a redirect to another host took the key along", led_away[0])
    else:
        yield kept("the key stayed with its host", led_away[0])


RULE = Rule(
    id="K2",
    title="does not send the key to the host of a redirect",
    levels=SHOULD,
    sources={
        "crun": "RFC 9110 15.4: remove header fields that are sensitive; curl and requests strip Authorization, but not x-api-key",
        "imgopen": "RFC 9110 15.4: remove header fields that are sensitive",
    },
    looks_at="the request that follows a redirect to another host",
    good="follow no redirect on API calls, or only within the host",
    bad="k2_carries_the_key_along",
    judge=judge,
)
