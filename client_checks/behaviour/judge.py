"""Turns observations into verdicts. Each rule looks at each case; a rule that no case tested is reported separately."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from swapmock.client_checks.behaviour.model import (
    CallbackAttempt,
    Exchange,
    Finding,
    Level,
    Mark,
    Observations,
    Role,
    Verdict,
)
from swapmock.client_checks.behaviour.reading import is_bad_media
from swapmock.client_checks.behaviour.rule import Rule

#: The severity of a broken rule of each level, and its verdict.
BROKEN: Mapping[Level, Verdict] = {Level.MUST: Verdict.FAIL, Level.SHOULD: Verdict.WARN, Level.INFO: Verdict.INFO}
WEIGHT: Mapping[Verdict, int] = {
    verdict: weight
    for weight, verdict in enumerate(
        (
            Verdict.NOT_EXERCISED,
            Verdict.NOT_APPLICABLE,
            Verdict.NOT_DECLARED,
            Verdict.PASS,
            Verdict.INFO,
            Verdict.HARNESS_ERROR,
            Verdict.WARN,
            Verdict.FAIL,
        )
    )
}


@dataclass(frozen=True)
class Judgement:
    """The verdict of one rule on one case. `case` is "" if no case tested the rule."""

    rule: str
    level: Level
    verdict: Verdict
    provider: str
    case: str = ""
    text: str = ""
    evidence: tuple[Exchange, ...] = ()
    deliveries: tuple[CallbackAttempt, ...] = ()
    losses: Mapping[str, float] = field(default_factory=dict)
    coupling: str = ""
    scored: bool = True
    known: str = ""


def judge_case(case: Observations, rules: Iterable[Rule]) -> list[Judgement]:
    """Return the verdict of each rule that this case tested, and of each rule that was not declared or does not
    apply."""
    found = []
    for rule in rules:
        level = rule.levels.get(case.provider)
        findings = [] if level is None else list(rule.judge(case))
        if level is not None and findings:
            found.append(_judgement(case, rule, level, findings))
    return found


def _judgement(case: Observations, rule: Rule, level: Level, findings: Sequence[Finding]) -> Judgement:
    verdicts = [(_verdict(finding, level), finding) for finding in findings]
    verdict, finding = max(verdicts, key=lambda pair: WEIGHT[pair[0]])
    by_number = {one.number: one for one in case.exchanges}
    losses: dict[str, float] = {}
    for one_verdict, one in verdicts:
        if one_verdict in (Verdict.FAIL, Verdict.WARN):
            for name, value in one.losses.items():
                losses[name] = max(losses.get(name, 0.0), value)
    return Judgement(
        rule=rule.id,
        level=min(level, finding.capped or level, key=list(reversed(Level)).index),
        verdict=verdict,
        provider=case.provider,
        case=case.case,
        text=finding.text,
        evidence=tuple(by_number[number] for number in finding.evidence if number in by_number),
        deliveries=finding.deliveries,
        losses=losses,
        coupling=f"scaled x{case.rate:g}" if case.coupling == "scaled" else case.coupling,
    )


def _verdict(finding: Finding, level: Level) -> Verdict:
    if finding.mark is Mark.BROKEN:
        return BROKEN[min(level, finding.capped or level, key=list(reversed(Level)).index)]
    words = {
        Mark.KEPT: Verdict.PASS,
        Mark.NOT_DECLARED: Verdict.NOT_DECLARED,
        Mark.NOT_APPLICABLE: Verdict.NOT_APPLICABLE,
    }
    return words[finding.mark]


#: What a client must do so that the rules with this letter apply to it.
ABOUT: Mapping[str, str] = {"C": "callbacks", "R": "downloads", "D": "detection"}


def features(cases: Iterable[Observations]) -> dict[str, bool]:
    """Return what a client was seen to do or declares: callbacks, downloads, detection, uploads, resume, batch."""
    seen = list(cases)
    declared = seen[0].declaration if seen else None
    found = {
        "callbacks": any(task.callback_url for case in seen for task in case.tasks),
        "downloads": any(
            one.method == "GET" and not _is_crop(case, one) for case in seen for one in case.of(Role.MEDIA)
        ),
        "detection": any(case.of(Role.DETECT) for case in seen),
        "uploads": any(case.of(Role.UPLOAD_LINK, Role.UPLOAD) for case in seen),
        "resume": declared is not None and declared.resume is not None,
        "batch": bool(seen) and (seen[0].jobs or 1) > 1,
    }
    for name in ("callbacks", "downloads", "uploads"):
        if declared is not None and getattr(declared, name) and name != "callbacks":
            found[name] = True
    return found


def _is_crop(case: Observations, one: Exchange) -> bool:
    """Return whether a download is the picture of a detected face, which is not a result."""
    return any(
        one.target.split("?")[0] in poll.answer_text for poll in case.of(Role.DETECT_POLL, Role.DETECT)
    ) and not is_bad_media(one)


def unjudged(
    rules: Iterable[Rule],
    provider: str,
    judged: Iterable[Judgement],
    does: Mapping[str, bool],
    declares: Mapping[str, bool],
) -> list[Judgement]:
    """Return a judgement, with the reason, for each of `rules` that no case tested.

    `judged` are the rules that were tested, `does` says what the client was seen to do, `declares` what it
    declares."""
    seen = {one.rule for one in judged if one.verdict not in (Verdict.NOT_APPLICABLE, Verdict.NOT_DECLARED)}
    partly = {one.rule for one in judged} - seen
    found = []
    for rule in rules:
        level = rule.levels.get(provider)
        if rule.id in seen or rule.id in partly:
            continue
        about = "uploads" if rule.id == "R4" else ABOUT.get(rule.id[0])
        if level is None:
            only = ", ".join(rule.levels)
            found.append(
                Judgement(
                    rule.id,
                    next(iter(rule.levels.values())),
                    Verdict.NOT_APPLICABLE,
                    provider,
                    text=f"a rule of {only} only",
                )
            )
        elif about is not None and not does.get(about, False):
            found.append(
                Judgement(rule.id, level, Verdict.NOT_APPLICABLE, provider, text=f"the client has no part in {about}")
            )
        elif missing := [name for name in rule.needs if not declares.get(name, False)]:
            found.append(Judgement(rule.id, level, Verdict.NOT_DECLARED, provider, text=", ".join(missing)))
        else:
            found.append(
                Judgement(
                    rule.id, level, Verdict.NOT_EXERCISED, provider, text="no case that was run put it to the test"
                )
            )
    return found


def by_rule(judgements: Iterable[Judgement]) -> dict[str, Judgement]:
    """Return the worst judgement of each rule."""
    found: dict[str, Judgement] = {}
    for one in judgements:
        if one.rule not in found or WEIGHT[one.verdict] > WEIGHT[found[one.rule].verdict]:
            found[one.rule] = one
    return found


def as_harness_error(one: Judgement, why: str) -> Judgement:
    """Return the judgement as an error of the checks because of `why`: it says nothing about the client."""
    return replace(one, verdict=Verdict.HARNESS_ERROR, text=f"{why} (seen: {one.text})", losses={})
