"""A receiver of callbacks on pytest-httpserver, and the findings about the callbacks that it received."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from swapmock.client_checks.clock import Clock
from swapmock.client_checks.conformance.context import to_finding
from swapmock.client_checks.conformance.envelope import Envelope
from swapmock.client_checks.conformance.findings import Deviation, Evidence, Finding
from swapmock.client_checks.conformance.pointer import at, every
from swapmock.client_checks.conformance.profile import Kind
from swapmock.client_checks.conformance.rules import CALLBACK_CHANGED as CHANGED
from swapmock.client_checks.conformance.rules import CALLBACK_MISSING as MISSING
from swapmock.client_checks.conformance.rules import CALLBACK_POLL as POLL
from swapmock.client_checks.conformance.rules import CALLBACK_REPEATED as REPEATED
from swapmock.client_checks.conformance.rules import CALLBACK_REQUEST as REQUEST
from swapmock.client_checks.conformance.rules import CALLBACK_SCHEMA as SCHEMA
from swapmock.client_checks.conformance.rules import CALLBACK_SECRET as SHOWN
from swapmock.client_checks.conformance.rules import CALLBACK_STATE as STATE
from swapmock.client_checks.conformance.rules import CALLBACK_TASK as TASK
from swapmock.client_checks.conformance.rules import RETRY_SCHEDULE, Rule
from swapmock.client_checks.conformance.schema import branch_for, documented, evidence_at
from swapmock.client_checks.conformance.strict_json import parsed, why_not_json
from swapmock.client_checks.conformance.target import Target
from swapmock.client_checks.conformance.tasks import difference, shared_part, without_queries
from swapmock.contracts import Operation
from swapmock.contracts.behaviour import RetrySchedule

#: The timeout in real seconds for a callback that is due.
ARRIVAL = 5.0
#: The timeout in real seconds for a live target's first callback, after a poll has shown the end of the task.
PATIENCE = 15.0
#: The tolerance of a retry's time, as a fraction of the interval and in seconds.
SLACK = 0.2
#: Seconds of an emulator's clock until the received callbacks are read first: the wait for one, and at most one poll.
WAITED = 1.5
#: Seconds of real time in which a callback arrives that an emulator has sent already.
QUIET = 0.05


@dataclass(frozen=True)
class Received:
    """One request that the receiver got."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    acknowledged: bool

    @property
    def json(self) -> Any:
        """Return the body as parsed JSON."""
        return parsed(self.body)


