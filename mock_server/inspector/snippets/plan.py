"""Plans a test that repeats a part of a run: the requests that it depends on, in order, on a frozen clock.

A request may contain values from earlier answers: ids, links. The plan finds the first request whose answer
contained each value, and the test reads the value from its own answer. The conditions for an answer are set up
again: faults, scenarios, rate limits, a balance."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from swapmock.mock_server.admin.faults import fault_row
from swapmock.mock_server.admin.masking import HIDDEN, Mask
from swapmock.mock_server.admin.records import readable
from swapmock.mock_server.core.codec import encode
from swapmock.mock_server.core.delivery import Attempt, Delivery
from swapmock.mock_server.core.journal import Exchange
from swapmock.mock_server.core.ledger import ROUTES, Account, Entry
from swapmock.mock_server.core.ports import Box
from swapmock.mock_server.core.task import Task

if TYPE_CHECKING:
    from swapmock.contracts import Contract
    from swapmock.mock_server.engine.engine import Engine

#: The most requests in a test, and the most texts of one request that are searched in earlier answers.
MOST_STEPS, MOST_TEXTS = 40, 60

#: Shorter texts are not treated as ids.
SHORTEST_ID = 6

#: The most bytes of a body that the journal keeps; a longer one cannot be repeated.
KEPT_BYTES = 65_536

#: The headers, in addition to credential and content type, on which an answer depends.
SENT_AGAIN = ("prefer", "range", "if-range", "if-match", "if-none-match")

#: The longest delay of a fault that a test repeats, in real seconds.
LONGEST_DELAY = 1.0


class Unrepeatable(Exception):
    """This part of the run cannot be repeated; the text says why."""


class Given(NamedTuple):
    """A value from an earlier answer: the number of its step, and the names and indexes that lead to it."""

    step: int
    place: tuple[str | int, ...]


class OfInbox(NamedTuple):
    """The callback URL of the test's own sandbox."""


@dataclass(frozen=True)
class Step:
    """One request. `target` is a path and query, or parts of it with values from earlier answers; `is_url` says that
    its only part is a whole URL. `json` is a JSON body that may contain Given; otherwise `raw` is the body.
    `wait` seconds pass before the request."""

    exchange: Exchange
    wait: float
    target: tuple[str | Given, ...]
    is_url: bool
    json: Any
    raw: bytes | None
    headers: Mapping[str, str]
    credential: str
    set_up: tuple[tuple[str, Any], ...] = ()
    code: Any = None
    has_code: bool = False


@dataclass(frozen=True)
class Ending:
    """The conditions at the end: after `wait` seconds, the task that the step `step` created has a status, and its
    callback was attempted with these HTTP statuses."""

    wait: float
    step: int
    place: tuple[str | int, ...] | None
    status: str
    attempts: tuple[int, ...] | None = None
    state: str = ""


@dataclass(frozen=True)
class Plan:
    """A test: its name, the options of its sandbox, the answers of its inbox, its steps, its ending."""

    name: str
    title: str
    options: Mapping[str, Any]
    answers: tuple[Mapping[str, Any], ...]
    steps: tuple[Step, ...]
    ending: Ending | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def uses_inbox(self) -> bool:
        """Whether a request contains the callback URL of the test's own sandbox."""
        bodies = [step.json for step in self.steps if isinstance(step.json, dict)]
        return any(isinstance(item, OfInbox) for body in bodies for item in body.values())

    @property
    def used_steps(self) -> set[int]:
        """The numbers of the steps whose answers are read later."""
        found = {given.step for step in self.steps for given in _all_given((list(step.target), step.json))}
        return found | ({self.ending.step} if self.ending is not None and self.ending.place is not None else set())


def _all_given(value: Any) -> Iterator[Given]:
    if isinstance(value, Given):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _all_given(item)
    elif isinstance(value, list | tuple) and not isinstance(value, OfInbox):
        for item in value:
            yield from _all_given(item)


