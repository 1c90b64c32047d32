"""C7: the client's callback endpoint answers itself and does not redirect."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether callbacks were answered with a redirect."""
    answered = [one for one in case.attempts if one.status is not None]
    led_away = [one for one in answered if one.status is not None and 300 <= one.status < 400]
    if led_away:
        yield broken(
            f"the callback was answered with HTTP {led_away[0].status}, and senders do not follow", led_away[0]
        )
    elif answered:
        yield kept("the endpoint answered itself")


RULE = Rule(
    id="C7",
    title="the callback endpoint answers without a redirect (3xx)",
    levels=SHOULD,
    sources={
        "crun": "Standard Webhooks: redirects are failures; replicate-javascript#195",
        "imgopen": "Standard Webhooks: redirects are failures; replicate-javascript#195",
    },
    looks_at="the client's answers to callbacks",
    good="register the final URL, with its slash and scheme",
    bad="c7_redirects_callbacks",
    judge=judge,
)
