"""Requests to the file stores: downloads of faces, results, previews and uploads, and the upload store.

1. `_ask`, in the open sandbox of the link: a fault, the method, the rate limit; then the file is looked up or stored.
2. `_answer`, with no sandbox open: the file is drawn or opened; ranges and conditions; error responses of the store.
3. `_with_fault`: a fault changes the answer.
4. The exchange is recorded in the journal of that sandbox. When the body has ended, the number of bytes that the
   connection took is added."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import parse_qsl

from swapmock.contracts import Operation
from swapmock.contracts.behaviour import LONGEST_MAGIC, BehaviourError
from swapmock.mock_server.core.call import Call, Problem, Reply, StoreProblem, still_holds
from swapmock.mock_server.core.faults import Moment
from swapmock.mock_server.core.journal import Breach, Exchange, Transfer
from swapmock.mock_server.core.placement import HeldElsewhere
from swapmock.mock_server.core.ports import Box, StoreError
from swapmock.mock_server.core.sandbox import RateLimit, http_date, retry_after
from swapmock.mock_server.engine.engine import Engine
from swapmock.mock_server.providers.store import digests_of
from swapmock.mock_server.web import files
from swapmock.mock_server.web.conditional import Decision, FileFacts, decide
from swapmock.mock_server.web.content import Content, Pace
from swapmock.mock_server.web.faults import DRIBBLE_SECONDS, FaultHit, apply_to_bytes, date_of, hit_by, match_fault
from swapmock.mock_server.web.file_headers import READABLE, headers_for
from swapmock.mock_server.web.messages import Answer, Request
from swapmock.mock_server.web.mounting import MountedApi, RouteMatch
from swapmock.mock_server.web.recording import begin_exchange, breaches, count_and_log, end_exchange
from swapmock.mock_server.web.replacements import replacement
from swapmock.mock_server.web.store_wire import STORE, Asked, chosen, refusal_answer

log = logging.getLogger("swapmock")

#: The most bytes of a file that the journal keeps: its first ones.
FIRST_BYTES = 1024

#: By how many seconds the Date of a server may be behind its clock.
DATE_LAG = 3

#: HTTP status of a condition or range that does not hold -> its row of contracts/store.yaml.
NOT_SENT = {412: "precondition_failed", 416: "range_not_satisfiable"}

#: The names of the rate windows for downloads and for uploads.
DOWNLOADS, UPLOADS = "downloads", "uploads"


@dataclass(slots=True)
class FileRequest:
    """One request to a file store while it is being answered."""

    api: MountedApi
    request: Request
    operation: Operation
    call: Call
    exchange: Exchange
    date: float = 0.0
    hit: FaultHit | None = None


class FileCalls:
    """Answers the requests to operations with `x-files`. `open_box(sandbox)` opens the sandbox with this id, the
    default one for "". `on_drift` gets the exchange of every answer that breaks its contract."""

    def __init__(self, engine: Engine, open_box: Callable[[str], Box], on_drift: Callable[[Exchange], None]) -> None:
        self._engine = engine
        self._open = open_box
        self._on_drift = on_drift

    def answer(self, target: RouteMatch, operation: Operation, request: Request, admin_url: str) -> Answer:
        """Return the answer to `request`, which was matched to a store's `operation`. `admin_url` is that of
        `count_and_log`."""
        engine = self._engine
        began = engine.time.now()
        if engine.store.next_end <= began:
            engine.sweep(began)
        owner = files.owner_of(operation, target.params, engine) or ""
        if operation.files == "store" and request.digests is None:
            request.digests = digests_of(request.body, request.headers)
        with self._open(owner) as box:
            asked = self._begin(target, operation, request, box, began)
            found = self._ask(asked)
        answer = self._answer(asked, found)
        if box.sandbox.client_clock == "sandbox" or _is_just_made(answer, asked.date):
            answer = answer._replace(headers=[("date", http_date(asked.date)), *answer.headers])
        with box:
            end_exchange(box, asked.exchange, asked.call.task, answer)
        if asked.exchange.drift:
            self._on_drift(asked.exchange)
        count_and_log(engine, asked.exchange, box, engine.time.now() - began, admin_url)
        return answer

    def broken(
        self, target: RouteMatch, operation: Operation, request: Request, problem: str, admin_url: str
    ) -> Answer:
        """Return the answer to an upload whose body did not arrive: `problem` is a row of contracts/store.yaml."""
        engine = self._engine
        owner = files.owner_of(operation, target.params, engine) or ""
        with self._open(owner) as box:
            asked = self._begin(target, operation, request, box, engine.time.now())
            answer = _refused(asked, StoreProblem(problem))
            end_exchange(box, asked.exchange, "", answer)
        count_and_log(engine, asked.exchange, box, 0.0, admin_url)
        return answer

    def _begin(self, target: RouteMatch, operation: Operation, request: Request, box: Box, began: float) -> FileRequest:
        engine, name = self._engine, target.api.provider.name
        now = engine.now(box)
        engine.run_due(box, now)
        exchange = begin_exchange(box, now, name, operation, request, FIRST_BYTES)
        exchange.base_url = base_url = engine.public_url or request.base_url
        exchange.violations = _shown_credentials(target.api, operation, request)
        query = dict(parse_qsl(request.query, keep_blank_values=True, errors="replace")) if request.query else {}
        call = Call(
            operation.id, {**query, **target.params}, None, request.body, request.headers, box, now,
            box.sandbox.variants[name], base_url, exchange.id, name, client=request.client, method=request.method,
            digests=request.digests, received=began,
        )  # fmt: skip
        if operation.files == "store":
            sent = len(request.body)
            exchange.transfer = Transfer(sent, "" if request.digests is None else request.digests.sha256, "", sent)
        return FileRequest(target.api, request, operation, call, exchange, date_of(call, engine))

    def _ask(self, asked: FileRequest) -> Reply | files.Found | Problem | None:
        """Return what the open sandbox decides: an answer of the store, a file, or an error; None if a fault ends
        the connection."""
        engine, call, operation = self._engine, asked.call, asked.operation
        try:
            asked.hit = match_fault(call, engine, asked.request.path, asked.request.query) or _hit_of_content(
                asked, engine
            )
            if _ends_here(asked.hit):
                return None if asked.hit is None else asked.hit.refusal
            _take_rate(asked)
            if operation.files == "store":
                if asked.request.body_error:
                    raise _body_refused(asked.request.body_error)
                return asked.api.provider.handlers[operation.id](call, engine)
            if call.method not in ("GET", "HEAD"):
                details = {"Method": call.method, "ResourceType": "OBJECT"}
                raise StoreProblem("method_not_allowed", details=details, headers=(("allow", "GET, HEAD"),))
            found = files.find(engine, call.box, operation, call.params, call.now)
            if found.task is not None:
                call.task = found.task.id
                asked.hit = asked.hit or _hit_of_scenario(asked, engine)
                if _ends_here(asked.hit):
                    return None if asked.hit is None else asked.hit.refusal
        except (HeldElsewhere, StoreError):
            raise
        except Problem as problem:
            return problem
        except OSError as error:  # the folder of uploads: the disk is full, or the folder is not writable
            log.error("%s failed: %s", operation.id, error, extra={"request": asked.exchange.id})
            return StoreProblem("server_error")
        except Exception:
            log.exception("%s failed", operation.id, extra={"request": asked.exchange.id})
            return StoreProblem("server_error")
        return found

    def _answer(self, asked: FileRequest, found: Reply | files.Found | Problem | None) -> Answer:
        try:
            if isinstance(found, files.Found):
                answer = self._file(asked, found)
            elif isinstance(found, Reply):
                answer = Answer(found.status, list(found.headers), b"")
            else:
                answer = _refused(asked, found or StoreProblem("server_error"))
        except (HeldElsewhere, StoreError):
            raise
        except Problem as problem:
            answer = _refused(asked, problem)
        except Exception:
            log.exception("%s failed", asked.operation.id, extra={"request": asked.exchange.id})
            answer = _refused(asked, StoreProblem("server_error"))
        if asked.hit is not None:
            return _with_fault(asked, answer, asked.hit)
        drift = asked.operation.check_answer(answer.status, None)
        asked.exchange.drift = breaches(drift)
        return answer

    def _file(self, asked: FileRequest, found: files.Found) -> Answer:
        """Return the answer with the file, or with the requested ranges of it."""
        request, hit = asked.request, asked.hit
        headers: Mapping[str, str] = request.headers
        if hit is not None and hit.effect.body == "stale":
            found = files.older(found)
        if hit is not None and hit.effect.ranges == "ignore":
            headers = {name: value for name, value in headers.items() if name != "range"}
        opened = files.opened(found, self._engine)
        modified = files.last_modified(found, asked.date)
        facts = FileFacts(opened.source.size, found.content_type, opened.etag, modified)
        decision = decide(request.method, headers, facts)
        if decision.status in NOT_SENT:
            return _not_sent(asked, decision, facts)
        asked.exchange.transfer = Transfer(facts.size, opened.digest, dict(decision.headers).get("content-range", ""))
        return _sent(asked, decision, opened, headers_for(found.content_type))


def _not_sent(asked: FileRequest, decision: Decision, facts: FileFacts) -> Answer:
    """Return the answer to a range or condition that does not hold, in the words of the store."""
    headers = asked.request.headers
    if decision.status == 416:
        details = {"RangeRequested": headers.get("range", "")[:200], "ActualObjectSize": str(facts.size)}
    else:
        details = {"Condition": "If-Match" if "if-match" in headers else "If-Unmodified-Since"}
    answer = _refused(asked, StoreProblem(NOT_SENT[decision.status], details=details))
    return answer._replace(headers=[*decision.headers, *answer.headers])


def _sent(asked: FileRequest, decision: Decision, opened: files.Opened, more: tuple[tuple[str, str], ...]) -> Answer:
    pieces = () if asked.request.method == "HEAD" else tuple(decision.pieces)
    after = decision.after if pieces else b""
    is_whole = decision.status == 200 and bool(pieces)
    content = Content(
        opened.source,
        pieces,
        after,
        is_made=opened.is_made,
        wants_digest=is_whole and not opened.digest,
        on_end=_note_end(asked, opened),
    )
    length = [] if decision.status == 304 else [("content-length", str(decision.length))]
    return Answer(decision.status, [*length, *decision.headers, *more], content.first(FIRST_BYTES), content=content)


def _is_just_made(answer: Answer, date: float) -> bool:
    """Return whether Last-Modified is so recent that the server's Date could be earlier: that Date is updated only
    now and then."""
    if answer.content is None:
        return False
    recent = {http_date(int(date) - age) for age in range(DATE_LAG)}
    return any(name == "last-modified" and value in recent for name, value in answer.headers)


def _note_end(asked: FileRequest, opened: files.Opened) -> Callable[[int, str], None]:
    """Return a function that adds to the journal how much of a file was sent, and its digest once it is known."""
    box, exchange = asked.call.box, asked.exchange

    def note(sent: int, digest: str) -> None:
        transfer = exchange.transfer
        if transfer is not None:
            done = transfer._replace(sent=sent, digest=transfer.digest or digest)
            with suppress(StoreError), box:  # the store is away, or another process holds the sandbox now
                box.note_transfer(exchange, done)
        if digest:
            files.DRAWN.note_digest(opened, digest)

    return note


def _shown_credentials(api: MountedApi, operation: Operation, request: Request) -> tuple[Breach, ...]:
    """Return the credentials that a request sends to a file store. The store is another host than the vendor's API
    and needs none."""
    form = api.contract.behaviour.credential_form
    names = {"authorization", *(() if form is None else map(str.lower, form.headers))}
    shown = sorted(names & request.headers.keys())
    where = "the upload store" if operation.files == "store" else "the media host"
    return tuple(Breach(("headers", name), "credential", f"no credential at {where}", None) for name in shown)


def _ends_here(hit: FaultHit | None) -> bool:
    """Return whether a fault leaves nothing for the store to do."""
    return (
        hit is not None and hit.moment is Moment.BEFORE and (hit.refusal is not None or hit.effect.replaces_the_answer)
    )


def _take_rate(asked: FileRequest) -> None:
    """Count the request in the rate window of its kind, if the sandbox has one. It never counts in that of the
    vendors' APIs."""
    is_upload = asked.operation.files == "store"
    sandbox = asked.call.box.sandbox
    limit: RateLimit | None = sandbox.upload_rate_limit if is_upload else sandbox.download_rate_limit
    if limit is None:
        return
    wait = asked.call.box.take_rate(UPLOADS if is_upload else DOWNLOADS, asked.call.now, limit)
    if wait > 0.0:
        is_s3 = is_upload and chosen(STORE, asked.call.variants) == "s3"
        headers = retry_after(limit.retry_after, wait, asked.date)
        raise StoreProblem("slow_down" if is_s3 else "rate_limited", headers=headers)


