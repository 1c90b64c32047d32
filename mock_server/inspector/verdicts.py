"""Reports of `swapmock conform` and `swapmock check` as rows for a page. A report comes from outside, so that every
value is checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from swapmock.mock_server.core.runs import Run

#: The most findings and pieces of evidence that a page shows.
MOST_FINDINGS, MOST_EVIDENCE = 500, 50

#: A verdict or grade -> its tone.
TONES: Mapping[str, str] = {
    "fail": "bad", "harness_error": "bad", "warn": "wait", "info": "note", "note": "note", "pass": "good",
}  # fmt: skip

#: The order of tones on a page.
ORDER = ("bad", "wait", "note", "good", "")


class FindingRow(NamedTuple):
    """One finding: `evidence` has the exchanges or the facts that show it; `repeat` is the command that shows it
    again."""

    tone: str
    grade: str
    rule: str
    title: str
    text: str
    where: str
    source: str
    facts: tuple[tuple[str, str], ...]
    evidence: tuple[tuple[str, ...], ...]
    repeat: str


class Verdict(NamedTuple):
    """A run: `outcome` is the exit code of its command, `figures` are pairs of name and value."""

    title: str
    outcome: str
    tone: str
    figures: tuple[tuple[str, str], ...]
    findings: tuple[FindingRow, ...]
    passed: int


def text(value: Any) -> str:
    """Return a value of a report as text."""
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []


def verdict_of(run: Run) -> Verdict:
    """Return what a page shows of a run."""
    report = run.document if isinstance(run.document, Mapping) else {}
    made = _conform(report) if run.kind == "conform" else _check(report)
    found = sorted(made.findings, key=lambda one: ORDER.index(one.tone) if one.tone in ORDER else len(ORDER))
    return made._replace(findings=tuple(found[:MOST_FINDINGS]))


def _tone_of_exit(code: Any) -> str:
    return {"0": "good", "1": "bad"}.get(text(code), "wait")


def _conform(report: Mapping[str, Any]) -> Verdict:
    verdicts = _rows(report.get("verdicts"))
    against = [row for row in verdicts if row.get("verdict") in ("fail", "warn", "info", "harness_error")]
    losses = report.get("losses")
    command = report.get("command")
    return Verdict(
        title=" ".join(map(text, command)) if isinstance(command, list) else "",
        outcome=text(report.get("exit")),
        tone=_tone_of_exit(report.get("exit")),
        figures=tuple((text(k).replace("_", " "), text(v)) for k, v in losses.items())
        if isinstance(losses, Mapping)
        else (),
        findings=tuple(_conform_finding(row) for row in against),
        passed=sum(row.get("verdict") == "pass" for row in verdicts),
    )


def _conform_finding(row: Mapping[str, Any]) -> FindingRow:
    grade = text(row.get("verdict"))
    columns = ("exchange", "at", "method", "target", "status", "code", "meaning", "task", "fault")
    evidence = tuple(
        tuple(text(one.get(name)) for name in columns) for one in _rows(row.get("evidence"))[:MOST_EVIDENCE]
    )
    known = row.get("known")
    return FindingRow(
        tone="note" if known or not row.get("scored", True) else TONES.get(grade, ""),
        grade=grade,
        rule=text(row.get("rule")),
        title=text(row.get("title")),
        text=text(row.get("text")),
        where=" ".join(filter(None, (text(row.get("provider")), text(row.get("case"))))),
        source=text(row.get("source")),
        facts=(("known", text(known)),) if known else (),
        evidence=evidence,
        repeat=text(row.get("repeat")),
    )


def _check(report: Mapping[str, Any]) -> Verdict:
    targets = _rows(report.get("targets"))
    findings = tuple(finding for target in targets for finding in _check_findings(target))
    calls = sum(call for target in targets if isinstance(call := target.get("calls"), int))
    checks = sum(len(_rows(target.get("checks"))) for target in targets)
    return Verdict(
        title=", ".join(f"{text(target.get('provider'))} at {text(target.get('base_url'))}" for target in targets),
        outcome=text(report.get("exit_code")),
        tone=_tone_of_exit(report.get("exit_code")),
        figures=(("calls", text(calls)), ("findings", text(len(findings)))),
        findings=findings,
        passed=max(0, checks - len({one.rule for one in findings})),
    )


def _check_findings(target: Mapping[str, Any]) -> Iterator[FindingRow]:
    for row in _rows(target.get("findings")):
        names = ("expected", "got", "evidence", "where", "count", "known")
        grade = text(row.get("grade"))
        yield FindingRow(
            tone=TONES.get(grade, ""),
            grade=grade,
            rule=text(row.get("id")),
            title=text(row.get("title")),
            text=" ".join(filter(None, (text(row.get("operation")), text(row.get("place"))))),
            where=text(target.get("provider")),
            source=text(row.get("source")),
            facts=tuple((name, text(row[name])) for name in names if row.get(name) not in (None, "")),
            evidence=(),
            repeat=text(row.get("repeat") or row.get("curl")),
        )
