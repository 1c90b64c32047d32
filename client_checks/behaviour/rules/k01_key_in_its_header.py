"""K1: the key is sent in its header and nowhere else."""

import json

from swapmock.client_checks.behaviour.model import Exchange, Findings, Observations, Role, broken, kept
from swapmock.client_checks.behaviour.providers import PROVIDERS
from swapmock.client_checks.behaviour.rule import MUST, Rule


def judge(case: Observations) -> Findings:
    """Judge where the client sends and writes its key."""
    if not case.exchanges:
        return
    places = [place for one in case.exchanges if (place := _shown(case, one))]
    for one, where in places[:1]:
        yield broken(f"the key is in {where}", one)
    for run in case.runs:
        if any(secret in run.stdout + run.stderr for secret in case.secrets):
            yield broken(f"the key is in the output of run {run.number}")
            return
    if any(secret in (task.callback_url or "") for task in case.tasks for secret in case.secrets):
        yield broken("the key is in a callback URL")
    elif not places:
        yield kept("the key is only in its header", case.exchanges[0])


def _shown(case: Observations, one: Exchange) -> tuple[Exchange, str] | None:
    headers = PROVIDERS[case.provider].secret_headers
    if one.role is Role.MEDIA and any(secret in value for value in one.headers.values() for secret in case.secrets):
        return one, "the request for a medium, which is on another host"
    if one.operation == "flux_text2image":
        return None  # the vendor's page lists the keys under query parameters
    if any(secret in one.target for secret in case.secrets):
        return one, "a URL"
    if one.body is not None and any(secret in json.dumps(one.body) for secret in case.secrets):
        return one, "a body"
    others = [
        name
        for name, value in one.headers.items()
        if name not in headers and any(secret in value for secret in case.secrets)
    ]
    return (one, f"the header {others[0]}") if others else None


RULE = Rule(
    id="K1",
    title="sends the key only in its header: not in URLs, callbacks, output or media requests",
    levels=MUST,
    sources={
        "crun": "seed 000: keep your API key secure and do not share it with others",
        "imgopen": "seed 004: the two keys are headers of the API's requests",
    },
    looks_at="every request, the output of every run, callback URLs",
    good="send the header with requests to the API only; download with a client that has no default headers",
    bad="k1_shows_the_key_to_the_media_host",
    judge=judge,
)
