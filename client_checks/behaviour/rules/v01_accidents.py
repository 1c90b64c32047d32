"""V1: the client does not rely on details that the contract leaves open."""

from swapmock.client_checks.behaviour.model import Findings, Observations, broken, kept
from swapmock.client_checks.behaviour.reading import falls_short, unless_we_ended_it
from swapmock.client_checks.behaviour.rule import SHOULD, Rule


def judge(case: Observations) -> Findings:
    """Judge whether the client still succeeds if such details change."""
    row = case.condition
    if not row.name.startswith("vary") or case.plain is None or not case.exchanges:
        return
    short = falls_short(case)
    if short:
        what = ", ".join(row.vary.get("names") or ()) or row.about
        text = f"it relied on an accident ({what}): {short}"
        yield from unless_we_ended_it(case, broken(text, case.exchanges[-1], losses={"results_lost": 1}))
    else:
        yield kept("it went as far as without the change", case.exchanges[-1])


RULE = Rule(
    id="V1",
    title="does not rely on details that the contract leaves open",
    levels=SHOULD,
    sources={
        "crun": "RFC 8259 4: members are unordered; evolution practice",
        "imgopen": "RFC 8259 4: members are unordered; evolution practice",
    },
    looks_at="how far the client comes under --vary: order of keys and faces, extra fields, whitespace, forms of numbers, ids, times, header case, chunking",
    good="use a JSON parser, read members by name, treat ids as opaque texts, accept header names in any case",
    bad="v1_matches_text",
    judge=judge,
)
