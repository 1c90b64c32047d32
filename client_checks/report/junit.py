"""JUnit XML: one test case for each check on each operation, one for each flow and refusal."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree as ET

from swapmock.client_checks.conformance.context import all_checks
from swapmock.client_checks.conformance.findings import Finding, Grade
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.report.document import ordered

#: What XML 1.0 cannot hold.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[RunResult]) -> str:
    root = ET.Element("testsuites", name="swapmock check")
    for result in results:
        suite = ET.SubElement(root, "testsuite", name=result.target.name)
        cases = list(_cases(result))
        suite.extend(cases)
        failures = sum(case.find("failure") is not None for case in cases)
        skipped = sum(case.find("skipped") is not None for case in cases)
        for name, value in (("tests", len(cases)), ("failures", failures), ("errors", 0), ("skipped", skipped)):
            suite.set(name, str(value))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _cases(result: RunResult) -> Iterator[ET.Element]:
    provider = result.target.provider
    by_place: dict[tuple[str, str], list[Finding]] = {}
    for finding in ordered(result):
        by_place.setdefault((finding.operation, finding.id), []).append(finding)
    for row in result.coverage.operations:
        for check_id in [*all_checks(), "operation.success"]:
            if row.calls:
                by_place.setdefault((row.operation, check_id), [])
    for (operation, check_id), findings in sorted(by_place.items()):
        case = ET.Element("testcase", classname=f"{provider}.{operation or 'run'}", name=check_id)
        _judge(case, findings, result.options.strict)
        yield case
    for what in result.completed:
        yield ET.Element("testcase", classname=f"{provider}.walked", name=what)
    for what, why in result.left_out.items():
        case = ET.Element("testcase", classname=f"{provider}.left_out", name=_clean(what))
        ET.SubElement(case, "skipped", message=_clean(why))
        yield case


def _judge(case: ET.Element, findings: Sequence[Finding], strict: bool) -> None:
    failing = [finding for finding in findings if finding.grade(strict) is Grade.FAIL]
    warnings = [finding for finding in findings if finding not in failing]
    if failing:
        first = failing[0]
        failure = ET.SubElement(case, "failure", type=first.id, message=_clean(f"{first.title}: {first.got}")[:300])
        failure.text = _clean("\n\n".join(map(_told, failing)))
    if warnings:
        ET.SubElement(case, "system-out").text = _clean("\n\n".join(f"warning: {_told(one)}" for one in warnings))


def _told(finding: Finding) -> str:
    return (
        f"{finding.title} {finding.place}\nexpected: {finding.expected}\n"
        f"source: {finding.source} ({finding.level})\ngot: {finding.got}\n{finding.curl}"
    )


def _clean(text: str) -> str:
    return FORBIDDEN.sub("\ufffd", text)
