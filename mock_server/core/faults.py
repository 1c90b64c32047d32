"""Faults: rules that change an answer or break a connection on purpose, in the same way every time."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, NamedTuple, Protocol

from swapmock.mock_server.core.codec import AddedIn
from swapmock.mock_server.core.numerals import read_count
from swapmock.mock_server.core.sandbox import RateLimit
from swapmock.mock_server.core.seeded import fraction
from swapmock.mock_server.core.timetext import parse_duration

#: What a match asks for where it asks for nothing.
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Moment(StrEnum):
    """When a fault applies: instead of the handler; after it, so that its work is done and its answer lost; or on the
    way out, in bytes and connection."""

    BEFORE = "before"
    AFTER = "after"
    WIRE = "wire"


class RawBody(NamedTuple):
    """A body as it is sent: its bytes and its media type."""

    content: bytes
    content_type: str


class Stall(NamedTuple):
    """A silence of `seconds` (real time) after the first `after` bytes of a body."""

    after: int
    seconds: float


class Effect(NamedTuple):
    """What a fault does. `code` refuses with a body code, `refuse` with a refusal by name, `message` in other words;
    `status` is the HTTP status: an error without a `code` refuses, too. `delay` holds the answer back: real seconds, drawn evenly from a range.
    `rate_limit` refuses only above its window. `retry_after`: `(seconds, form)`.

    `body`: malformed, truncated (the body breaks off under the Content-Length of the whole), cut (shorter, with a
    Content-Length that fits), empty. `code_type`: the type that the envelope's code gets (string, number, null, object, list,
    boolean). `extra_fields` are merged into the answer and replace nothing. `set` puts values at JSON Pointers of the answer.
    `raw` is a body of any content type, `redirect` a URL to go to, `gateway` the status of an error page of the gateway in
    front: each of these three replaces the answer. `connection`: reset, hang_up, dribble, garbage (bytes that are no HTTP).

    `content_type` replaces that header. `stall` and `bandwidth` (bytes a second) slow the body down. For files alone: the body
    `stale` is that of an older file under the same name, and `ranges: ignore` answers with the whole file.
    """

    code: int | str | None = None
    refuse: str | None = None
    message: str | None = None
    status: int | None = None
    delay: tuple[float, float] = (0.0, 0.0)
    rate_limit: RateLimit | None = None
    retry_after: tuple[float, str] | None = None
    body: str | None = None
    code_type: str | None = None
    extra_fields: Mapping[str, Any] | None = None
    connection: str | None = None
    set: Annotated[Mapping[str, Any] | None, AddedIn("0.2")] = None
    raw: Annotated[RawBody | None, AddedIn("0.2")] = None
    redirect: Annotated[str | None, AddedIn("0.2")] = None
    gateway: Annotated[int | None, AddedIn("0.2")] = None
    content_type: Annotated[str | None, AddedIn("0.2")] = None
    stall: Annotated[Stall | None, AddedIn("0.2")] = None
    bandwidth: Annotated[int | None, AddedIn("0.2")] = None
    ranges: Annotated[str | None, AddedIn("0.2")] = None

    @property
    def refuses(self) -> bool:
        is_error = self.status is not None and self.status >= 400
        return self.code is not None or self.refuse is not None or self.rate_limit is not None or is_error

    @property
    def replaces_the_answer(self) -> bool:
        """Whether nothing is left of what a handler says."""
        lost = self.connection in ("reset", "hang_up", "garbage") or self.body not in (None, "stale")
        return lost or self.replacement

    @property
    def replacement(self) -> bool:
        """Whether another answer is sent in place of the provider's."""
        return self.raw is not None or self.redirect is not None or self.gateway is not None


class Match(NamedTuple):
    """Which calls a fault is for; what is left out matches all. `body` and `headers` take a JSONPath (`$...`) or a
    JSON Pointer (`/...`), or a plain name, to what must be found there; `path` is a condition on the path; `nth` counts matching calls from 1;
    `probability` is seeded; `model` is a task's model or its tool's code."""

    provider: str | None = None
    operation: str | None = None
    model: str | None = None
    body: Mapping[str, Any] = NOTHING
    headers: Mapping[str, Any] = NOTHING
    params: Mapping[str, Any] = NOTHING
    path: Annotated[Any, AddedIn("0.2")] = None
    nth: int | None = None
    probability: float | None = None


class FaultRule(NamedTuple):
    """`times` bounds how often it applies (None: no bound)."""

    id: str
    effect: Effect
    match: Match = Match()
    moment: Moment = Moment.BEFORE
    times: int | None = None


class Turns(NamedTuple):
    """How many calls matched a rule, and to how many of them it was applied."""

    matched: int = 0
    struck: int = 0


