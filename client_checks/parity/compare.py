"""Compares two recordings: the answers, the states of each task, and the durations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from swapmock.client_checks.conformance.pointer import at
from swapmock.client_checks.conformance.profile import Kind, Profile
from swapmock.client_checks.parity.alike import Relations, kind_of, numbers_differ, texts_differ
from swapmock.client_checks.parity.lines import line_at, line_of, operation_line
from swapmock.client_checks.parity.recording import Answer, Recording
from swapmock.contracts import Contract

#: The largest accepted ratio of two durations, and the seconds below which no difference is reported.
LONGER, SHORT = 2.0, 2.0


@dataclass(frozen=True)
class Difference:
    """One difference. `kind` is flow, calls, status, code, shape, value, relation, path or timing. `line` is the
    line of the contract that would have to change."""

    kind: str
    flow: str
    operation: str
    place: str
    left: str
    right: str
    line: str

    def __str__(self) -> str:
        return f"{self.kind:<7} flow {self.flow}, {self.operation} {self.place}: left {self.left}, right {self.right} [{self.line}]"


@dataclass(frozen=True)
class Step:
    """A call of a flow, or all polls of one task. `states` are the states of the task in order, each with its first
    time."""

    operation: str
    answers: Sequence[Answer]
    kind: Kind | None = None
    states: Sequence[tuple[str, float]] = ()


class Comparison:
    """Compares two recordings of one provider."""

    def __init__(self, contract: Contract, profile: Profile, variants: Mapping[str, Any]) -> None:
        self._contract = contract
        self._profile = profile
        self._provider = contract.name
        self._variants = variants
        self._relations = Relations()
        #: Fields whose value depends on the account or the time, not on the server.
        self._of_the_moment = {"seed", *_last_steps([profile.account.get("at"), profile.affordable.get("balance")])}
        #: Fields that say how long a task took.
        self._durations = set(_last_steps([kind.duration for kind in profile.kinds.values()]))

    def differences(self, left: Recording, right: Recording) -> Iterator[Difference]:
        """Yield the differences in the flows that at least one side has completed. A flow that failed on one side is
        a difference."""
        for flow in self.compared(left, right):
            broken = [side.broken.get(flow, "") for side in (left, right)]
            if any(broken):
                shown = [f"broke off: {why}" if why else "ran to its end" for why in broken]
                operation = next(
                    (answer.operation for answer in reversed((left if broken[0] else right).flows[flow])), ""
                )
                line = operation_line(self._provider, operation)
                yield Difference("flow", flow, operation, "", shown[0], shown[1], line)
            self._relations = Relations()
            yield from self._flow(flow, self._steps(left.flows[flow]), self._steps(right.flows[flow]))

    @staticmethod
    def compared(left: Recording, right: Recording) -> list[str]:
        """Return the flows that both sides started and no limit cut off, without those that failed in the same way
        on both."""
        return [
            name
            for name in left.flows
            if name in right.flows
            and not any(name in side.left_out and name not in side.broken for side in (left, right))
            and not (name in left.broken and name in right.broken)
        ]

    def _steps(self, answers: Sequence[Answer]) -> list[Step]:
        """Return the calls in their order; consecutive polls are one step."""
        steps: list[Step] = []
        for answer in answers:
            kind = self._kind(answer)
            if kind is not None and steps and steps[-1].kind is kind:
                steps[-1] = self._polls(kind, [*steps[-1].answers, answer])
            elif kind is not None:
                steps.append(self._polls(kind, [answer]))
            else:
                steps.append(Step(answer.operation, [answer]))
        return steps

    def _kind(self, answer: Answer) -> Kind | None:
        found = self._contract.find(answer.method, answer.path)
        kinds = self._profile.polled_by(answer.operation, {} if found is None else found[1])
        return next((kind for kind in kinds if at(answer.body, kind.state) is not None), None)

    def _polls(self, kind: Kind, answers: Sequence[Answer]) -> Step:
        states: list[tuple[str, float]] = []
        for answer in answers:
            word = str(at(answer.body, kind.state))
            if not states or states[-1][0] != word:
                states.append((word, answer.at - answers[0].at))
        return Step(kind.poll, answers, kind, states)

    def _flow(self, flow: str, left: Sequence[Step], right: Sequence[Step]) -> Iterator[Difference]:
        for one, other in zip_longest(left, right):
            if one is None or other is None or one.operation != other.operation:
                ours, theirs = (step.operation if step else "nothing" for step in (one, other))
                operation = (one or other).operation
                yield Difference("calls", flow, operation, "", ours, theirs, operation_line(self._provider, operation))
                return
            if one.kind is not None:
                yield from self._path(flow, one, other)
                yield from self._timing(flow, one, other)
            yield from self._answer(flow, one, other)

    def _path(self, flow: str, left: Step, right: Step) -> Iterator[Difference]:
        """Yield a difference if the states of a task differ in their order. A state that one side's polls missed is
        no difference."""
        ours, theirs = [word for word, _ in left.states], [word for word, _ in right.states]
        shared = [word for word in ours if word in theirs]
        kind = left.kind
        assert kind is not None  # only polls come here
        row = kind.row_of_words(self._variants)
        if shared != [word for word in theirs if word in ours] or ours[-1] != theirs[-1]:
            line = line_at(self._provider, "status_words", row)
            yield Difference("path", flow, left.operation, kind.name, " ".join(ours), " ".join(theirs), line)
        known = {str(word) for word in self._contract.behaviour.status_words[row].values()}
        for mine, side in ((ours, "left"), (theirs, "right")):
            for word in [word for word in mine if word not in known]:
                shown = (word, "-") if side == "left" else ("-", word)
                line = line_at(self._provider, "status_words", row)
                yield Difference("path", flow, left.operation, f"{kind.name} {word}", *shown, line)

    def _timing(self, flow: str, left: Step, right: Step) -> Iterator[Difference]:
        ours, theirs = left.states[-1][1], right.states[-1][1]
        if not _takes_longer(ours, theirs):
            return
        assert left.kind is not None  # only polls come here
        line = line_at(self._provider, "timelines")
        yield Difference("timing", flow, left.operation, left.kind.name, f"{ours:g} s", f"{theirs:g} s", line)

    def _answer(self, flow: str, left: Step, right: Step) -> Iterator[Difference]:
        """Yield differences in the last answers. For polls, also compare the first answer in each state that both
        sides show."""
        for word in [word for word, _ in left.states[:-1] if word in dict(right.states)]:
            ours, theirs = (self._first_in(step, word) for step in (left, right))
            yield from self._pair(flow, left.operation, ours, theirs)
        yield from self._pair(flow, left.operation, left.answers[-1], right.answers[-1])

    @staticmethod
    def _first_in(step: Step, word: str) -> Answer:
        assert step.kind is not None  # only polls show states
        state = step.kind.state
        return next(answer for answer in step.answers if str(at(answer.body, state)) == word)

    def _pair(self, flow: str, operation: str, one: Answer, other: Answer) -> Iterator[Difference]:
        if one.status != other.status:
            line = self._code_line(one, other)
            yield Difference("status", flow, operation, "", f"HTTP {one.status}", f"HTTP {other.status}", line)
        if one.kind != other.kind:
            line = operation_line(self._provider, operation)
            yield Difference("value", flow, operation, "Content-Type", one.kind or "none", other.kind or "none", line)
        yield from self._bodies(flow, operation, one.body, other.body, "")

    def _code_line(self, one: Answer, other: Answer) -> str:
        for answer in (other, one):
            code = at(answer.body, "/code")
            if code is not None:
                return line_of(self._provider, "body_codes", "code", code)
        return line_at(self._provider, "body_codes")

    def _bodies(self, flow: str, operation: str, left: Any, right: Any, place: str) -> Iterator[Difference]:
        kinds = (kind_of(left), kind_of(right))
        if kinds[0] != kinds[1]:
            yield Difference("shape", flow, operation, place or "/", *kinds, self._line(operation, place, left, right))
        elif isinstance(left, Mapping):
            for name in [*left, *(name for name in right if name not in left)]:
                below = f"{place}/{name}"
                if name in left and name in right:
                    yield from self._bodies(flow, operation, left[name], right[name], below)
                else:
                    shown = ("there", "missing") if name in left else ("missing", "there")
                    yield Difference("shape", flow, operation, below, *shown, self._line(operation, below, None, None))
        elif isinstance(left, list):
            if len(left) != len(right):
                shown = (f"{len(left)} items", f"{len(right)} items")
                yield Difference("value", flow, operation, place, *shown, self._line(operation, place, None, None))
            for index, (one, other) in enumerate(zip(left, right, strict=False)):
                yield from self._bodies(flow, operation, one, other, f"{place}/{index}")
        else:
            yield from self._values(flow, operation, left, right, place)

    def _values(self, flow: str, operation: str, left: Any, right: Any, place: str) -> Iterator[Difference]:
        """Yield differences of two texts, numbers or booleans."""
        shown, kind = (repr(left)[:160], repr(right)[:160]), "code" if place == "/code" else "value"
        line = self._line(operation, place, left, right)
        if isinstance(left, str):
            why = texts_differ(left, right, self._relations) if left != right else ""
            if why:
                kind = "relation" if "stood for" in why else kind
                yield Difference(
                    kind,
                    flow,
                    operation,
                    place,
                    f"{shown[0]} ({why})" if kind == "relation" else shown[0],
                    shown[1],
                    line,
                )
        elif isinstance(left, bool) or left is None:
            if left != right:
                yield Difference(kind, flow, operation, place, *shown, line)
        elif place.rsplit("/", 1)[-1] in self._durations:
            if _takes_longer(left, right):
                yield Difference("timing", flow, operation, place, *shown, line_at(self._provider, "timelines"))
        elif place.rsplit("/", 1)[-1] not in self._of_the_moment and numbers_differ(left, right):
            yield Difference(kind, flow, operation, place, *shown, line)

    def _line(self, operation: str, place: str, left: Any, right: Any) -> str:
        """Return the line of the contract for this place of an answer."""
        if place == "/code":
            return line_of(self._provider, "body_codes", "code", right)
        if place in ("/message", "/msg"):
            return line_of(self._provider, "refusals", "message", left)
        for kind in self._profile.kinds.values():
            if kind.poll == operation and place == kind.state:
                return line_at(self._provider, "status_words", kind.row_of_words(self._variants))
        if place.rsplit("/", 1)[-1] in ("credits", "estimated_credits"):
            return line_at(self._provider, "models", file="models.yaml")
        return operation_line(self._provider, operation)


def _last_steps(pointers: Sequence[str | None]) -> Iterator[str]:
    """Yield the names of the fields that `pointers` lead to; empty ones lead to none."""
    for pointer in pointers:
        if pointer:
            yield pointer.rsplit("/", 1)[-1]


def _takes_longer(left: float, right: float) -> bool:
    """Return whether one of two durations in seconds is much longer than the other."""
    longer, shorter = max(left, right), min(left, right)
    return longer > SHORT and longer > LONGER * shorter