def plan_exchange(box: Box, engine: Engine, exchange: Exchange) -> Plan:
    """Return the test that repeats one exchange and what it depends on."""
    maker = _Planner(box, engine)
    code = exchange.code if exchange.code is not None else exchange.status
    operation = exchange.operation or "unknown_path"
    return maker.plan([exchange], f"{operation}_answers_{code}", f"exchange {exchange.id}")


def plan_task(box: Box, engine: Engine, task: Task) -> Plan:
    """Return the test that repeats a whole task: its submission, its polls and its callbacks."""
    maker = _Planner(box, engine)
    own = [one for one in maker.exchanges if one.task == task.id]
    if task.cause not in {one.id for one in own}:
        raise Unrepeatable("the journal has dropped the request that created this task; --journal-size keeps more")
    polls = own if len(own) <= 12 else [*own[:6], *own[-6:]]
    return maker.plan(polls, f"{_word(task.model or task.operation)}_{task.scenario}", f"task {task.id}", task=task)


def plan_delivery(box: Box, engine: Engine, delivery: Delivery) -> Plan:
    """Return the test that repeats the callback `delivery` of the sandbox `box` with its attempts."""
    maker = _Planner(box, engine)
    with box:
        task = box.task(delivery.task)
    cause = next((one for one in maker.exchanges if one.id == delivery.cause), None)
    if task is None or cause is None:
        raise Unrepeatable("the journal has dropped the request that created the task of this callback")
    name = f"callback_of_{_word(task.model or task.operation)}_{delivery.state}"
    return maker.plan([cause], name, f"delivery {delivery.id}", task=task, delivery=delivery)


def _word(text: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text).strip("_")


