"""The report for a terminal: first the losses, then the proof of each, then what was not judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from swapmock.client_checks.behaviour.judge import Judgement, by_rule
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.reports.document import LOSSES, Result, losses, noticed, polls, proof
from swapmock.client_checks.behaviour.rule import all_rules

COLOURS: Mapping[Verdict, str] = {
    Verdict.FAIL: "red",
    Verdict.WARN: "yellow",
    Verdict.INFO: "cyan",
    Verdict.HARNESS_ERROR: "magenta",
    Verdict.PASS: "green",
}
#: The number of cases of a rule that are shown with their exchanges; the JSON and HTML reports have all.
FULL = 4
SHOWN = (Verdict.FAIL, Verdict.WARN, Verdict.HARNESS_ERROR, Verdict.INFO)


def text(result: Result) -> str:
    """Return the whole report with ANSI colours; `click.echo` removes them if the output is not a terminal."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    for trial in result.trials:
        rate = f", x{trial.coupling.rate:g}" if trial.coupling.rate != 1 else ""
        yield f"{trial.provider}: {len(trial.cases)} cases, time {trial.coupling.kind}{rate}, rules {result.rules}"
        real = sum(case.coupling == "real" for case in trial.cases)
        if trial.coupling.kind == "scaled" and real:
            yield f"{real} of them in real time"
        yield from (f"note: {note}" for note in trial.notes)
    yield ""
    yield from _losses(result)
    for verdict in SHOWN:
        for group in _groups([one for one in result.judgements if one.verdict is verdict]).values():
            yield ""
            yield from _finding(result, group)
    yield ""
    yield from _rest(result)


def _losses(result: Result) -> Iterator[str]:
    found = losses(result.judgements)
    yield click.style("Losses", bold=True)
    for name, what in LOSSES.items():
        value = found[name]
        proof = sorted(
            {
                f"{one.rule} in {one.case}"
                for one in result.judgements
                if one.losses.get(name) and one.verdict in (Verdict.FAIL, Verdict.WARN)
            }
        )
        more = f"   {', '.join(proof[:4])}{' ...' if len(proof) > 4 else ''}" if value else ""
        yield click.style(f"  {value:>8g}  {what}{more}", fg="red" if value else None)
    for trial in result.trials:
        asked, late = polls(trial), noticed(trial)
        yield f"  {asked['sent']:>8}  polls in the plain case of {trial.provider}; one every five seconds would be {asked['reference']}"
        if late is not None:
            yield f"  {late:>8.1f}  seconds until a failure was noticed, at worst"


def _groups(judgements: list[Judgement]) -> dict[tuple[str, str], list[Judgement]]:
    found: dict[tuple[str, str], list[Judgement]] = {}
    for one in judgements:
        found.setdefault((one.rule, one.provider), []).append(one)
    return found


def _finding(result: Result, group: list[Judgement]) -> Iterator[str]:
    first = group[0]
    rule = all_rules()[first.rule]
    head = f"{first.verdict.value.upper()} {first.rule} ({first.level.value}): {rule.title}"
    yield click.style(head, fg=COLOURS[first.verdict], bold=True) + ("" if first.scored else "  (not scored)")
    for one in group[:FULL]:
        yield f"  in {one.case} [{one.coupling}]: {one.text}" + (f"  (known: {one.known})" if one.known else "")
        yield from (f"      {each}" for each in proof(one))
    if len(group) > FULL:
        yield f"  also in {', '.join(one.case for one in group[FULL:])}"
    yield f"  source: {rule.sources.get(first.provider, '')}"
    yield f"  how a good client does it: {rule.good}"
    yield f"  repeat: {result.repeat(first)}"


def _rest(result: Result) -> Iterator[str]:
    worst = by_rule(result.judgements)
    counts: dict[str, list[str]] = {}
    for name, one in worst.items():
        counts.setdefault(one.verdict.value, []).append(name)
    for verdict in Verdict:
        names = counts.get(verdict.value)
        if names:
            yield f"{verdict.value:>15}  {len(names):>3}  {' '.join(sorted(names, key=list(all_rules()).index))}"
    needs = sorted(
        {part.strip() for one in worst.values() if one.verdict is Verdict.NOT_DECLARED for part in one.text.split(",")}
    )
    if needs:
        yield f"not declared: {', '.join(needs)}; `swapmock conform --draft` writes a conform.toml to fill in"
    for trial in result.trials:
        for name, why in trial.errors.items():
            yield click.style(f"case {name} could not be run: {why}", fg="magenta")
        groups: dict[str, list[str]] = {}
        for name, why in trial.left_out.items():
            groups.setdefault(why, []).append(name)
        for why, names in groups.items():
            yield f"not run ({why}): {', '.join(names)}"
    yield from (click.style(f"known failures: {one}", fg="red") for one in result.stale)
    if result.unmet:
        yield click.style(f"required and not exercised: {', '.join(result.unmet)}", fg="red")
    failing, warned = len({one.rule for one in result.failures}), len({one.rule for one in result.warnings})
    yield click.style(f"{failing} rules failed, {warned} warned, in {result.seconds:.0f} s", bold=True)
