"""Writes changes of a contract as JUnit XML, as SARIF and as annotations of GitHub Actions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from swapmock import __version__
from swapmock.client_checks.compat.change import Change, Severity
from swapmock.client_checks.compat.source import Version, line_of
from swapmock.client_checks.report.junit import clean

LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def location(change: Change, version: Version, folder: str) -> tuple[str, int]:
    """Return the file and line in the new `version` that a change is about; `folder` is the contract's folder."""
    word = change.place.split(" ")[0]
    in_document = change.area in ("paths", "fields", "headers", "auth", "names", "servers", "deprecation", "callbacks")
    file = word if f"{word}.yaml" in version.texts else "openapi" if in_document else "behaviour"
    if change.area in ("prices", "tables"):
        file = next((name for name in ("models", "tools") if f"{name}.yaml" in version.texts), file)
    text = version.texts.get(f"{file}.yaml", "")
    return f"{folder.rstrip('/')}/{file}.yaml", line_of(text, change.place)


def junit_of(changes: Sequence[Change], failing: Sequence[Change]) -> str:
    """Return JUnit XML with one test case for each change; those in `failing` fail."""
    root = ET.Element(
        "testsuites", name="swapmock compat", tests=str(len(changes)), failures=str(len(failing)), errors="0"
    )
    suite = ET.SubElement(
        root, "testsuite", name="compat", tests=str(len(changes)), failures=str(len(failing)), errors="0", skipped="0"
    )
    for change in changes:
        case = ET.SubElement(
            suite, "testcase", classname=f"compat.{change.area}", name=clean(f"{change.place}: {change.what}"), time="0"
        )
        if change in failing:
            failure = ET.SubElement(case, "failure", type=change.severity.value, message=clean(str(change)))
            failure.text = clean(str(change))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def sarif_of(changes: Sequence[Change], version: Version, folder: str) -> dict[str, Any]:
    """Return SARIF 2.1.0: one rule for each area, one result for each of `changes`. `version` and `folder` give the
    files and lines."""
    areas = sorted({change.area for change in changes})
    results = []
    for change in changes:
        file, line = location(change, version, folder)
        results.append(
            {
                "ruleId": f"compat/{change.area}",
                "ruleIndex": areas.index(change.area),
                "level": LEVELS[change.severity],
                "message": {"text": f"{change.place}: {change.what}"},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": line}}}],
                "partialFingerprints": {"change/v1": hashlib.sha256(str(change).encode()).hexdigest()[:32]},
            }
        )
    rules = [{"id": f"compat/{area}", "shortDescription": {"text": f"A change of {area}"}} for area in areas]
    driver = {"name": "swapmock compat", "version": __version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def annotations_of(changes: Sequence[Change], version: Version, folder: str) -> list[str]:
    """Return workflow commands of GitHub Actions, one line for each of `changes`. `version` and `folder` give the
    files and lines."""
    lines = []
    for change in changes:
        file, line = location(change, version, folder)
        title = f"compat: {change.area}"
        message = f"{change.place}: {change.what}"
        lines.append(
            f"::{COMMANDS[change.severity]} file={_property(file)},line={line},title={_property(title)}::{_data(message)}"
        )
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