def _body_refused(why: str) -> Problem:
    """Return the error for an upload whose body was dropped because of `why`."""
    return StoreProblem(
        "chunked" if "chunks" in why else "too_large",
        message=f"Your proposed upload exceeds the maximum allowed size: {why}",
    )


def _hit_of_content(asked: FileRequest, engine: Engine) -> FaultHit | None:
    """Return the fault that an upload asks for whose whole content is a magic value; None for any other content."""
    call, raw = asked.call, asked.request.body
    if asked.operation.files != "store" or len(raw) > LONGEST_MAGIC or b".invalid" not in raw.lower():
        return None
    text = raw.decode("utf-8", "replace").strip()
    behaviour = engine.contracts[call.provider].behaviour
    try:
        row = behaviour.magic_for(text)
    except BehaviourError:  # a file may hold any text
        return None
    if row is None:
        return None
    raw_effect = row.upload or row.fault
    if raw_effect is None and row.refuse is not None:
        code = str(behaviour.refusals[row.refuse].code)
        raw_effect = {"status": int(code)} if code.isdecimal() and 400 <= int(code) <= 599 else None
    if raw_effect is None or not still_holds(call.box, text, row.times):
        return None
    return hit_by(f"magic {text}", raw_effect, call, engine)


def _hit_of_scenario(asked: FileRequest, engine: Engine) -> FaultHit | None:
    """Return the fault that the scenario of a task applies to downloads of its files."""
    call = asked.call
    task = call.box.task(call.task)
    row = None if task is None else engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
    if task is None or row is None or not row.download:
        return None
    if not still_holds(call.box, f"{row.name} of task {task.id}", row.download.get("times")):
        return None
    return hit_by(f"scenario {row.name}", row.download, call, engine)


