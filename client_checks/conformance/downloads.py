"""The steps of a flow that upload and download files, and the rules for a media file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from swapmock.client_checks.conformance.asked import deviations
from swapmock.client_checks.conformance.context import all_checks, to_finding
from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.flow import FlowAborted, FlowRunner, FlowState
from swapmock.client_checks.conformance.media import IMAGE, fits, kind_of
from swapmock.client_checks.conformance.medium import decoded
from swapmock.client_checks.conformance.pointer import filled
from swapmock.client_checks.conformance.rules import ACCEPTED, ASKED, DECODED, DOWNLOAD, LIFETIME, MEDIUM, STEP

#: The number of redirects that a download follows.
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
KEEPING = (307, 308)
LINKED = Evidence("documented", "the answer links to it")


def put(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:
    """Upload a small picture to a presigned URL. If the step says `wrong_type` or `expired`, the upload must be
    refused."""
    url = str(filled(step["put"], state.known))
    exchange = _put(runner, url, step["type"], state.name)
    operation = runner.target.contract.operations.get(exchange.operation)
    if operation is not None:
        runner.look(exchange, operation)
    where = exchange.operation or "PUT of a file"
    accepted = exchange.status is not None and 200 <= exchange.status < 300
    if step.get("wrong_type"):
        if accepted:
            evidence = Evidence("documented", "cli: the type has to be the one that the link was made for")
            expected = f"a refusal: the link was not made for {step['type']}"
            deviation = Deviation(expected, exchange.shown_answer(), evidence, "upload of another type")
            runner.findings.add(to_finding(ACCEPTED, where, deviation, exchange))
        return
    if step.get("expired"):
        if accepted:
            expected = f"a refusal: the link is older than its lifetime {step['expired']}"
            deviation = Deviation(expected, exchange.shown_answer(), _lifetime_evidence(runner, step), "upload late")
            runner.findings.add(to_finding(LIFETIME, where, deviation, exchange))
        return
    if not accepted:
        rule = LIFETIME if step.get("within") else STEP
        evidence = _lifetime_evidence(runner, step) if step.get("within") else Evidence("documented", "cli")
        deviation = Deviation(
            "any 2xx", exchange.shown_answer(), evidence, "upload early" if step.get("within") else ""
        )
        runner.findings.add(to_finding(rule, where, deviation, exchange))
        raise FlowAborted("the upload did not succeed")
    state.known["uploaded tag"] = exchange.header("ETag") or ""


def _put(runner: FlowRunner, url: str, kind: str, origin: str) -> Exchange:
    """Return the answer to an upload, after all redirects that keep the method."""
    exchange = runner.sender.send("PUT", url, [("Content-Type", kind)], IMAGE, origin=origin)
    for _ in range(MOST_REDIRECTS):
        target = exchange.header("Location")
        if exchange.status not in KEEPING or not target:
            break
        url = urljoin(url, target)
        if urlsplit(url).scheme not in ("http", "https"):
            break
        exchange = runner.sender.send("PUT", url, [("Content-Type", kind)], IMAGE, origin=origin)
    return exchange


def download(runner: FlowRunner, step: Mapping[str, Any], state: FlowState) -> None:
    """Download every link of the step and judge the files. If the step says `expired`, the links must have expired."""
    links = filled(step["download"], state.known)
    for link in links if isinstance(links, list) else [links]:
        exchange, paths = _fetched(runner, str(link), state.name)
        if step.get("expired"):
            if exchange.status == 200:
                expected = f"no file: the link is older than its lifetime {step['expired']}"
                evidence = _lifetime_evidence(runner, step)
                deviation = Deviation(expected, f"HTTP 200, {len(exchange.answer)} bytes", evidence, "download late")
                runner.findings.add(to_finding(LIFETIME, state.name, deviation, exchange))
            continue
        runner.findings.extend(_judged(runner, step, str(link), exchange, paths, state.name))
        if exchange.status == 200 and exchange.answer:
            _look_again(runner, exchange, state.name)
            _same_again(runner, str(link), exchange, state)


def _same_again(runner: FlowRunner, link: str, first: Exchange, state: FlowState) -> None:
    """Fetch a file a second time: a link works more than once, and the file is the same."""
    uploaded, tag = str(state.known.get("uploaded tag", "")), first.header("ETag") or ""
    if uploaded.startswith('"') and tag.startswith('"') and first.answer == IMAGE and uploaded != tag:
        deviation = Deviation(f"the entity tag {uploaded} of the upload", tag[:80], LINKED, "tag of the upload")
        runner.findings.add(to_finding(all_checks()["file.validator"], state.name, deviation, first))
    if link in state.again:
        return
    state.again.add(link)
    again, _ = _fetched(runner, link, state.name)
    if again.status != 200:
        deviation = Deviation("HTTP 200, as at first", again.shown_answer(), LINKED, "second download")
        runner.findings.add(to_finding(DOWNLOAD, state.name, deviation, again))
    elif again.answer != first.answer:
        got = f"{len(again.answer)} other bytes"
        deviation = Deviation(f"the same {len(first.answer)} bytes, as at first", got, LINKED, "second download")
        runner.findings.add(to_finding(MEDIUM, state.name, deviation, again))


def _look_again(runner: FlowRunner, first: Exchange, origin: str) -> None:
    """Request the same file by HEAD, by a range, and conditionally; every check looks at the answers."""
    operations = runner.target.contract.operations
    # A vendor's files are on hosts that are not in the contract. Any download operation represents them.
    operation = operations.get(first.operation) or next((o for o in operations.values() if o.is_download), None)
    if operation is None:
        return
    runner.look(first, operation)
    etag, modified = first.header("ETag"), first.header("Last-Modified")
    last = max(0, min(99, len(first.answer) - 1))
    asked: list[tuple[str, list[tuple[str, str]]]] = [("HEAD", []), ("GET", [("Range", f"bytes=0-{last}")])]
    if etag is not None:
        asked.append(("GET", [("If-None-Match", etag)]))
    elif modified is not None:
        asked.append(("GET", [("If-Modified-Since", modified)]))
    asked += [("GET", [("Range", "bytes=-1")]), ("GET", [("Range", f"bytes={len(first.answer)}-")])]
    for method, headers in asked:
        runner.look(runner.sender.send(method, first.url, headers, origin=origin), operation)


def told_links(runner: FlowRunner, links: Sequence[str], polled: Sequence[str], state: FlowState) -> None:
    """Judge the links of a callback. Their form may differ from that of a poll, but they lead to the same files."""
    known = {link.partition("?")[0] for link in polled}
    others = [link for link in dict.fromkeys(links) if link.partition("?")[0] not in known]
    if not others:
        return
    files = {_fetched(runner, link, state.name)[0].answer for link in polled}
    for link in others:
        exchange, _ = _fetched(runner, link, state.name)
        if exchange.status != 200:
            told = Evidence("documented", "the callback links to it")
            deviation = Deviation("HTTP 200", exchange.shown_answer(), told, "link of a callback")
            runner.findings.add(to_finding(DOWNLOAD, state.name, deviation, exchange))
        elif polled and exchange.answer not in files:
            deviation = Deviation("a file of the poll", f"another file at {link[:100]}", LINKED, "link of a callback")
            runner.findings.add(to_finding(MEDIUM, state.name, deviation, exchange))


def _fetched(runner: FlowRunner, link: str, origin: str) -> tuple[Exchange, list[str]]:
    """Return the answer after all redirects, and the path of each URL on the way."""
    exchange = runner.sender.send("GET", link, origin=origin)
    paths = [exchange.path]
    for _ in range(MOST_REDIRECTS):
        target = exchange.header("Location")
        if exchange.status not in REDIRECTS or not target:
            break
        link = urljoin(link, target)
        if urlsplit(link).scheme not in ("http", "https"):
            break
        exchange = runner.sender.send("GET", link, origin=origin)
        paths.append(exchange.path)
    return exchange, paths


def _judged(
    runner: FlowRunner, step: Mapping[str, Any], link: str, exchange: Exchange, paths: list[str], origin: str
) -> Iterator[Finding]:
    if exchange.status != 200:
        if step.get("within"):
            evidence = _lifetime_evidence(runner, step)
            deviation = Deviation("the file: the link still lives", exchange.shown_answer(), evidence, "download early")
            yield to_finding(LIFETIME, origin, deviation, exchange)
        else:
            yield to_finding(DOWNLOAD, origin, Deviation("HTTP 200", exchange.shown_answer(), LINKED), exchange)
        return
    declared = (exchange.header("Content-Type") or "").split(";")[0].strip().lower()
    kind = kind_of(exchange.answer)
    if not fits(step["kind"], declared, kind, paths):
        got = f"{declared or 'no type'}, {kind or 'unknown'} bytes, at {', '.join(paths)}"
        yield to_finding(MEDIUM, origin, Deviation(f"a file that is {step['kind']}", got, LINKED), exchange)
        return
    if step.get("equals"):
        if exchange.answer != IMAGE:
            deviation = Deviation("the bytes that were put there", "other bytes", LINKED, "bytes")
            yield to_finding(MEDIUM, origin, deviation, exchange)
        return
    medium = decoded(exchange.answer, str(kind))
    if medium.broken:
        deviation = Deviation(f"a whole {kind} file", f"{medium.broken} ({len(exchange.answer)} bytes)", LINKED)
        yield to_finding(DECODED, origin, deviation, exchange)
        return
    submission = runner.history.made.get(link.partition("?")[0])
    rows = () if submission is None else runner.target.profile.asked.get(submission.operation, ())
    if submission is not None and rows:
        for deviation in deviations(rows, runner.target.contract, submission, medium):
            yield to_finding(ASKED, submission.operation, deviation, exchange)


def _lifetime_evidence(runner: FlowRunner, step: Mapping[str, Any]) -> Evidence:
    row = runner.target.contract.behaviour.lifetimes[step.get("expired") or step["within"]]
    return Evidence(str(row["evidence"]), str(row["source"]))
