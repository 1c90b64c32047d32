"""The result of a run as one document, from which every report is made."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from swapmock.client_checks.behaviour.judge import Judgement, by_rule
from swapmock.client_checks.behaviour.model import (
    CallbackAttempt,
    Exchange,
    Level,
    Meaning,
    Observations,
    Role,
    Verdict,
)
from swapmock.client_checks.behaviour.reading import is_bad_media
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.behaviour.trial import Trial

FORMAT = "swapmock-conform/1"
SCHEMA = "urn:swapmock:conform-report:1"
#: The verdicts that mean: a case tested the rule.
EXERCISED = (Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.INFO)
#: The kinds of loss in the order of the report, and what each one counts.
LOSSES: Mapping[str, str] = {
    "credits_paid_twice": "credits paid twice",
    "results_lost": "results lost",
    "false_successes": "false successes",
    "callbacks_acted_on_twice": "callbacks acted on twice",
    "polls_wasted": "polls after the end",
}
#: The usual interval of polls in seconds, as in the vendor's command-line tool.
REFERENCE_INTERVAL = 5.0


@dataclass
class Result:
    """One run of `swapmock conform`: its trials and its options."""

    trials: Sequence[Trial]
    rules: str
    command: tuple[str, ...]
    flags: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    seconds: float = 0.0
    fail_on: str = "must"
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def judgements(self) -> list[Judgement]:
        """All judgements of all trials."""
        return [one for trial in self.trials for one in trial.judgements]

    @property
    def failures(self) -> list[Judgement]:
        """The judgements that fail."""
        return [one for one in self.judgements if one.verdict is Verdict.FAIL and one.scored and not one.known]

    @property
    def warnings(self) -> list[Judgement]:
        """The judgements that warn."""
        return [one for one in self.judgements if one.verdict is Verdict.WARN and one.scored and not one.known]

    def exit_code(self, fail_on: str | None = None) -> int:
        """Return 0 if clean, 1 for findings, 2 if nothing or not every case could run, 3 if something that was required
        was not tested."""
        lowest = self.fail_on if fail_on is None else fail_on
        exercised = [one for one in self.judgements if one.verdict in EXERCISED]
        if not exercised:
            return 2
        if self.failures or self.stale or (lowest == "should" and self.warnings):
            return 1
        if any(trial.errors for trial in self.trials):
            return 2
        return 3 if self.unmet else 0

    def repeat(self, judgement: Judgement) -> str:
        """Return the command that repeats the one case of a judgement."""
        case = ["--case", judgement.case] if judgement.case else []
        return shlex.join(
            ["swapmock", "conform", "--provider", judgement.provider, *case, *self.flags, "--", *self.command]
        )


def unmet(required: Sequence[str], judgements: Sequence[Judgement]) -> tuple[str, ...]:
    """Return those of `required` (rules, or levels for all rules of that level) that were not tested, for each
    provider that was judged."""
    providers = {one.provider for one in judgements}
    missing: list[str] = []
    for name in required:
        found = [_unmet(name, provider, judgements) for provider in sorted(providers)]
        known = [rules for rules in found if rules is not None]
        missing += [rule for rules in known for rule in rules] if known else [name]
    return tuple(dict.fromkeys(missing))


def _unmet(name: str, provider: str, judgements: Sequence[Judgement]) -> list[str] | None:
    """Return what of one requirement `provider`'s cases did not test; None if the provider has no such rule."""
    worst = by_rule(one for one in judgements if one.provider == provider)
    rules = all_rules()
    if name in {level.value for level in Level}:
        of_level = [rule for rule in worst if rules[rule].levels.get(provider) == name]
        wanted = [rule for rule in of_level if worst[rule].verdict is not Verdict.NOT_APPLICABLE]
    elif provider in rules[name].levels:
        wanted = [name]
    else:
        return None
    return [rule for rule in wanted if rule not in worst or worst[rule].verdict not in EXERCISED]


def losses(judgements: Sequence[Judgement]) -> dict[str, float]:
    """Return the losses of a run: the sum over all cases of the worst finding in each."""
    per_case: dict[tuple[str, str], float] = {}
    for one in judgements:
        if one.verdict in (Verdict.FAIL, Verdict.WARN):
            for name, value in one.losses.items():
                per_case[(name, one.case)] = max(per_case.get((name, one.case), 0.0), value)
    totals = dict.fromkeys(LOSSES, 0.0)
    for (name, _), value in per_case.items():
        totals[name] = totals.get(name, 0.0) + value
    return totals