class Subject(Protocol):
    """A call as rules look at it. `body` is parsed leniently and only when a rule asks (None if it is no JSON)."""

    @property
    def provider(self) -> str: ...
    @property
    def operation(self) -> str: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def model(self) -> str | None: ...
    @property
    def path(self) -> str: ...
    def body(self) -> Any: ...


#: `(path, document)` -> the values found there.
Find = Callable[[str, Any], Sequence[Any]]

#: `(pattern, text)` -> whether the one is found in the other.
Search = Callable[[str, str], bool]


#: `value` -> the text that `contains` and `matches` look into.
Text = Callable[[Any], str]


class TooMuchWork(Exception):
    """The conditions of one call's rules have done all the work that they may."""


def matches(match: Match, subject: Subject, find: Find, search: Search, text: Text = str) -> bool:
    """Whether a call is of the kind that `match` describes, its count and chance aside."""
    if match.provider is not None and match.provider != subject.provider:
        return False
    if match.operation is not None and match.operation != subject.operation:
        return False
    if match.model is not None and subject.model != match.model:
        return False
    if match.path is not None and not any_fits(match.path, [subject.path], search):
        return False

    def fit(conditions: Mapping[str, Any], read: Callable[[], Any]) -> bool:
        return all(any_fits(wanted, find(_path(path), read()), search, text) for path, wanted in conditions.items())

    return (
        fit(match.headers, lambda: dict(subject.headers))
        and fit(match.params, lambda: dict(subject.params))
        and fit(match.body, subject.body)
    )


def _path(name: str) -> str:
    """A plain name as a pointer to that top-level member; header names are in lower case."""
    if name[:1] in ("$", "/"):
        return name
    return "/" + name.replace("~", "~0").replace("/", "~1")


def any_fits(wanted: Any, found: Sequence[Any], search: Search, text: Text = str) -> bool:
    """Whether one of the values `found` meets a condition."""
    if isinstance(wanted, Mapping) and len(wanted) == 1:
        ((how, what),) = wanted.items()
        if how == "equals":
            return any(_is(value, what) for value in found)
        if how == "exists":
            return bool(found) is bool(what)
        if how == "contains":
            return any(str(what) in text(value) for value in found)
        if how == "matches":
            return any(search(str(what), text(value)) for value in found)
    return any(_is(value, wanted) for value in found)