class CallbackReceiver:
    """The receiver, used as `with CallbackReceiver() as receiver: receiver.url`. `refuse_first` says for each path how
    many callbacks are answered with 500. All others are answered with `acknowledgement`: an HTTP status and
    a JSON value."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, base: str | None = None) -> None:
        self._server = HTTPServer(host=host, port=port)
        self._base = base
        self._arrived = threading.Condition()
        self.received: list[Received] = []
        self.refuse_first: dict[str, int] = {}
        self.acknowledgement: tuple[int, Any] = (200, {})

    @property
    def url(self) -> str:
        """The URL by which a sender reaches the receiver."""
        return self._base.rstrip("/") if self._base else f"http://{self._server.host}:{self._server.port}"

    def __enter__(self) -> CallbackReceiver:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # werkzeug would log a line for each request
        self._server.expect_request(re.compile(".*")).respond_with_handler(self._take)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _take(self, request: Request) -> Response:
        with self._arrived:
            refuse = self.refuse_first.get(request.path, 0) > 0
            self.refuse_first[request.path] = self.refuse_first.get(request.path, 0) - 1
            headers = {name.lower(): value for name, value in request.headers.items()}
            query = parse_qs(request.query_string.decode("latin-1"), keep_blank_values=True)
            self.received.append(Received(request.method, request.path, query, headers, request.get_data(), not refuse))
            self._arrived.notify_all()
        if refuse:
            return Response("{}", 500, content_type="application/json")
        status, value = self.acknowledgement
        return Response(json.dumps(value), status, content_type="application/json")

    def at(self, path: str) -> list[Received]:
        """Return the requests that came to `path`, in order."""
        with self._arrived:
            return [one for one in self.received if one.path == path]

    def wait(self, path: str, count: int, seconds: float) -> bool:
        """Wait at most `seconds` of real time until `count` requests came to `path`; return whether they did."""
        with self._arrived:
            return self._arrived.wait_for(lambda: sum(one.path == path for one in self.received) >= count, seconds)


def waits(schedule: RetrySchedule) -> list[float]:
    """Return the seconds before each retry of a schedule, in order."""
    intervals = list(schedule.intervals)
    if schedule.then == "stop":
        return intervals[: schedule.retries]
    if schedule.then == "restart":
        return [intervals[number % len(intervals)] for number in range(schedule.retries)] if intervals else []
    return [intervals[min(number, len(intervals) - 1)] for number in range(schedule.retries)] if intervals else []


class Callbacks:
    """Judges the callbacks of one target's tasks."""

    def __init__(self, target: Target, receiver: CallbackReceiver, clock: Clock) -> None:
        self._target = target
        self._receiver = receiver
        self._clock = clock
        rules = target.contract.behaviour.callbacks
        self._method = "POST" if rules is None else rules.method
        self._headers: Mapping[str, str] = {} if rules is None else rules.headers
        self._schedule = None if rules is None else rules.schedule(target.variants)
        self._data = Envelope(target.contract).data
        #: The flow whose callbacks are refused until the last interval.
        self._all_intervals = ""
        if rules is not None:
            receiver.acknowledgement = rules.acknowledged.usual

    def url_for(self, flow: str) -> str:
        """Return the callback URL for a flow. The first callback from an emulator is refused, to check that it is
        sent again."""
        path = self._path(flow)
        if not self._target.is_live and self._schedule is not None and self._schedule.retries:
            self._receiver.refuse_first[path] = self._refusals(flow)
        return f"{self._receiver.url}{path}?secret=kept&flow={path.rsplit('/', 1)[1]}"

    def _refusals(self, flow: str) -> int:
        """Return how many callbacks of a flow are refused: of one flow all but the last, of the others the first."""
        assert self._schedule is not None  # without a schedule nothing is refused
        if self._target.variants.get("callback_events") == "all":
            return 1  # callbacks of several states come between the attempts of one
        self._all_intervals = self._all_intervals or flow
        return len(waits(self._schedule)) if self._all_intervals == flow else 1

    def _path(self, flow: str) -> str:
        return "/callback/" + re.sub(r"[^a-z0-9]+", "-", flow.lower())

    def too_early(self, kind: Kind, origin: str, polled: Any) -> Iterator[Finding]:
        """Yield findings for callbacks of a flow that report the task's end while a poll at the same time still
        reports `polled`."""
        words = self._target.contract.behaviour.status_words[kind.row_of_words(self._target.variants)]
        ends = [str(words[phase]) for phase in ("succeeded", "failed") if str(words[phase]) != str(words["running"])]
        operation = self._target.contract.operations[kind.submit[0]]
        for one in self._receiver.at(self._path(origin.removeprefix("flow "))):
            state = at(self._inner(kind, one.json), kind.callback["state"])
            if str(state) in ends:
                expected = f"{polled!r}, as a poll says at the same time"
                yield self._found(STATE, operation, expected, repr(state)[:80], self._evidence(operation), "early")

    def findings(self, kind: Kind, name: str, polled: Any, origin: str) -> Iterator[Finding]:
        """Yield what is wrong with the callbacks of the task `name`. `polled` is the answer to its last poll."""
        path = self._path(origin.removeprefix("flow "))
        operation = self._target.contract.operations[kind.submit[0]]
        self._wait_for_first(path)
        received = self._receiver.at(path)
        if not received:
            yield self._found(
                MISSING, operation, f"a {self._method} to the callback URL", "nothing came", self._evidence(operation)
            )
            return
        yield from self._retry_findings(kind, path, operation)
        for one in self._receiver.at(path):
            yield from self._look(kind, operation, one, str(name), polled)
        yield from self._changed(kind, operation, self._receiver.at(path))
        yield from self._after_acknowledgement(kind, path, operation)

    def links(self, kind: Kind, origin: str) -> list[str]:
        """Return the links to files in the callbacks of a flow that report its end."""
        found = []
        for one in self._receiver.at(self._path(origin.removeprefix("flow "))):
            inner = self._inner(kind, one.json)
            told = {self._data.removeprefix("/"): inner} if self._data else inner
            found += [link for pointer in kind.links for link in every(told, pointer) if isinstance(link, str)]
        return found

    def _wait_for_first(self, path: str) -> None:
        if self._target.is_live:
            self._receiver.wait(path, 1, PATIENCE)
        else:
            self._clock.pause(1.0)
            self._receiver.wait(path, 1, ARRIVAL)

    def _retry_findings(self, kind: Kind, path: str, operation: Operation) -> Iterator[Finding]:
        """Yield a finding if a refused callback is not sent again, or is sent too early. Every interval of the schedule
        is waited for that the receiver refuses; the clock of a live target is not known well enough."""
        received = self._receiver.at(path)
        if self._target.is_live or self._schedule is None or not self._schedule.retries or not self._schedule.intervals:
            return
        first, evidence = self._schedule.intervals[0], Evidence.of_row(self._schedule)
        if (
            first * (1 - SLACK) > WAITED
            and [self._news(kind, one) for one in received].count(self._news(kind, received[0])) > 1
        ):
            expected = f"the next attempt after {first:g} s"
            yield self._found(RETRY_SCHEDULE, operation, expected, "it came at once", evidence, "early")
        # The time since the last callback: at first the wait for it, and at most one poll.
        gone = WAITED
        for number, interval in enumerate(waits(self._schedule), 1):
            received = self._receiver.at(path)
            if any(one.acknowledged for one in received):
                return
            if len(received) > number:  # it came while the one before was waited for
                continue
            early = max(0.0, interval * (1 - SLACK) - gone)
            self._clock.pause(early)
            if early > 0 and self._receiver.wait(path, number + 1, QUIET if number > 1 else 0.2):
                expected = f"attempt {number + 1} after {interval:g} s"
                got = f"it came within {early + gone:g} s"
                yield self._found(RETRY_SCHEDULE, operation, expected, got, evidence, "early")
                return
            self._clock.pause(interval * SLACK + 1.0)
            gone = interval * SLACK + 1.0
            if not self._receiver.wait(path, number + 1, QUIET):
                rest = max(0.0, interval - early)
                self._clock.pause(rest)
                gone += rest
            if not self._receiver.wait(path, number + 1, ARRIVAL):
                expected = f"attempt {number + 1} after {interval:g} s"
                yield self._found(RETRY_SCHEDULE, operation, expected, "none came", evidence, "none")
                return

    def _after_acknowledgement(self, kind: Kind, path: str, operation: Operation) -> Iterator[Finding]:
        """Yield a finding if an acknowledged callback is sent again."""
        received = self._receiver.at(path)
        if self._target.is_live or not any(one.acknowledged for one in received):
            return
        longest = max(self._schedule.intervals, default=0.0) if self._schedule else 0.0
        self._clock.pause(longest + 1.0)
        self._receiver.wait(path, len(received) + 1, 0.2)
        told = [self._news(kind, one) for one in self._receiver.at(path) if one.acknowledged]
        if len(told) > len(set(told)):
            evidence = Evidence("inferred", "an acknowledged callback is done with")
            got = f"{len(told) - len(set(told))} more of the same"
            yield self._found(REPEATED, operation, "none after the acknowledged one", got, evidence)

    def _look(self, kind: Kind, operation: Operation, one: Received, name: str, polled: Any) -> Iterator[Finding]:
        evidence = self._evidence(operation)
        if one.method != self._method:
            yield self._found(REQUEST, operation, self._method, one.method, evidence, "method")
        if not one.headers.get("content-type", "").lower().startswith("application/json"):
            got = one.headers.get("content-type", "none")
            yield self._found(REQUEST, operation, "Content-Type application/json", got, evidence, "content-type")
        if one.query.get("secret") != ["kept"]:
            got = str(dict(one.query))
            yield self._found(REQUEST, operation, "the query string of callback_url kept", got, evidence, "query")
        shown = self._target.secrets.shown_in(one.body, one.headers.items())
        if shown:
            leak = Evidence("documented", "a key is a secret: it belongs in no callback (CWE-200)")
            yield self._found(SHOWN, operation, "a callback without any key", f"the value of {shown}", leak)
        for header, wanted in self._headers.items():
            got = one.headers.get(header.lower(), "none")
            if header.lower() != "content-type" and got.split(";")[0].strip().lower() != wanted.lower():
                yield self._found(REQUEST, operation, f"{header}: {wanted}", got[:80], evidence, header.lower())
        why = why_not_json(one.body)
        body = one.json
        if why and isinstance(body, Mapping):
            yield self._found(SCHEMA, operation, "a JSON document", why, evidence, "body")
        if not isinstance(body, Mapping):
            got = one.body.decode("utf-8", "replace")[:200]
            yield self._found(SCHEMA, operation, "a JSON object", got, evidence, "body")
            return
        yield from self._schema(operation, body, evidence)
        inner = self._inner(kind, body)
        yield from self._wrapping(kind, operation, body)
        told = at(inner, kind.callback["id"])
        if told is not None and str(told) != name:
            yield self._found(TASK, operation, f"the task {name}", repr(told)[:80], evidence)
        yield from self._state(kind, operation, inner, polled, evidence)
        yield from self._same_as_poll(kind, operation, self._inner(kind, self._as_documented(operation, body)), polled)

    def _wrapping(self, kind: Kind, operation: Operation, body: Mapping[str, Any]) -> Iterator[Finding]:
        """Yield a finding if a callback is in an envelope and should not be, or the other way round."""
        form = kind.callback.get("form")
        variant = self._target.contract.behaviour.variants.get(form["variant"]) if form else None
        if not form or variant is None:
            return
        wanted, is_wrapped = self._target.variants[variant.name] in form["wrapped"], self._inner(kind, body) is not body
        if wanted != is_wrapped:
            evidence = Evidence.of_row(variant)
            if self._target.is_live:  # which form a live service sends is not known
                evidence = Evidence("inferred", evidence.source)
            words = {True: "the task in its envelope", False: "the task alone"}
            yield self._found(REQUEST, operation, words[wanted], words[is_wrapped], evidence, "envelope")

    def _schema(self, operation: Operation, body: Mapping[str, Any], above: Evidence) -> Iterator[Finding]:
        schema = operation.callback_requests[0]["schema"]
        for violation in operation.check_callback(body):
            evidence = evidence_at(self._target.contract, schema, violation.place[1:]) or above
            place = "".join("/*" if isinstance(step, int) else f"/{step}" for step in violation.place[1:])
            expected = (
                f"{place}: {violation.rule} {violation.expected if violation.expected is not None else ''}".strip()
            )
            got = "nothing" if violation.rule == "required" else repr(violation.got)[:120]
            yield self._found(SCHEMA, operation, expected, got, evidence, place)

    def _state(
        self, kind: Kind, operation: Operation, inner: Any, polled: Any, evidence: Evidence
    ) -> Iterator[Finding]:
        state, known = at(inner, kind.callback["state"]), at(polled, kind.state)
        if state is None or state == known:
            return
        if self._target.variants.get("callback_events") == "all":
            row = kind.row_of_words(self._target.variants)
            words = self._target.contract.behaviour.status_words[row]
            if state in (words["queued"], words["running"]):
                return
        yield self._found(STATE, operation, f"{known!r}, as a poll says", repr(state)[:80], evidence)

    def _same_as_poll(self, kind: Kind, operation: Operation, inner: Any, polled: Any) -> Iterator[Finding]:
        """Yield a finding for each value that differs between a callback and the poll of the same state. Links may
        differ."""
        told = at(self._documented(kind.poll, polled), self._data)
        if not isinstance(inner, Mapping) or not isinstance(told, Mapping):
            return
        if at(inner, kind.callback["state"]) != at(polled, kind.state):
            return
        shared = [name for name in inner if name in told]
        for name in shared:
            differs = difference(*shared_part(told[name], inner[name]), f"/{name}")
            if differs is not None:
                place, wanted, got = differs
                evidence = self._evidence(operation)
                yield self._found(
                    POLL, operation, f"{place} {wanted!r}, as a poll says"[:200], repr(got)[:80], evidence, f"/{name}"
                )

    def _changed(self, kind: Kind, operation: Operation, received: Sequence[Received]) -> Iterator[Finding]:
        """Yield a finding if a repeated callback has another content than the first."""
        first: dict[str, Any] = {}
        for one in received:
            inner = self._inner(kind, self._as_documented(operation, one.json))
            state = str(at(inner, kind.callback["state"]))
            before = first.setdefault(state, inner)
            differs = difference(without_queries(before), without_queries(inner))
            if differs is not None:
                place, was, now = differs
                evidence = self._evidence(operation)
                yield self._found(CHANGED, operation, f"{place} {was!r} again"[:200], repr(now)[:80], evidence, place)

    def _news(self, kind: Kind, one: Received) -> tuple[str, str]:
        """Return what a callback reports: the id of a task and its state."""
        inner = self._inner(kind, one.json)
        return str(at(inner, kind.callback["id"])), str(at(inner, kind.callback["state"]))

    def _as_documented(self, operation: Operation, body: Any) -> Any:
        """Return a callback's body without the members that its contract does not name."""
        return documented(self._target.contract, operation.callback_requests[0]["schema"], body)

    def _documented(self, poll: str, answer: Any) -> Any:
        """Return an answer to the operation `poll` without the members that its contract does not name."""
        branch = branch_for(self._target.contract.operations[poll], 200, False)
        return answer if branch is None else documented(self._target.contract, branch.schema, answer)

    @staticmethod
    def _inner(kind: Kind, body: Any) -> Any:
        """Return the task in a callback's body, which may be inside an envelope."""
        rows = kind.callback
        return at(body, rows["wrapped"]) if rows.get("wrapped") and at(body, rows["id"]) is None else body

    def _evidence(self, operation: Operation) -> Evidence:
        for callback in map(operation.contract.resolve, operation.spec.get("callbacks", {}).values()):
            for item in callback.values():
                for spec in item.values():
                    evidence = Evidence.of(spec.get("x-evidence")) if isinstance(spec, Mapping) else None
                    if evidence is not None:
                        return evidence
        return Evidence("inferred", "the contract says nothing of callbacks")

    def _found(
        self, rule: Rule, operation: Operation, expected: str, got: str, evidence: Evidence, place: str = ""
    ) -> Finding:
        secrets = self._target.secrets
        return to_finding(
            rule, operation.id, Deviation(secrets.out_of(expected), secrets.out_of(got), evidence, place), None
        )