def polls(trial: Trial) -> dict[str, Any]:
    """Return how often the plain case polled, compared with one poll every five seconds."""
    plain = trial.plain
    if plain is None:
        return {"sent": 0, "reference": 0}
    lives = [task.ends - task.created for task in plain.tasks if task.ends is not None]
    return {
        "sent": len(plain.of(Role.POLL, Role.DETECT_POLL)),
        "reference": int(sum(life // REFERENCE_INTERVAL + 1 for life in lives)),
    }


def noticed(trial: Trial) -> float | None:
    """Return the longest time in seconds from the failure of a task to the poll that showed it to the client; None
    if no task failed."""
    found = []
    for case in trial.cases:
        for task in case.tasks:
            reports = [one for one in case.asking(task.id) if one.meaning is Meaning.FAILED]
            if task.phase == "failed" and task.ends is not None and reports:
                found.append(reports[0].answered - task.ends)
    return max(found, default=None)


@cache
def schema() -> Mapping[str, Any]:
    """Return the JSON Schema of the JSON report."""
    text = files("swapmock.client_checks.behaviour.reports").joinpath("report.schema.json").read_text("utf-8")
    found: Mapping[str, Any] = json.loads(text)
    return found


def document(result: Result) -> dict[str, Any]:
    """Return the report as a JSON object; `reports/report.schema.json` describes it."""
    return {
        "format": FORMAT,
        "$schema": SCHEMA,
        "rules": result.rules,
        "command": list(result.command),
        "seconds": round(result.seconds, 1),
        "exit": result.exit_code(),
        "losses": losses(result.judgements),
        "providers": [_trial(trial) for trial in result.trials],
        "verdicts": [_verdict(result, one) for one in result.judgements],
        "required": list(result.required),
        "unmet": list(result.unmet),
        "stale": list(result.stale),
        **result.extra,
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "provider": trial.provider,
        "time": trial.coupling.kind,
        "rate": trial.coupling.rate,
        "notes": trial.notes,
        "polls": polls(trial),
        "seconds_until_failure_noticed": noticed(trial),
        "cases": [_case(case) for case in trial.cases],
        "not_run": trial.left_out,
        "errors": trial.errors,
    }


def _case(case: Observations) -> dict[str, Any]:
    return {
        "case": case.case,
        "about": case.condition.about,
        "time": case.coupling,
        "rate": case.rate,
        "runs": [
            {"ended": run.ended, "status": run.status, "seconds": round(run.finished - run.started, 1)}
            for run in case.runs
        ],
        "claims": [
            {"outcome": claim.outcome, "task": claim.task, "reason": claim.reason, "channel": claim.channel}
            for claim in case.claims
        ],
        "exchanges": len(case.exchanges),
        "paid_tasks": len(case.paid),
        "credits": sum(task.captured for task in case.tasks),
    }


def _verdict(result: Result, one: Judgement) -> dict[str, Any]:
    rule = all_rules()[one.rule]
    return {
        "rule": one.rule,
        "title": rule.title,
        "level": one.level.value,
        "verdict": one.verdict.value,
        "case": one.case,
        "provider": one.provider,
        "text": one.text,
        "evidence": [exchange_row(each) for each in one.evidence],
        "deliveries": [delivered(each) for each in one.deliveries],
        "losses": dict(one.losses),
        "source": rule.sources.get(one.provider, ""),
        "time": one.coupling,
        "scored": one.scored,
        "known": one.known,
        "repeat": result.repeat(one)
        if one.verdict in (Verdict.FAIL, Verdict.WARN, Verdict.INFO, Verdict.HARNESS_ERROR)
        else "",
    }


def exchange_row(one: Exchange) -> dict[str, Any]:
    """Return an exchange as evidence. Headers and bodies are left out, so that it contains no secrets."""
    return {
        "exchange": one.number,
        "run": one.run,
        "at": round(one.at, 2),
        "answered": round(one.answered, 2),
        "method": one.method,
        "target": one.target.partition("?")[0] if one.role is not Role.POLL else one.target,
        "operation": one.operation,
        "status": one.status,
        "code": one.refusal,
        "meaning": one.meaning.value if one.role is not Role.MEDIA else ("bad media" if is_bad_media(one) else "media"),
        "task": one.task,
        "fault": one.fault,
    }


def delivered(one: CallbackAttempt) -> dict[str, Any]:
    """Return an attempt to deliver a callback as evidence."""
    return {
        "delivery": one.delivery,
        "attempt": one.number,
        "task": one.task,
        "event": one.event,
        "at": round(one.at, 2),
        "seconds": round(one.seconds, 2),
        "status": one.status,
        "failure": one.failure,
    }


def proof(one: Judgement) -> list[str]:
    """Return the exchanges and the deliveries that prove the judgement `one`, one line each."""
    return [*map(line, one.evidence), *map(line_of_delivery, one.deliveries)]


def line_of_delivery(one: CallbackAttempt) -> str:
    """Return an attempt to deliver a callback, `one`, as one line of a report."""
    answer = "no answer" if one.status is None else f"HTTP {one.status} after {one.seconds:.1f} s"
    more = f", {one.failure}" if one.failure else ""
    return f"callback {one.delivery}, attempt {one.number}, {one.at:7.1f} s  {one.event} of task {one.task}  ->  {answer}{more}"


def line(one: Exchange) -> str:
    """Return an exchange as one line of a report."""
    answer = "no answer" if one.status is None else f"HTTP {one.status}"
    details = ", ".join(
        part
        for part in (
            f"code {one.refusal}" if one.refusal else "",
            one.meaning.value,
            one.delivered if one.delivered != "whole" else "",
            f"task {one.task}" if one.task else "",
        )
        if part
    )
    target = one.target.partition("?")[0]
    return f"#{one.number} run {one.run}, {one.at:7.1f} s  {one.method} {target}  ->  {answer} ({details})"
