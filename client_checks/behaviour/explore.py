"""Searches for a condition under which a client fails: tries random conditions from a seed, and reduces the first
failing one."""

from __future__ import annotations

import random
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import combinations, count
from pathlib import Path
from typing import Any

import yaml

from swapmock import AdminError
from swapmock.client_checks.behaviour import judge, trial
from swapmock.client_checks.behaviour.certificates import NoCertificate
from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.coupling import RATE
from swapmock.client_checks.behaviour.flags import repeated_flags
from swapmock.client_checks.behaviour.judge import Judgement
from swapmock.client_checks.behaviour.model import Observations, Verdict
from swapmock.client_checks.behaviour.process import CommandMissing
from swapmock.client_checks.behaviour.reports.document import proof
from swapmock.client_checks.behaviour.rule import Rule
from swapmock.client_checks.behaviour.runner import Bench, StuckInScaledTime, run_case
from swapmock.client_checks.behaviour.trial import Trial
from swapmock.client_checks.behaviour.variation import ALL

#: The maximal number of elements in a condition, the number of elements drawn for it, and the number of draws compared.
MOST, DRAWN, COMPARED = 4, 7, 100
#: The weight of a pair with a variation. It is below 1, so that pairs of faults are tried first.
WEIGHT_OF_VARIATION = 0.02
#: Elements that leave the result of a submission unknown.
DOUBTS = frozenset({"create_reset_after", "create_500_after", "create_html_after", "killed_after_sending"})
#: Pairs of groups whose elements hide each other: a failed task has no media; a submission in doubt is often settled by a
#: callback, which does not come or comes too late, and it has no answer after which the client could be killed.
HIDDEN = (
    (frozenset({"task_fails"}), frozenset({"media_503", "media_cut", "media_page"})),
    (DOUBTS, frozenset({"slow", "callback_never", "killed_after_answer"})),
)
#: How often a pair of elements that hide each other is tried alone: each n-th set.
ALONE_EVERY = 8
#: The number of elements that a finding should have at most. For one with more, a replacement is searched.
ENOUGH = 2
#: Groups of elements that do much the same to a client. In a finding with too many elements, they replace each other.
ALIKE = (
    DOUBTS,
    frozenset({"create_429", "create_429_told", "create_455"}),
    frozenset({"poll_reset", "poll_html", "poll_malformed", "poll_empty"}),
    frozenset({"poll_500", "poll_503"}),
    frozenset({"media_503", "media_cut", "media_page"}),
    frozenset({"callback_duplicate", "callback_concurrent"}),
)
#: The maximal number of runs that try to confirm a shrunk condition with trustworthy observations.
CONFIRMATIONS = 2
POLL, CREATE, MEDIA = ["poll"], ["create"], ["media"]
#: The elements of conditions. Each is a part of a row and ends after some requests, so that the client can go on.
ELEMENTS: tuple[Mapping[str, Any], ...] = (
    {"name": "create_429", "faults": [{"role": CREATE, "effect": {"refuse": "rate_limited"}, "times": 1}]},
    {"name": "create_429_told", "faults": [{"role": CREATE, "effect": {"refuse": "rate_limited", "retry_after": {"seconds": 37, "form": "seconds"}}, "times": 1}]},
    {"name": "create_455", "faults": [{"role": CREATE, "effect": {"maintenance": True}, "times": 1}]},
    {"name": "create_reset_after", "faults": [{"role": CREATE, "effect": {"connection": "reset"}, "times": 1}]},
    {"name": "create_500_after", "faults": [{"role": CREATE, "effect": {"refuse": "server_error"}, "moment": "after", "times": 1}]},
    {"name": "create_html_after", "faults": [{"role": CREATE, "effect": {"gateway": 502}, "moment": "after", "times": 1}]},
    {"name": "poll_reset", "faults": [{"role": POLL, "effect": {"connection": "reset"}, "times": 1}]},
    {"name": "poll_500", "faults": [{"role": POLL, "effect": {"refuse": "server_error"}, "times": 1}]},
    {"name": "poll_503", "faults": [{"role": POLL, "effect": {"status": 503}, "times": 1}]},
    {"name": "poll_html", "faults": [{"role": POLL, "effect": {"gateway": 502}, "times": 1}]},
    {"name": "poll_malformed", "faults": [{"role": POLL, "effect": {"body": "malformed"}, "times": 1}]},
    {"name": "poll_empty", "faults": [{"role": POLL, "effect": {"body": "empty"}, "times": 1}]},
    {"name": "poll_404", "faults": [{"role": POLL, "effect": {"refuse": "task_not_found"}, "times": 1}]},
    {"name": "poll_429", "faults": [{"role": POLL, "effect": {"refuse": "rate_limited", "retry_after": {"seconds": 37, "form": "seconds"}}, "times": 1}]},
    {"name": "media_503", "needs": ["downloads"], "gateway": [{"role": MEDIA, "effect": "status", "value": 503, "times": 1}]},
    {"name": "media_cut", "needs": ["downloads"], "gateway": [{"role": MEDIA, "effect": "cut", "times": 1}]},
    {"name": "media_page", "needs": ["downloads"], "gateway": [{"role": MEDIA, "effect": "page_as_media", "times": 1}]},
    {"name": "slow", "scenario": "slow"},
    {"name": "task_fails", "scenario": "fails"},
    {"name": "callback_duplicate", "needs": ["callbacks"], "scenario": "callback_duplicate"},
    {"name": "callback_concurrent", "needs": ["callbacks"], "scenario": "callback_concurrent"},
    {"name": "callback_never", "needs": ["callbacks"], "scenario": "callback_never"},
    {"name": "killed_after_answer", "needs": ["resume"], "kill": {"role": "create", "when": "answered"}, "second": True},
    {"name": "killed_after_sending", "needs": ["resume"], "kill": {"role": "create", "when": "sent"}, "second": True},
    *({"name": f"vary_{name}", "vary": {"seed": 1, "names": [name]}} for name in ALL),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """A condition under which a rule is broken, and the elements that remain after reduction."""

    judgement: Judgement
    elements: tuple[str, ...]
    condition: Condition
    tried: int


def combine(elements: Sequence[Mapping[str, Any]]) -> Condition:
    """Return one condition with all `elements`. If two elements set the same value, the last one counts.

    A fault that leaves the result of a submission unknown comes after the other ones: most clients do not submit again
    after it."""
    row: dict[str, Any] = {
        "name": "explored",
        "about": " + ".join(str(one["name"]) for one in elements),
        "second": True,
    }
    for one in sorted(elements, key=lambda one: one["name"] in DOUBTS):
        for name, value in one.items():
            if name in ("faults", "gateway"):
                row[name] = (*row.get(name, ()), *value)
            elif name == "vary":
                names = [*row.get("vary", {}).get("names", ()), *value["names"]]
                row["vary"] = {"seed": value["seed"], "names": names}
            elif name not in ("name", "needs"):
                row[name] = value
    return Condition(**row)


def drawn(usable: Sequence[Mapping[str, Any]], seed: int) -> Iterator[list[Mapping[str, Any]]]:
    """Yield sets of elements without end, from `seed`. Every pair of elements occurs early.

    Elements that hide each other do not stand in larger sets; each such pair is tried alone now and then."""
    chance = random.Random(f"explore {seed}")
    uses: dict[frozenset[str], int] = {}
    alone = [list(pair) for pair in combinations(usable, 2) if _hide_each_other(*pair)]
    chance.shuffle(alone)
    for number in count(1):
        if alone and number % ALONE_EVERY == 0:
            yield alone[number // ALONE_EVERY % len(alone)]
        else:
            yield _freshest(usable, uses, chance)


def _freshest(
    usable: Sequence[Mapping[str, Any]], uses: dict[frozenset[str], int], chance: random.Random
) -> list[Mapping[str, Any]]:
    """Return the one of some random sets whose pairs were used least, and count its pairs in `uses`."""
    best: list[Mapping[str, Any]] = []
    gain = -1.0
    for _ in range(COMPARED):
        tried = _compatible(chance.sample(list(usable), min(DRAWN, len(usable))))[:MOST]
        fresh = sum(_weight(pair) / (1 + uses.get(pair, 0)) ** 2 for pair in _pairs(tried))
        if fresh > gain:
            best, gain = tried, fresh
    for pair in _pairs(best):
        uses[pair] = uses.get(pair, 0) + 1
    return best


def _compatible(elements: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return elements of which at most one sets the scenario, one kills the client, one leaves the result of a
    submission unknown, and none hides another."""
    kept: list[Mapping[str, Any]] = []
    taken: set[str] = set()
    for one in elements:
        keys = {name for name in ("scenario", "kill") if name in one} | ({"doubt"} if one["name"] in DOUBTS else set())
        if keys & taken or any(_hide_each_other(one, other) for other in kept):
            continue
        taken |= keys
        kept.append(one)
    return kept


def _hide_each_other(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether a client rarely meets both elements, because one of them ends its job before the other."""
    names = {str(one["name"]), str(other["name"])}
    return any(names & first and names & second for first, second in HIDDEN)


def _pairs(elements: Sequence[Mapping[str, Any]]) -> list[frozenset[str]]:
    names = [str(one["name"]) for one in elements]
    return [frozenset((one, other)) for place, one in enumerate(names) for other in names[place:]]


def _weight(pair: frozenset[str]) -> float:
    return WEIGHT_OF_VARIATION if any(name.startswith("vary_") for name in pair) else 1.0


class Explorer:
    """Tries conditions on one client until one fails or the budget is spent."""

    def __init__(
        self, bench: Bench, base: Trial, rules: Sequence[Rule], at_once: int, say: Callable[[str], None]
    ) -> None:
        self._bench, self._base, self._rules, self._at_once, self._say = bench, base, rules, at_once, say
        self._usual = {one.rule for one in base.judgements if one.verdict in (Verdict.FAIL, Verdict.WARN)}
        self.tried = 0

    def search(self, seed: int, budget: float) -> Found | None:
        """Return the first failing condition, reduced; None if none was found within `budget` real seconds."""
        clock = self._bench.clock
        end = clock.now() + budget
        does = judge.features(self._base.cases)
        usable = [one for one in ELEMENTS if all(does.get(need, False) for need in one.get("needs", ()))]
        draws = drawn(usable, seed)
        with ThreadPoolExecutor(self._at_once) as pool:
            waiting: dict[Future[Judgement | None], list[Mapping[str, Any]]] = {}
            while clock.now() < end:
                while len(waiting) < self._at_once:
                    elements = next(draws)
                    waiting[pool.submit(self._broken, elements)] = elements
                done, _ = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                for future in done:
                    elements = waiting.pop(future)
                    first = None if future.cancelled() else future.result()
                    if first is not None:
                        for other in waiting:
                            other.cancel()
                        found = self._found(pool, first, elements, usable)
                        if found is not None:
                            return found
        return None

    def _found(
        self,
        pool: ThreadPoolExecutor,
        first: Judgement,
        elements: list[Mapping[str, Any]],
        usable: Sequence[Mapping[str, Any]],
    ) -> Found | None:
        """Return what remains of a failing condition; None if it does not fail again with trustworthy observations."""
        self._say(f"{first.rule} broken under {combine(elements).about}; shrinking")
        elements = self._shrunk(pool, first.rule, elements)
        if len(elements) > ENOUGH:
            elements, first = self._replaced(pool, first, elements, usable)
        sure = next(filter(None, (self._surely_broken(elements, first.rule) for _ in range(CONFIRMATIONS))), None)
        if sure is None:
            self._say(f"{first.rule} was not broken again under {combine(elements).about}; searching on")
            return None
        return Found(sure, tuple(str(one["name"]) for one in elements), combine(elements), self.tried)

    def _broken(
        self, elements: Sequence[Mapping[str, Any]], rule: str | None = None, least: Verdict = Verdict.WARN
    ) -> Judgement | None:
        """Return a broken rule under these elements: `rule`, or any rule that is kept in the plain case. Its verdict is
        `least` or heavier.

        The result is not confirmed: a busy machine can cause it."""
        self.tried += 1
        seen = self._observe(combine(elements))
        against = None if seen is None else self._against(seen, rule)
        if seen is None or against is None or judge.WEIGHT[against.verdict] < judge.WEIGHT[least]:
            return None
        if against.rule in trial.TIMED:
            again = trial.slower(self._bench, self._base, seen, trial.TIMED_RATE)
        elif against.verdict is Verdict.WARN and not trial.is_trustworthy(seen):
            again = self._observe(combine(elements))  # often the machine was only busy for a moment
        else:
            return against
        return None if again is None else self._against(again, rule)

    def _surely_broken(self, elements: Sequence[Mapping[str, Any]], rule: str) -> Judgement | None:
        """Return how `rule` is broken under these elements, confirmed by trustworthy observations; None if it is not."""
        self.tried += 1
        seen = self._observe(combine(elements))
        against = None if seen is None else self._against(seen, rule)
        if seen is None or against is None:
            return None
        timed = rule in trial.TIMED
        if trial.is_trustworthy(seen) and not (timed and seen.rate > trial.TIMED_RATE):
            return against
        again = trial.slower(self._bench, self._base, seen, trial.TIMED_RATE if timed else RATE)
        return None if again is None else self._against(again, rule)

    def _observe(self, condition: Condition) -> Observations | None:
        """Return what is observed under a condition; None if the condition cannot be run."""
        try:
            return run_case(self._bench, condition, self._base.provider, self._base.coupling, self._base.cases[0])
        except (StuckInScaledTime, CommandMissing, NoCertificate, OSError, AdminError):
            return None

    def _against(self, seen: Observations, rule: str | None) -> Judgement | None:
        found = judge.judge_case(seen, self._rules)
        against = [one for one in found if one.verdict in (Verdict.FAIL, Verdict.WARN) and one.rule not in self._usual]
        wanted = [one for one in against if rule in (None, one.rule)]
        return max(wanted, key=lambda one: judge.WEIGHT[one.verdict], default=None)

    def _shrunk(
        self, pool: ThreadPoolExecutor, rule: str, elements: list[Mapping[str, Any]]
    ) -> list[Mapping[str, Any]]:
        """Return the fewest elements under which `rule` stays broken.

        All conditions with one element less are tried in parallel, then the elements that all of them need. A condition
        that seems to need each element is tried twice."""
        sure = 0
        while len(elements) > 1 and sure < 2:
            fewer = [elements[:place] + elements[place + 1 :] for place in range(len(elements))]
            still = list(pool.map(lambda less: self._broken(less, rule) is not None, fewer))
            needed = [one for one, is_broken in zip(elements, still, strict=True) if not is_broken]
            if len(needed) == len(elements):
                sure += 1
            elif 0 < len(needed) < len(elements) - 1 and self._broken(needed, rule) is not None:
                elements, sure = needed, 0
            else:
                elements, sure = fewer[still.index(True)], 0
        return elements

    def _replaced(
        self,
        pool: ThreadPoolExecutor,
        first: Judgement,
        elements: list[Mapping[str, Any]],
        usable: Sequence[Mapping[str, Any]],
    ) -> tuple[list[Mapping[str, Any]], Judgement]:
        """Return fewer elements that break a rule as heavily as `first`, and this rule; the given ones if there are none.

        Some elements only make the client break the rule of `first`, and the others already break a second one: a
        client that pays again does it blindly only if a submission is in doubt. Others stand in for one that does the
        same without them."""
        for smaller in (_subsets(elements), _alike(elements, usable)):
            for _ in range(CONFIRMATIONS):
                broken = list(pool.map(lambda less: self._broken(less, least=first.verdict), smaller))
                for less, against in zip(smaller, broken, strict=True):
                    if against is not None and self._surely_broken(less, against.rule) is not None:
                        return less, against
        return elements, first


def _subsets(elements: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return all sets of at most ENOUGH of the elements, the smallest ones first."""
    return [list(some) for size in range(1, ENOUGH + 1) for some in combinations(elements, size)]


def _alike(elements: Sequence[Mapping[str, Any]], usable: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the pairs of an element and one of `usable` that is like another element."""
    pairs = []
    for old in elements:
        news = [
            one for one in usable if one not in elements and any({one["name"], old["name"]} <= group for group in ALIKE)
        ]
        pairs += [[new, other] for new in news for other in elements if other is not old]
    return [pair for pair in pairs if len(_compatible(pair)) == len(pair)]


def explore_command(
    bench: Bench, options: Mapping[str, Any], rules: Sequence[Rule], echo: Callable[[str], None]
) -> int:
    """Search, write the smallest failing condition as a case file, and return the exit code.

    `bench` has what all cases share, `rules` the rules that count, `options` the flags; messages go to `echo`."""
    base = trial.judge_client(bench, [], providers=tuple(options["provider"]), time=options["time"], rules=rules)[0]
    usual = trial.AT_ONCE if base.coupling.kind == "scaled" else trial.AT_ONCE_IN_REAL_TIME
    at_once = 1 if bench.declaration.cwd == "shared" else options["at_once"] or usual
    explorer = Explorer(bench, base, rules, at_once, echo)
    found = explorer.search(options["seed"], seconds_of(options["budget"]))
    if found is None:
        echo(f"{explorer.tried} conditions tried, none broke a rule (seed {options['seed']})")
        return 0
    path = Path.cwd() / f"conform-{found.judgement.rule.lower()}-{'-'.join(found.elements)}.yaml"
    row = {**found.condition.as_row(), "name": f"explored_{'_'.join(found.elements)}"}
    path.write_text(yaml.safe_dump([_plain(row)], sort_keys=False, allow_unicode=True), "utf-8")
    echo(
        f"{found.judgement.verdict.value} {found.judgement.rule} under {' + '.join(found.elements)} ({found.tried} conditions tried, seed {options['seed']})"
    )
    echo(f"  {found.judgement.text}")
    for text in proof(found.judgement):
        echo(f"      {text}")
    words = ["--provider", base.provider, *repeated_flags({**options, "case_file": path.name, "vary": None})]
    echo(f"  repeat: {shlex.join(['swapmock', 'conform', *words, '--', *bench.declaration.command])}")
    return 1


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def seconds_of(text: str) -> float:
    """Return `60s`, `2m` or a number as seconds. Raises BadCase."""
    from swapmock.client_checks.behaviour.conditions import BadCase

    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        found = float(number) * unit
    except ValueError:
        raise BadCase(f"--budget is a time like 60s, not {text!r}") from None
    if not 0 < found <= 86_400:
        raise BadCase("--budget is between a second and a day")
    return found
