"""JUnit XML: one test suite for each provider, one test case for each check on each operation, flow and refusal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from swapmock import __version__
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.report.cases import Case, cases_of

#: Characters that XML 1.0 does not allow.
FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(results: Sequence[RunResult]) -> str:
    """Return the report as text. Suites are named by provider, so that names are the same in every run."""
    root = ET.Element("testsuites", name="swapmock check")
    for result in results:
        root.append(_suite(result))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(int(suite.get(name, 0)) for suite in root)))
    root.set("time", f"{sum(result.duration for result in results):.3f}")
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def _suite(result: RunResult) -> ET.Element:
    suite = ET.Element("testsuite", name=result.target.provider)
    cases = list(cases_of(result))
    for name, value in (
        ("tests", len(cases)), ("failures", sum(case.status == "failed" for case in cases)), ("errors", 0),
        ("skipped", sum(case.status == "skipped" for case in cases)), ("time", f"{result.duration:.3f}"),
        ("timestamp", datetime.fromtimestamp(result.started, UTC).strftime("%Y-%m-%dT%H:%M:%S")),
        ("hostname", clean(result.target.base_url)),
    ):  # fmt: skip
        suite.set(name, str(value))
    properties = ET.SubElement(suite, "properties")
    for name, value in (
        ("swapmock", __version__), ("target", result.target.base_url), ("seed", result.options.seed),
        ("parts", ",".join(result.options.parts)), ("calls", result.calls), ("credits", f"{result.spent:g}"),
    ):  # fmt: skip
        ET.SubElement(properties, "property", name=name, value=clean(str(value)))
    names: set[tuple[str, str]] = set()
    for case in cases:
        suite.append(_case(result, case, names))
    return suite


def _case(result: RunResult, case: Case, names: set[tuple[str, str]]) -> ET.Element:
    group, name = f"{result.target.provider}.{clean(case.group)}", clean(case.name)
    number = 1
    while (group, name) in names:
        number += 1
        name = f"{clean(case.name)} ({number})"
    names.add((group, name))
    element = ET.Element("testcase", classname=group, name=name, time=f"{case.seconds:.3f}")
    if case.status == "failed":
        failure = ET.SubElement(element, "failure", type=case.kind, message=clean(case.message))
        failure.text = clean(case.details)
    elif case.status == "skipped":
        ET.SubElement(element, "skipped", message=clean(case.message))
    if case.warnings:
        ET.SubElement(element, "system-out").text = clean(case.warnings)
    return element


def clean(text: str) -> str:
    """Return `text` without characters that XML does not allow."""
    return FORBIDDEN.sub("\ufffd", text)