def _is(value: Any, wanted: Any) -> bool:
    """Equal as JSON values, 1 and 1.0 included; a text may stand for a number, for parameters and headers are texts."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted or str(value).lower() == str(wanted).lower()
    if isinstance(value, str) != isinstance(wanted, str) and isinstance(value, str | int | float):
        return str(value) == str(wanted)
    return bool(value == wanted)


def takes_turn(rule: FaultRule, turns: Turns, seed: int) -> bool:
    """Whether a rule applies to its next matching call, `turns` being those before it."""
    if rule.times is not None and turns.struck >= rule.times:
        return False
    number = turns.matched + 1
    if rule.match.nth is not None and number != rule.match.nth:
        return False
    return rule.match.probability is None or fraction(seed, rule.id, number) < rule.match.probability


def drawn_delay(effect: Effect, *chance: object) -> float:
    """Seconds to hold the answer back."""
    low, high = effect.delay
    return low if high <= low else low + (high - low) * fraction("delay", *chance)


def _number_of(code: str) -> int:
    number = read_count(code.removeprefix("-"), 2**53) or 0
    return -number if code.startswith("-") else number


#: What the envelope's code becomes under `code_type`: (code, the code of success) -> the value to send.
CODE_TYPES: Mapping[str, Callable[[Any, Any], Any]] = {
    "string": lambda code, _: str(code),
    "number": lambda code, _: _number_of(str(code)),
    "null": lambda *_: None,
    "object": lambda code, _: {"code": code},
    "list": lambda code, _: [code],
    "boolean": lambda code, success: str(code) == str(success),
}


def read_effect(raw: Mapping[str, Any]) -> Effect:
    """The effect that JSON names, its short spellings written out: a number for a fixed `delay` or for `retry_after` in
    seconds, `maintenance: true`, `extra_fields: true`."""
    low, high = _read_delay(raw.get("delay", 0.0))
    connection, window = raw.get("connection"), raw.get("rate_limit")
    extra = raw.get("extra_fields")
    return Effect(
        code=raw.get("code"),
        refuse="maintenance" if raw.get("maintenance") else raw.get("refuse"),
        message=raw.get("message"),
        status=raw.get("status"),
        delay=(low, high),
        rate_limit=None if window is None else RateLimit.read(window),
        retry_after=_read_retry_after(raw.get("retry_after")),
        body=raw.get("body"),
        code_type=raw.get("code_type"),
        extra_fields={"unexpected": True} if extra is True else (extra or None),
        connection=None if connection is None else connection.replace("-", "_"),
        set=raw.get("set") or None,
        raw=_read_raw(raw.get("raw")),
        redirect=raw.get("redirect"),
        gateway=raw.get("gateway"),
        content_type=raw.get("content_type"),
        stall=_read_stall(raw.get("stall")),
        bandwidth=raw.get("bandwidth"),
        ranges=raw.get("ranges"),
    )


#: Where a body stalls unless a rule says otherwise, in bytes: the media host of crun.ai was seen to stop there. And for how
#: long, in seconds: longer than clients wait.
STALL_AFTER, STALL_SECONDS = 192 << 10, 60.0


def _read_stall(raw: Any) -> Stall | None:
    """The stall that JSON names: an object, seconds alone, or `true`."""
    if raw is None or raw is False:
        return None
    given = raw if isinstance(raw, Mapping) else {} if raw is True else {"seconds": raw}
    return Stall(int(given.get("after", STALL_AFTER)), parse_duration(given.get("seconds", STALL_SECONDS)))


def _read_raw(raw: Any) -> RawBody | None:
    if raw is None:
        return None
    given = {"text": raw} if isinstance(raw, str) else raw
    content = (
        base64.b64decode(given["base64"], validate=True) if "base64" in given else str(given.get("text", "")).encode()
    )
    return RawBody(content, given.get("content_type", "text/html; charset=utf-8"))


def _read_delay(raw: Any) -> tuple[float, float]:
    if isinstance(raw, Mapping):
        raw = (raw["min"], raw["max"]) if "min" in raw else raw.get("range", raw.get("fixed"))
    low, high = raw if isinstance(raw, list | tuple) else (raw, raw)
    return parse_duration(low), parse_duration(high)


def written_effect(effect: Effect) -> dict[str, Any]:
    """The JSON that `read_effect` makes `effect` of."""
    raw = {name: getattr(effect, name) for name in ("code", "refuse", "message", "status", "body", "code_type")}
    raw |= {name: getattr(effect, name) for name in ("extra_fields", "connection", "set", "redirect", "gateway")}
    raw |= {name: getattr(effect, name) for name in ("content_type", "bandwidth", "ranges")}
    if effect.stall is not None:
        raw["stall"] = effect.stall._asdict()
    if effect.raw is not None:
        raw["raw"] = {"base64": base64.b64encode(effect.raw.content).decode(), "content_type": effect.raw.content_type}
    low, high = effect.delay
    if high > 0.0:
        raw["delay"] = low if low == high else [low, high]
    if effect.rate_limit is not None:
        limit = effect.rate_limit
        raw["rate_limit"] = {"calls": limit.calls, "seconds": limit.seconds, "retry_after": limit.retry_after}
    if effect.retry_after is not None:
        raw["retry_after"] = {"seconds": effect.retry_after[0], "form": effect.retry_after[1]}
    return {name: value for name, value in raw.items() if value is not None}


def _read_retry_after(raw: Any) -> tuple[float, str] | None:
    if raw is None:
        return None
    if isinstance(raw, Mapping):
        return parse_duration(raw["seconds"]), str(raw.get("form", "seconds"))
    return parse_duration(raw), "seconds"


def usual_moment(effect: Effect) -> Moment:
    """The moment of an effect that names none: error responses, gateway pages and redirects come before the handler, the rest
    changes the answer on its way."""
    is_before = effect.refuses or effect.gateway is not None or effect.redirect is not None
    return Moment.BEFORE if is_before else Moment.WIRE


def merged(value: Any, extra: Mapping[str, Any]) -> Any:
    """The JSON object `value` with the members of `extra` that it lacks, at every depth. Nothing in `value` is replaced."""
    if not isinstance(value, Mapping):
        return value
    found = dict(value)
    for name, item in extra.items():
        if name not in found:
            found[name] = item
        elif isinstance(item, Mapping):
            found[name] = merged(found[name], item)
    return found


def with_value(document: Any, pointer: str, value: Any) -> Any:
    """A copy of `document` with `value` at a JSON Pointer (RFC 6901). Members that are missing on the way are made; "-" adds
    to a list. A place that cannot be reached (inside a text, beyond the end of a list) changes nothing."""
    if pointer in ("", "#"):
        return value
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.removeprefix("#").split("/")[1:]]
    return _with_value(document, steps, value)


def _with_value(document: Any, steps: Sequence[str], value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(document, Mapping):
        below = document.get(step, {} if rest else None)
        return {**document, step: _with_value(below, rest, value)}
    if isinstance(document, list):
        if step == "-":
            return [*document, _with_value({}, rest, value)]
        if step.isascii() and step.isdigit() and len(step) < 7 and int(step) < len(document):
            at = int(step)
            return [*document[:at], _with_value(document[at], rest, value), *document[at + 1 :]]
        return document
    return _with_value({}, steps, value) if document is None else document
