"""Reports for programs (JUnit XML, SARIF 2.1.0, a GitHub step summary), and one self-contained HTML page."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

from swapmock.client_checks.behaviour.judge import Judgement, by_rule
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.reports.document import LOSSES, Result, document, losses, noticed, polls, proof
from swapmock.client_checks.behaviour.rule import all_rules
from swapmock.client_checks.report.page import inspector_link

#: Characters that XML 1.0 does not allow.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
AGAINST = (Verdict.FAIL, Verdict.WARN)
UNJUDGED = (Verdict.NOT_EXERCISED, Verdict.NOT_DECLARED, Verdict.NOT_APPLICABLE)


def as_json(result: Result) -> str:
    """Return the report as JSON text."""
    return json.dumps(document(result), indent=2, ensure_ascii=False) + "\n"


def as_junit(result: Result) -> str:
    """Return JUnit XML: one test case for each rule and case. A rule that was not judged is skipped; a warning is in
    system-out."""
    root = ET.Element("testsuites", name="swapmock conform")
    for trial in result.trials:
        suite = ET.SubElement(root, "testsuite", name=trial.provider)
        counts = dict.fromkeys(("failures", "errors", "skipped"), 0)
        for one in trial.judgements:
            case = ET.SubElement(
                suite, "testcase", classname=f"{trial.provider}.{one.rule}", name=one.case or "(no case)"
            )
            told = _clean("\n".join([one.text, *proof(one)]))
            if one.verdict is Verdict.FAIL and not one.known:
                ET.SubElement(case, "failure", type=one.rule, message=_clean(one.text)).text = told
                counts["failures"] += 1
            elif one.verdict is Verdict.HARNESS_ERROR:
                ET.SubElement(case, "error", type=one.rule, message=_clean(one.text))
                counts["errors"] += 1
            elif one.verdict in UNJUDGED:
                ET.SubElement(case, "skipped", message=_clean(f"{one.verdict.value}: {one.text}"))
                counts["skipped"] += 1
            elif one.verdict is not Verdict.PASS:
                ET.SubElement(case, "system-out").text = f"{one.verdict.value}: {told}"
        suite.set("tests", str(len(trial.judgements)))
        for name, value in counts.items():
            suite.set(name, str(value))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _clean(text: str) -> str:
    return FORBIDDEN.sub("?", text)


def as_sarif(result: Result) -> str:
    """Return SARIF 2.1.0: a result for each rule that failed or warned."""
    rules = all_rules()
    levels = {Verdict.FAIL: "error", Verdict.WARN: "warning", Verdict.INFO: "note"}
    found: list[dict[str, Any]] = [
        {
            "ruleId": one.rule,
            "level": levels[one.verdict],
            "message": {"text": "\n".join([f"{one.case}: {one.text}", *proof(one), f"repeat: {result.repeat(one)}"])},
            "locations": [
                {"logicalLocations": [{"fullyQualifiedName": f"{one.provider}/{one.case}", "kind": "module"}]}
            ],
            "partialFingerprints": {"ruleAndCase": f"{one.provider}/{one.rule}/{one.case}"},
            **({"suppressions": [{"kind": "external", "justification": one.known}]} if one.known else {}),
        }
        for one in result.judgements
        if one.verdict in levels
    ]
    driver = {
        "name": "swapmock conform",
        "version": result.rules,
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.title},
                "fullDescription": {"text": " ".join(rule.sources.values())},
                "help": {"text": rule.good},
            }
            for rule in rules.values()
        ],
    }
    run = {"tool": {"driver": driver}, "results": found}
    return (
        json.dumps(
            {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}, indent=2
        )
        + "\n"
    )


def as_summary(result: Result) -> str:
    """Return Markdown for GITHUB_STEP_SUMMARY."""
    lines = ["## swapmock conform", "", "| loss | figure |", "|---|---|"]
    lines += [f"| {what} | {losses(result.judgements)[name]:g} |" for name, what in LOSSES.items()]
    lines += [f"| {what} | {figure} |" for figure, what in other_figures(result)]
    against = [one for one in result.judgements if one.verdict in AGAINST]
    if against:
        lines += ["", "| verdict | rule | case | what |", "|---|---|---|---|"]
        lines += [
            f"| {one.verdict.value} | {one.rule} ({one.level.value}) | {one.case} | {_cell(one.text)} |"
            for one in against
        ]
    worst = by_rule(result.judgements)
    lines += [
        "",
        f"{sum(one.verdict is Verdict.PASS for one in worst.values())} rules passed, {len(worst)} looked at.",
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{border:1px solid #ccc;padding:.3rem .5rem;text-align:left;vertical-align:top}
.fail{background:#fdd}.warn{background:#ffd}.pass{background:#dfd}.info{background:#def}.harness_error{background:#edf}
pre{background:#f4f4f4;padding:.5rem;overflow:auto;font-size:13px}.figure{font-size:1.6rem;font-weight:bold}"""


