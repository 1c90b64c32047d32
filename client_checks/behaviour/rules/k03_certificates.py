"""K3: a connection with a bad certificate is refused."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client sent a request over such a connection."""
    if not case.condition.tls or case.plain is None or not case.plain.exchanges:
        return
    if case.exchanges:
        yield broken("it sent a request to a server with a self-signed certificate", case.exchanges[0])
    else:
        yield kept("no request was sent")


RULE = Rule(
    id="K3",
    title="refuses a connection with a bad TLS certificate",
    levels=SHOULD,
    sources={
        "crun": "practice; RFC 9110 4.3.4: a client must verify the certificate",
        "imgopen": "practice; RFC 9110 4.3.4: a client must verify the certificate",
    },
    looks_at="requests to a server with a self-signed certificate for another name",
    good="leave verification switched on",
    bad="k3_skips_verification",
    judge=judge,
)
