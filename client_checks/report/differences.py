"""The differences between two servers as JUnit XML, SARIF, CTRF and one HTML page."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from html import escape
from typing import Any
from xml.etree import ElementTree as ET

from swapmock import __version__
from swapmock.client_checks.parity.compare import Difference
from swapmock.client_checks.report.junit import clean
from swapmock.client_checks.report.page import STYLE, table


@dataclass(frozen=True)
class Compared:
    """The result of a comparison. `left` and `right` name the two sides. `flows` are the compared flows; `left_out`
    maps the others to the reason. `started` and `duration` are in seconds. `spent` maps a live side to its calls
    and credits. `unexpected` are those of `left_out` that the user did not allow."""

    provider: str
    left: str
    right: str
    differences: Sequence[Difference]
    flows: Sequence[str]
    left_out: Mapping[str, str]
    started: float = 0.0
    duration: float = 0.0
    spent: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    unexpected: Sequence[str] = ()

    @property
    def exit_code(self) -> int:
        """The exit code: 0 for no difference, 1 for differences, 2 if a flow was left out unexpectedly."""
        return 1 if self.differences else 2 if not self.flows or self.unexpected else 0

    def of_flow(self, flow: str) -> list[Difference]:
        """Return the differences in the flow with this name."""
        return [one for one in self.differences if one.flow == flow]


def document(compared: Compared) -> dict[str, Any]:
    """Return the comparison as plain data, for the JSON report."""
    return {
        "format": "swapmock-parity/1",
        "version": __version__,
        "exit_code": compared.exit_code,
        "started": _moment(compared.started).isoformat(timespec="seconds"),
        "duration": round(compared.duration, 3),
        "provider": compared.provider,
        "left": compared.left,
        "right": compared.right,
        "spent": {side: {"calls": calls, "credits": credits} for side, (calls, credits) in compared.spent.items()},
        "compared": list(compared.flows),
        "left_out": dict(compared.left_out),
        "differences": [asdict(one) for one in compared.differences],
    }


def junit_of(compared: Compared) -> str:
    """Return the comparison as JUnit XML: one test case for each flow. A flow with differences fails; a flow that
    was not compared is skipped."""
    cases = list(_cases(compared))
    count = {status: sum(status == one for _, one, _ in cases) for status in ("failed", "skipped")}
    figures: dict[str, Any] = {"tests": str(len(cases)), "failures": str(count["failed"]), "errors": "0"}
    root = ET.Element("testsuites", name="swapmock parity", time=f"{compared.duration:.3f}", **figures)
    suite = ET.SubElement(
        root, "testsuite", name=f"parity.{compared.provider}", skipped=str(count["skipped"]),
        time=f"{compared.duration:.3f}", timestamp=_moment(compared.started).strftime("%Y-%m-%dT%H:%M:%S"), **figures,
    )  # fmt: skip
    properties = ET.SubElement(suite, "properties")
    for name, value in (("swapmock", __version__), ("left", compared.left), ("right", compared.right)):
        ET.SubElement(properties, "property", name=name, value=clean(value))
    for flow, status, text in cases:
        case = ET.SubElement(suite, "testcase", classname=f"parity.{compared.provider}", name=clean(flow), time="0")
        if status == "failed":
            first = compared.of_flow(flow)[0]
            failure = ET.SubElement(case, "failure", type=first.kind, message=clean(str(first)[:300]))
            failure.text = clean(text)
        elif status == "skipped":
            ET.SubElement(case, "skipped", message=clean(text))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def ctrf_of(compared: Compared) -> dict[str, Any]:
    """Return the comparison in the Common Test Report Format: one test for each flow. Times are in milliseconds."""
    cases = list(_cases(compared))
    count = {status: sum(status == one for _, one, _ in cases) for status in ("passed", "failed", "skipped")}
    tests = [
        {"name": f"{compared.provider} {flow}", "status": status, "duration": 0, **({"message": text} if text else {})}
        for flow, status, text in cases
    ]
    start, stop = compared.started, compared.started + compared.duration
    summary = {
        "tests": len(tests), **count, "pending": 0, "other": 0, "start": round(start * 1000), "stop": round(stop * 1000),
    }  # fmt: skip
    tool = {"name": "swapmock parity", "version": __version__}
    return {
        "reportFormat": "CTRF",
        "specVersion": "0.0.0",
        "results": {"tool": tool, "summary": summary, "tests": tests},
    }


def sarif_of(compared: Compared) -> dict[str, Any]:
    """Return the comparison as SARIF 2.1.0: one rule for each kind of difference, and one result for each
    difference, at the line of the contract that it would change."""
    kinds = sorted({one.kind for one in compared.differences})
    results = []
    for one in compared.differences:
        file, _, line = one.line.rpartition(":")
        results.append(
            {
                "ruleId": f"parity/{one.kind}",
                "ruleIndex": kinds.index(one.kind),
                "level": "error",
                "message": {"text": str(one)},
                "locations": [
                    {"physicalLocation": {"artifactLocation": {"uri": file}, "region": {"startLine": int(line)}}}
                ],
                "partialFingerprints": {"difference/v1": _fingerprint(one)},
            }
        )
    rules = [{"id": f"parity/{kind}", "shortDescription": {"text": f"A difference of {kind}"}} for kind in kinds]
    driver = {"name": "swapmock parity", "version": __version__, "rules": rules}
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }


def page_of(compared: Compared) -> str:
    """Return the comparison as one HTML page that needs no other file."""
    verdict = f"{len(compared.flows)} flows compared, {len(compared.differences)} differences"
    parts = [
        f"<h2>{escape(compared.provider)}: <code>{escape(compared.left)}</code> and <code>{escape(compared.right)}</code></h2>",
        f'<p class="verdict">{verdict}</p>',
    ]
    parts += [
        f"<p>{side}: {calls} calls, {credits:g} credits spent</p>" for side, (calls, credits) in compared.spent.items()
    ]
    parts += [_flow(compared, flow) for flow in dict.fromkeys(one.flow for one in compared.differences)]
    alike = [flow for flow in compared.flows if not compared.of_flow(flow)]
    parts.append("<h3>Alike</h3>" + (table(("flow",), [(flow,) for flow in alike]) if alike else "<p>No flow.</p>"))
    if compared.left_out:
        parts.append("<h3>Not compared</h3>" + table(("flow", "why"), compared.left_out.items()))
    when = _moment(compared.started).isoformat(timespec="seconds")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>swapmock parity</title>'
        '<meta name="viewport" content="width=device-width"><meta name="referrer" content="no-referrer">'
        f"<style>{STYLE}</style></head><body><h1>swapmock parity</h1><p>swapmock {escape(__version__)}, {when}, "
        f"{compared.duration:.3g} s</p>{''.join(parts)}</body></html>\n"
    )


def _flow(compared: Compared, flow: str) -> str:
    rows = [
        (one.kind, one.operation, one.place, one.left, one.right, one.line) for one in compared.of_flow(flow)
    ]  # fmt: skip
    head = ("kind", "operation", "place", "left", "right", "line of the contract")
    title = f"{escape(flow)}: {len(rows)} differences"
    return f'<details open class="fail"><summary>{title}</summary>{table(head, rows)}</details>'


def _cases(compared: Compared) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the status and the text of each flow."""
    for flow in dict.fromkeys([*compared.flows, *(one.flow for one in compared.differences)]):
        found = compared.of_flow(flow)
        yield flow, "failed" if found else "passed", "\n".join(map(str, found))
    for flow, why in compared.left_out.items():
        yield flow, "skipped", why


def _fingerprint(one: Difference) -> str:
    """Return what identifies a difference in every run. Values are left out, because they may contain an id."""
    return hashlib.sha256(f"{one.kind} {one.flow} {one.operation} {one.place}".encode()).hexdigest()[:32]


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
