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

#: The conditions of a match that has none.
NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Moment(StrEnum):
    """When a fault applies: `before` in place of the handler; `after` the handler, so that its work is done and its
    answer is lost; or on the `wire`, to the bytes and the connection."""

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
    """What a fault does.

    `code` gives the error response with this body code, `refuse` the one with this name, `message` another
    wording. `status` is the HTTP status; an error status without a `code` also gives an error response. `delay`
    is the range of real seconds from which the delay of the answer is drawn evenly. `rate_limit` gives the error
    only above its window. `retry_after` is `(seconds, form)`.

    `body` is `malformed`, `truncated` (the body ends early, with the Content-Length of the whole), `cut`
    (shorter, with a matching Content-Length) or `empty`. `code_type` is the type that the envelope's code gets
    (string, number, null, object, list, boolean). `extra_fields` are merged into the answer and replace nothing.
    `set` puts values at JSON Pointers of the answer. `raw` is a body of any content type, `redirect` a URL,
    `gateway` the status of a gateway's error page: each of these three replaces the answer. `connection` is
    `reset`, `hang_up`, `dribble` (slow bytes) or `garbage` (bytes that are not HTTP).

    `content_type` replaces that header. `stall` and `bandwidth` (bytes a second) slow the body down. Two effects
    are for files only: the body `stale` is that of an older file under the same name, and `ranges: ignore`
    answers with the whole file."""

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
        """Whether the effect gives an error response."""
        is_error = self.status is not None and self.status >= 400
        return self.code is not None or self.refuse is not None or self.rate_limit is not None or is_error

    @property
    def replaces_the_answer(self) -> bool:
        """Whether nothing of the handler's answer is sent."""
        lost = self.connection in ("reset", "hang_up", "garbage") or self.body not in (None, "stale")
        return lost or self.replacement

    @property
    def replacement(self) -> bool:
        """Whether another answer is sent in place of the provider's."""
        return self.raw is not None or self.redirect is not None or self.gateway is not None


class Match(NamedTuple):
    """Which calls a fault is for. A condition that is left out matches all calls.

    The keys of `body` and `headers` are a JSONPath (`$...`), a JSON Pointer (`/...`) or a plain name; the values
    are what must be found there. `path` is a condition on the path. `nth` counts matching calls from 1.
    `probability` is seeded. `model` is a task's model or its tool's code."""

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
    """A rule: what to match and what to do. `times` limits how often the rule applies (None: no limit)."""

    id: str
    effect: Effect
    match: Match = Match()
    moment: Moment = Moment.BEFORE
    times: int | None = None


class Turns(NamedTuple):
    """How many calls matched a rule, and to how many of these it was applied."""

    matched: int = 0
    struck: int = 0


class Subject(Protocol):
    """The view of a call that rules have. `body` is parsed leniently and only if a rule needs it (None if it is not
    JSON)."""

    @property
    def provider(self) -> str:
        """The provider's name."""

    @property
    def operation(self) -> str:
        """The operationId."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The request headers, with names in lower case."""

    @property
    def params(self) -> Mapping[str, Any]:
        """The path and query parameters."""

    @property
    def model(self) -> str | None:
        """The model of the task, or the code of its tool; None without one."""

    @property
    def path(self) -> str:
        """The path of the request."""

    def body(self) -> Any:
        """The parsed body."""


#: `(path, document)` -> the values found there.
Find = Callable[[str, Any], Sequence[Any]]

#: `(pattern, text)` -> whether the pattern is found in the text.
Search = Callable[[str, str], bool]


#: `value` -> the text that `contains` and `matches` search.
Text = Callable[[Any], str]


class TooMuchWork(Exception):
    """The conditions of one call's rules have used up the work that they may do."""


def matches(match: Match, subject: Subject, find: Find, search: Search, text: Text = str) -> bool:
    """Return whether a call meets the conditions of `match`, apart from its count and its probability. `find`,
    `search` and `text` do the work on values."""
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
    """Return a plain name as a pointer to that top-level member; header names are in lower case."""
    if name[:1] in ("$", "/"):
        return name
    return "/" + name.replace("~", "~0").replace("/", "~1")


def any_fits(wanted: Any, found: Sequence[Any], search: Search, text: Text = str) -> bool:
    """Return whether one of the values `found` meets the condition `wanted`. `search` and `text` do the work on
    texts."""
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
    """Return whether two JSON values are equal, 1 and 1.0 included. A text may equal a number, because parameters
    and headers are texts."""
    if isinstance(value, bool) or isinstance(wanted, bool):
        return value is wanted or str(value).lower() == str(wanted).lower()
    if isinstance(value, str) != isinstance(wanted, str) and isinstance(value, str | int | float):
        return str(value) == str(wanted)
    return bool(value == wanted)


def takes_turn(rule: FaultRule, turns: Turns, seed: int) -> bool:
    """Return whether a rule applies to its next matching call. `turns` counts the calls before it; `seed` decides
    about probabilities."""
    if rule.times is not None and turns.struck >= rule.times:
        return False
    number = turns.matched + 1
    if rule.match.nth is not None and number != rule.match.nth:
        return False
    return rule.match.probability is None or fraction(seed, rule.id, number) < rule.match.probability


def drawn_delay(effect: Effect, *chance: object) -> float:
    """Return the seconds by which the answer is delayed, drawn from `chance`."""
    low, high = effect.delay
    return low if high <= low else low + (high - low) * fraction("delay", *chance)


def _number_of(code: str) -> int:
    number = read_count(code.removeprefix("-"), 2**53) or 0
    return -number if code.startswith("-") else number


#: The value of the envelope's code for each `code_type`: (code, the code of success) -> the value to send.
CODE_TYPES: Mapping[str, Callable[[Any, Any], Any]] = {
    "string": lambda code, _: str(code),
    "number": lambda code, _: _number_of(str(code)),
    "null": lambda *_: None,
    "object": lambda code, _: {"code": code},
    "list": lambda code, _: [code],
    "boolean": lambda code, success: str(code) == str(success),
}


def read_effect(raw: Mapping[str, Any]) -> Effect:
    """Return the effect in the JSON object `raw`. Short forms are expanded: a number for a fixed `delay` or for
    `retry_after` in seconds, `maintenance: true`, `extra_fields: true`."""
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


#: The defaults of a stall: after how many bytes (the media host of crun.ai was seen to stop there), and for how many
#: seconds (longer than clients wait).
STALL_AFTER, STALL_SECONDS = 192 << 10, 60.0


def _read_stall(raw: Any) -> Stall | None:
    """Return the stall in JSON: an object, seconds alone, or `true`."""
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
    """Return the JSON object from which `read_effect` makes `effect`."""
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
    """Return the moment of an effect that names none: error responses, gateway pages and redirects come before the
    handler; all others change the answer on its way."""
    is_before = effect.refuses or effect.gateway is not None or effect.redirect is not None
    return Moment.BEFORE if is_before else Moment.WIRE


def merged(value: Any, extra: Mapping[str, Any]) -> Any:
    """Return the JSON object `value` with the members of `extra` that it lacks, at every depth. Nothing in `value`
    is replaced."""
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
    """Return a copy of `document` with `value` at the JSON Pointer `pointer` (RFC 6901). Missing members on the way
    are created; "-" appends to a list. A place that cannot exist (inside a text, beyond the end of a list)
    changes nothing."""
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