def _refused(asked: FileRequest, problem: Problem) -> Answer:
    asked.exchange.problem = problem.name
    call = asked.call
    answer = refusal_answer(problem, Asked(call.variants, call.box.sandbox.seed, asked.exchange.id))
    return answer._replace(headers=[*answer.headers, *READABLE])


def _with_fault(asked: FileRequest, answer: Answer, hit: FaultHit) -> Answer:
    """Return `answer` with the changes of the fault."""
    effect, exchange = hit.effect, asked.exchange
    exchange.fault = hit.name
    if hit.refusal is not None and hit.moment is not Moment.BEFORE:
        answer = _refused(asked, hit.refusal)
    answer = replacement(effect, hit.headers) or answer
    if effect.status is not None and hit.refusal is None and not effect.replacement:
        answer = answer._replace(status=effect.status)
    if hit.refusal is None and not effect.replacement:
        answer = answer._replace(headers=[*answer.headers, *hit.headers])
    if effect.content_type is not None:
        kept = [pair for pair in answer.headers if pair[0] != "content-type"]
        answer = answer._replace(headers=[*kept, ("content-type", effect.content_type)])
    fault = effect.connection or ("break_off" if effect.body == "truncated" else "")
    delay = hit.delay or (DRIBBLE_SECONDS if fault == "dribble" else 0.0)
    if answer.content is not None:
        answer = _changed(answer, answer.content, hit)
        if fault == "dribble" and answer.content is not None:
            answer.content.pace = Pace(max(1, int(answer.content.whole / delay)))
            fault, delay = "", 0.0
    else:
        whole = len(answer.body)
        answer = answer._replace(body=apply_to_bytes(effect, answer.body))
        if fault == "break_off":
            answer = answer._replace(headers=[*answer.headers, ("content-length", str(whole))])
    return answer._replace(delay=delay, connection_fault=fault)


def _changed(answer: Answer, content: Content, hit: FaultHit) -> Answer:
    """Return the answer with a file whose bytes a fault changes."""
    effect, length = hit.effect, content.whole
    if effect.body in ("empty", "malformed", "cut"):
        if effect.body == "empty":
            content.pieces, content.after = (), b""
        elif effect.body == "malformed":
            content = content.malformed()
        else:
            content.limit = length // 2
        length = content.whole if content.limit is None else content.limit
        headers = [pair for pair in answer.headers if pair[0] != "content-length"]
        answer = answer._replace(headers=[("content-length", str(length)), *headers])
    elif effect.body == "truncated":
        content.limit = length // 2
    if effect.stall is not None or effect.bandwidth:
        stall = (0, 0.0) if effect.stall is None else tuple(effect.stall)
        content.pace = Pace(effect.bandwidth or 0, int(stall[0]), float(stall[1]))
    return answer._replace(content=content, body=content.first(FIRST_BYTES))