class _Planner:
    """Makes plans from the records of one sandbox."""

    def __init__(self, box: Box, engine: Engine) -> None:
        self.engine = engine
        with box:
            self.sandbox = box.sandbox
            self.exchanges = [one for one in box.records() if isinstance(one, Exchange)]
            self.mask = Mask(engine, box.sandbox)
            self.faults = {rule.id: fault_row(rule, box, self.mask) for rule in box.faults()}
            self.entries = box.entries()
            self.deliveries = [one for one in box.deliveries() if one.cause]
            self.tasks = {one.task: found for one in self.exchanges if one.task and (found := box.task(one.task))}
        self.order = {one.id: index for index, one in enumerate(self.exchanges)}

    def contract(self, exchange: Exchange) -> Contract:
        return self.engine.contracts[exchange.provider]

    def plan(
        self,
        targets: Sequence[Exchange],
        name: str,
        title: str,
        task: Task | None = None,
        delivery: Delivery | None = None,
    ) -> Plan:
        chain = self._chain(targets)
        numbers = {one.id: number for number, one in enumerate(chain)}
        steps: list[Step] = []
        for one in chain:
            before = steps[-1].exchange.at if steps else one.at
            steps.append(self._step(one, max(0.0, one.at - before), chain[: len(steps)]))
        options = self._options(chain[0])
        ending = None if task is None else self._ending(task, chain, numbers, delivery)
        answers = self._answers(chain, task) if task is not None else ()
        return Plan(f"test_{_word(name).lower()}", title, options, answers, tuple(steps), ending)

    # Which requests

    def _chain(self, targets: Sequence[Exchange]) -> list[Exchange]:
        """Return the targets and the requests that they depend on, in order."""
        needed: dict[str, Exchange] = {}
        waiting = list(targets)
        while waiting:
            one = waiting.pop()
            if one.id in needed:
                continue
            if len(one.body) >= KEPT_BYTES:
                raise Unrepeatable(f"the body of {one.id} is longer than the journal keeps")
            needed[one.id] = one
            if len(needed) > MOST_STEPS:
                raise Unrepeatable(f"it depends on more than {MOST_STEPS} requests")
            waiting += self._causes(one)
        return sorted(needed.values(), key=lambda one: self.order[one.id])

    def _causes(self, one: Exchange) -> Iterator[Exchange]:
        """Yield the earlier requests that gave values of this one, and the one that created its task."""
        task = self.tasks.get(one.task)
        if task is not None and task.cause != one.id:
            cause = next((each for each in self.exchanges if each.id == task.cause), None)
            if cause is None:
                raise Unrepeatable("the journal has dropped a request that this depends on; --journal-size keeps more")
            yield cause
        for text in self._texts(one):
            found = self._giver(text, one)
            if found is not None:
                yield found

    def _texts(self, one: Exchange) -> list[str]:
        """Return the texts of a request that may come from an earlier answer."""
        path, _, query = one.target.partition("?")
        parts = [*path.split("/"), *(pair.partition("=")[2] for pair in query.split("&"))]
        found = [unquote(part) for part in parts] + [text for _, text in _leaves(readable(one.body, self.engine))]
        found = [text for text in found if len(text) >= SHORTEST_ID]
        return list(dict.fromkeys([one.base_url + one.target, *found]))[:MOST_TEXTS]

    def _giver(self, text: str, of: Exchange) -> Exchange | None:
        """Return the first request before `of` whose answer contains `text` and that did not send it itself."""
        needle = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        for one in self.exchanges[: self.order[of.id]]:
            if needle not in one.answer or needle in one.body or text in unquote(one.target):
                continue
            if any(leaf == text for _, leaf in _leaves(readable(one.answer, self.engine))):
                return one
        return None

    # One request

    def _step(self, one: Exchange, wait: float, before: Sequence[Exchange]) -> Step:
        given = self._given(before)
        whole = one.base_url + one.target
        is_url = whole in given
        kind = one.headers.get("content-type", "")
        body, raw = readable(one.body, self.engine), None
        callback_fields = self.contract(one).callback_fields
        if isinstance(body, dict | list) and "json" in kind:
            body = self._filled(self.mask.value(body), given, callback_fields)
        elif one.body:
            body, raw = None, self.mask.text(one.body.decode("latin-1")).encode("latin-1", "replace")
        headers, credential = self._headers(one)
        envelope = self.contract(one).behaviour.envelope
        has_code = one.code is not None and envelope is not None and bool(one.operation)
        target: tuple[str | Given, ...] = (given[whole],) if is_url else self._target(one.target, given)
        return Step(
            one, wait, target, is_url, body, raw, headers, credential, tuple(self._set_up(one)), one.code, has_code
        )

    def _given(self, before: Sequence[Exchange]) -> dict[str, Given]:
        """Return every text of the earlier answers with the first place that contains it."""
        found: dict[str, Given] = {}
        for number, one in enumerate(before):
            sent = {text for _, text in _leaves(readable(one.body, self.engine))}
            for place, text in _leaves(readable(one.answer, self.engine)):
                if len(text) >= SHORTEST_ID and text not in sent and text not in unquote(one.target):
                    found.setdefault(text, Given(number, place))
        return found

    def _filled(self, value: Any, given: Mapping[str, Given], callbacks: frozenset[str], depth: int = 0) -> Any:
        if isinstance(value, str):
            return given.get(value, value)
        if isinstance(value, dict):
            return {
                name: OfInbox() if not depth and name in callbacks and isinstance(item, str) and item else
                self._filled(item, given, callbacks, depth + 1)
                for name, item in value.items()
            }  # fmt: skip
        return [self._filled(item, given, callbacks, depth + 1) for item in value] if isinstance(value, list) else value

    def _target(self, target: str, given: Mapping[str, Given]) -> tuple[str | Given, ...]:
        """Return the target in parts: texts, and values from earlier answers."""
        parts: list[str | Given] = [self.mask.text(target)]
        for text, place in given.items():
            for index, part in enumerate(parts):
                if isinstance(part, str) and text in part:
                    head, _, tail = part.partition(text)
                    if head[-1:] in ("/", "=") and tail[:1] in ("", "/", "?", "&"):
                        parts[index : index + 1] = [one for one in (head, place, tail) if one != ""]
                        break
        return tuple(parts)

    def _headers(self, one: Exchange) -> tuple[dict[str, str], str]:
        """Return the headers that matter, and the credential: `own`, `none` or `unknown`."""
        headers = {name: one.headers[name] for name in SENT_AGAIN if name in one.headers}
        if one.body and "json" not in one.headers.get("content-type", ""):
            headers["content-type"] = one.headers.get("content-type", "application/octet-stream")
        form = self.contract(one).behaviour.credential_form
        names = [] if form is None else [name.lower() for name in form.headers]
        shown = [name for name in names if name in one.headers]
        if not shown:
            return headers, "none"
        is_wrong = one.problem in ("key_unknown", "secret_wrong", "key_missing")
        if is_wrong:
            headers |= dict.fromkeys(shown, "unknown")
        return headers, "unknown" if is_wrong else "own"

    # The conditions for its answer

    def _set_up(self, one: Exchange) -> Iterator[tuple[str, Any]]:
        """Yield what is set up before a request: pairs of `fault`, `queue` or `change` and its argument."""
        yield from self._fault(one)
        task = self.tasks.get(one.task)
        if task is not None and task.cause == one.id and not self._has_magic(one):
            yield from self._scenario(task)
        if one.problem == "rate_limited" and not one.fault:
            limit = self.sandbox.rate_limit
            form = "none" if limit is None else limit.retry_after
            yield "change", {self._limit_of(one): {"calls": 0, "seconds": 60, "retry_after": form}}
        if one.problem == "insufficient_credits":
            yield "change", {"balance": 0}
        if one.problem == "key_disabled":
            yield "fault", {"effect": {"refuse": "key_disabled"}, "match": self._match(one), "times": 1}

    def _limit_of(self, one: Exchange) -> str:
        """Return the option of a sandbox that limits the calls of the exchange's operation."""
        operation = self.contract(one).operations.get(one.operation)
        if operation is None or not operation.is_public:
            return "rate_limit"
        return "download_rate_limit" if operation.is_download else "upload_rate_limit"

    def _match(self, one: Exchange) -> dict[str, str]:
        return {"provider": one.provider, "operation": one.operation}

    def _fault(self, one: Exchange) -> Iterator[tuple[str, Any]]:
        if not one.fault or "prefer" in one.headers or self._has_magic(one):
            return
        rule = self.faults.get(one.fault)
        if rule is not None:
            effect = {name: value for name, value in rule["effect"].items() if name not in ("delay", "rate_limit")}
            delay = rule["effect"].get("delay")
            if isinstance(delay, int | float) and delay <= LONGEST_DELAY:
                effect["delay"] = delay
            moment = {"moment": rule["moment"]}
        else:
            effect, moment = {}, {}
        if not effect:
            effect = {"connection": "reset"} if one.status == 0 else self._same_answer(one)
        yield "fault", {"effect": effect, "match": self._match(one), "times": 1, **moment}

    def _same_answer(self, one: Exchange) -> dict[str, Any]:
        kinds = [value for name, value in one.answer_headers if name == "content-type"]
        text = self.mask.text(one.answer.decode("utf-8", "replace"))
        return {"status": one.status, "raw": {"text": text, "content_type": (kinds or ["text/plain"])[0]}}

    def _has_magic(self, one: Exchange) -> bool:
        return any(row.value.encode() in one.body for row in self.contract(one).behaviour.magic.values())

    def _scenario(self, task: Task) -> Iterator[tuple[str, Any]]:
        if task.scenario == (self.sandbox.scenario or "fine"):
            return
        row = self.engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
        if row is None:
            return
        order: dict[str, Any] = {"scenario": task.scenario, "provider": task.provider}
        if task.failure is not None and row.fails is not None:
            usual = (row.fails.get("code"), row.fails.get("message"))
            if (task.failure.code, task.failure.message) != usual:
                order |= {"code": task.failure.code, "message": self.mask.text(task.failure.message)}
        yield "queue", order

    # The sandbox, and the end

    def _options(self, first: Exchange) -> dict[str, Any]:
        sandbox = self.sandbox
        options: dict[str, Any] = {
            "clock": {"mode": "frozen", "start": first.at},
            "seed": sandbox.seed,
            "balance": self._available(first),
        }
        variants = {
            name: changed
            for name, contract in self.engine.contracts.items()
            if (changed := _changed(encode(sandbox.variants[name]), contract.behaviour.defaults))
        }
        options |= {"variants": variants} if variants else {}
        options |= {"scenario": sandbox.scenario} if sandbox.scenario is not None else {}
        options |= {"prefer_header": True} if sandbox.prefer_header else {}
        return options

    def _available(self, one: Exchange) -> float:
        """Return the credits that were available just before a request."""
        total = 0
        for entry in self.entries:
            if self._is_before(entry, one):
                source, target = ROUTES[entry.move]
                total += entry.amount * ((target is Account.AVAILABLE) - (source is Account.AVAILABLE))
        return max(0, total) / 1000

    def _is_before(self, entry: Entry, one: Exchange) -> bool:
        if entry.at != one.at:
            return entry.at < one.at
        if entry.cause.startswith("x") and entry.cause[1:].isdigit() and one.id[1:].isdigit():
            return int(entry.cause[1:]) < int(one.id[1:])
        return True

    def _attempts(self, delivery: Delivery) -> list[Attempt]:
        """Return the attempts of a delivery by its retry schedule; attempts on request are left out."""
        kept: list[Attempt] = []
        for attempt in delivery.attempts:
            if kept and kept[-1].next_due != attempt.due:
                break
            kept.append(attempt)
        return kept

    def _answers(self, chain: Sequence[Exchange], task: Task) -> tuple[Mapping[str, Any], ...]:
        """Return the answers of the inbox: the same as those of the receiver, in the order of the attempts."""
        ids = {one.task for one in chain} | {task.id}
        attempts = [one for delivery in self.deliveries if delivery.task in ids for one in self._attempts(delivery)]
        return tuple(self._answer(one) for one in sorted(attempts, key=lambda one: one.sent))

    def _answer(self, one: Attempt) -> dict[str, Any]:
        if one.status is None or not 200 <= one.status <= 599:
            return {"status": 503, "body": ""}
        return {"status": one.status, "body": self.mask.text(one.answer.decode("utf-8", "replace"))}

    def _ending(
        self, task: Task, chain: Sequence[Exchange], numbers: Mapping[str, int], delivery: Delivery | None
    ) -> Ending:
        own = [one for one in self.deliveries if one.task == task.id]
        attempts = [one for each in own for one in self._attempts(each)]
        last = max([chain[-1].at, task.ends_at or 0.0, *(one.sent for one in attempts)])
        number = numbers[task.cause]
        names = {task.id}
        place = next(
            (place for place, text in _leaves(readable(chain[number].answer, self.engine)) if text in names), None
        )
        phase = task.phase(last)
        shown: tuple[int, ...] | None = None
        state = ""
        if delivery is not None or len(own) == 1:
            told = delivery or own[0]
            made = self._attempts(told)
            shown = tuple(int(self._answer(one)["status"]) for one in made)
            state = self._state_after(made)
        return Ending(last - chain[-1].at, number, place, phase.value, shown, state)

    def _state_after(self, attempts: Sequence[Attempt]) -> str:
        if not attempts:
            return ""
        last = attempts[-1]
        return "acknowledged" if not last.failure else "pending" if last.next_due is not None else "dead"


def in_paragraphs(
    plan: Plan, write_step: Callable[[int, Step, bool], Iterator[str]], write_ending: Callable[[Ending], Iterator[str]]
) -> Iterator[str]:
    """Yield the lines of each step and of the ending of `plan`. An empty line comes before each of them.
    `write_step` takes the step's number, the step, and whether a later step uses its answer."""
    used = plan.used_steps
    for number, step in enumerate(plan.steps):
        yield ""
        yield from write_step(number, step, number in used)
    if plan.ending is not None:
        yield ""
        yield from write_ending(plan.ending)


def _changed(chosen: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    plain = encode(dict(defaults))
    return {name: value for name, value in chosen.items() if plain.get(name) != value}


def _leaves(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield the texts of a JSON value with their places."""
    if isinstance(value, str):
        if place and HIDDEN not in value:
            yield place, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _leaves(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, (*place, index))


__all__ = [
    "Ending",
    "Given",
    "OfInbox",
    "Plan",
    "Step",
    "Unrepeatable",
    "in_paragraphs",
    "plan_delivery",
    "plan_exchange",
    "plan_task",
]