def as_html(result: Result, inspector: str = "") -> str:
    """Return one HTML page: losses, findings with their exchanges, every rule. `inspector` is the address of the
    inspector's page about the run, "" for none."""
    figures = "".join(_figure(result, name, what) for name, what in LOSSES.items())
    figures += "".join(
        f"<td><div class=figure>{figure}</div>{escape(what)}</td>" for figure, what in other_figures(result)
    )
    against = [one for one in result.judgements if one.verdict in (*AGAINST, Verdict.HARNESS_ERROR, Verdict.INFO)]
    findings = "".join(_section(result, one) for one in against) or "<p>No rule was broken.</p>"
    rows = "".join(
        f"<tr class={one.verdict.value}><td>{one.rule}</td><td>{one.level.value}</td><td>{one.verdict.value}</td><td>{escape(all_rules()[one.rule].title)}</td><td>{escape(one.text)}</td></tr>"
        for one in by_rule(result.judgements).values()
    )
    command = escape(" ".join(result.command))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>swapmock conform</title><style>{STYLE}</style></head><body>'
        f"<h1>swapmock conform</h1><p><code>{command}</code>, rules {escape(result.rules)}, {result.seconds:.0f} s</p>{inspector_link(inspector)}"
        f"<h2>Losses</h2><table><tr>{figures}</tr></table><h2>Findings</h2>{findings}"
        f"<h2>Rules</h2><table><tr><th>rule</th><th>level</th><th>verdict</th><th>what it demands</th><th>seen</th></tr>{rows}</table></body></html>\n"
    )


def _figure(result: Result, name: str, what: str) -> str:
    """Return one loss with links to its findings."""
    found = [one for one in result.judgements if one.verdict in AGAINST and one.losses.get(name)]
    links = ", ".join(f'<a href="#{_anchor(one)}">{one.rule} in {escape(one.case)}</a>' for one in found)
    return f"<td><div class=figure>{losses(result.judgements)[name]:g}</div>{escape(what)}<br>{links}</td>"


def _anchor(one: Judgement) -> str:
    return escape(f"{one.provider}-{one.rule}-{one.case}", quote=True)


def other_figures(result: Result) -> list[tuple[str, str]]:
    """Return the figures that are no losses: polls against the reference, and seconds until a failure was noticed."""
    found = []
    for trial in result.trials:
        asked, late = polls(trial), noticed(trial)
        reference = f"polls in the plain case of {trial.provider}; one every five seconds would be {asked['reference']}"
        found.append((str(asked["sent"]), reference))
        if late is not None:
            found.append((f"{late:.1f}", "seconds until a failure was noticed, at worst"))
    return found


def _section(result: Result, one: Judgement) -> str:
    rule = all_rules()[one.rule]
    exchanges = "\n".join(escape(each) for each in proof(one))
    return (
        f'<h3 id="{_anchor(one)}" class="{one.verdict.value}">{one.verdict.value} {one.rule} in {escape(one.case)}</h3><p>{escape(rule.title)}</p><p><b>{escape(one.text)}</b></p>'
        f"<pre>{exchanges or 'no exchange: see the output of the case'}</pre><p>Source: {escape(rule.sources.get(one.provider, ''))}</p>"
        f"<p>A good client: {escape(rule.good)}</p><pre>{escape(result.repeat(one))}</pre>"
    )
