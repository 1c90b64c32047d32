"""Run the tests against mutants of functions, in children of one process that has imported and collected everything.

First one child runs all tests and learns which functions each test calls. Then each mutant runs in a child of its own: its
code is put into the functions, and the tests that call them run, until one fails.
"""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mutants.forking import Report, run_all
from tests.mutants.mutations import Mutant, changed_lines
from tests.mutants.swapping import LiveFunctions, Place, place_of, plan, real_path


def mirror_of(module: str) -> str:
    """The test file that mirrors a module: `mock_server/core/x.py` has `tests/core/test_x.py`."""
    path = Path(module)
    return str(Path("tests", *path.parts[1:-1], f"test_{path.name}"))


def say(line: str) -> None:
    sys.__stdout__.write(line + "\n")  # type: ignore[union-attr]  # pytest has replaced sys.stdout
    sys.__stdout__.flush()  # type: ignore[union-attr]  # the same


class Tracer:
    """Records the functions of `files` that are called, in all threads."""

    def __init__(self, files: set[str]):
        self.files = files
        self.seen: set[Place] = set()
        self._known: dict[Any, Place | None] = {}

    def __call__(self, frame: Any, event: str, arg: Any) -> None:
        code = frame.f_code
        key = (code.co_filename, code.co_qualname, code.co_firstlineno)
        if key not in self._known:
            place = place_of(code)
            self._known[key] = place if place[0] in self.files else None
        if self._known[key]:
            self.seen.add(self._known[key])  # type: ignore[arg-type]  # it is not None

    def start(self) -> None:
        threading.settrace(self)
        sys.settrace(self)

    def stop(self) -> set[Place]:
        sys.settrace(None)
        threading.settrace(None)
        seen, self.seen = self.seen, set()
        return seen


class Learned:
    """Which tests call which function, and how long each test takes."""

    def __init__(self) -> None:
        self.calls: dict[Place, list[str]] = defaultdict(list)
        self.seconds: dict[str, float] = {}

    def add(self, report: Report) -> None:
        """Add what was learned of one test file."""
        self.seconds |= report["seconds"]
        for path, name, line, tests in report["calls"]:
            self.calls[str(Path(path).resolve()), name, line] += tests

    def tests_of(self, places: set[Place]) -> list[str]:
        return list(dict.fromkeys(test for place in places for test in self.calls.get(place, ())))


class WarmRun:
    """A pytest plugin whose test loop runs `mutants` in place of the tests."""

    def __init__(
        self,
        mutants: list[Mutant],
        config: dict[str, Any],
        kept: Path,
        children: int,
        done: Callable[[Mutant, Report], None],
    ):
        self.mutants, self.config, self.kept, self.children, self.done = mutants, config, kept, children, done
        self.folder = Path.cwd()
        self.files = {real_path(str(Path(one.module).resolve())) for one in mutants}
        self.tracer = Tracer(self.files)
        self.learned = Learned()
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)
        self.failed: Callable[[str], None] | None = None
        self.has_run = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and self.failed:
            self.failed(report.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        self.at_import = self.tracer.stop()
        session.config.pluginmanager.unregister(name="terminalreporter")  # no dots
        self.items = {item.nodeid: item for item in session.items}
        self.live = LiveFunctions(self.files)
        gc.freeze()
        self.has_run = True
        self.learn()
        run_all(self.mutants, self.try_one, self.note, self.folder, self.children, 2 * self.config["budget"])
        return True

    # learning

    def learn(self) -> None:
        """Run every test file that has changed since the last run, or all of them if the product has."""
        kept: dict[str, Report] = json.loads(self.kept.read_text()) if self.kept.exists() else {}
        by_file: dict[str, list[str]] = defaultdict(list)
        for test in self.items:
            by_file[test.partition("::")[0]].append(test)
        product = digest(sorted(self.files))
        digests = {file: product + digest([file]) for file in by_file}
        waiting = [file for file in by_file if kept.get(file, {}).get("digest") != digests[file]]

        def add(tests: list[str], report: Report) -> None:
            file = tests[0].partition("::")[0]
            kept[file] = {"seconds": {}, "calls": [], "why": "", **report, "digest": digests[file]}
            self.kept.write_text(json.dumps(kept))
            unused = sorted(set(tests) - set(kept[file]["seconds"]))
            say(f"learned {file}" + (f"; not used, as they fail: {unused} {kept[file]['why']}" if unused else ""))

        run_all([by_file[one] for one in waiting], self.run_and_learn, add, self.folder, self.children, 900)
        for file in by_file:
            self.learned.add(kept[file])

    def run_and_learn(self, tests: list[str], report: Callable[[Report], None]) -> None:
        calls: dict[Place, list[str]] = defaultdict(list)
        seconds: dict[str, float] = {}
        failed: set[str] = set()
        self.failed = failed.add
        for number, test in enumerate(tests, 1):
            self.live.forget()
            began = time.monotonic()
            self.tracer.start()
            self.run(test, tests[number] if number < len(tests) else None)
            for place in self.tracer.stop():
                calls[place].append(test)
            seconds[test] = time.monotonic() - began
        good = {test: taken for test, taken in seconds.items() if test not in failed}
        here = Path.cwd()
        shown = [[str(Path(place[0]).relative_to(here)), *place[1:], tests] for place, tests in calls.items()]
        report({"seconds": good, "calls": shown})

    def run(self, test: str, following: str | None) -> None:
        item = self.items[test]
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=self.items[following] if following else None)

    # mutants

    def chosen(self, mutant: Mutant, changed: set[Place]) -> list[str]:
        """The tests to run: those that noticed a mutant nearby, the mirroring file, the near ones, then the wide ones."""
        tests = [one for one in self.learned.tests_of(changed) if self.usable(one)]
        killers, mirror, near = self.killers[mutant.module], mirror_of(mutant.module), tuple(self.config["near"])
        lately = {one: rank for rank, (one, _) in enumerate(killers.most_common(10))}
        seconds = self.learned.seconds

        # One case of each test function, then the second of each, and so on: the cases of one table notice the same.
        ranks: Counter[str] = Counter()
        turn: dict[str, int] = {}
        for test in sorted(tests, key=seconds.__getitem__):
            function = test.partition("[")[0]
            turn[test] = ranks[function]
            ranks[function] += 1

        def order(test: str) -> tuple[bool, bool, int, int, float]:
            is_near = test.startswith(near)
            return not test.startswith(mirror), not is_near, lately.get(test, 99), turn[test], seconds[test]

        return within(sorted(tests, key=order), seconds, self.config["budget"])

    def usable(self, test: str) -> bool:
        return test in self.items and self.learned.seconds.get(test, 1e9) <= self.config["slowest-test"]

    def try_one(self, mutant: Mutant, report: Callable[[Report], None]) -> None:
        before, after = Path(mutant.module).read_text(), mutant.source()
        if after is None:
            report({"outcome": "equal"})
        diff = changed_lines(before, str(after))
        try:
            found = plan(str(Path(mutant.module).resolve()), before, str(after))
        except SyntaxError:
            report({"outcome": "killed", "by": "the compiler"})
        if not found.at_import and not found.swaps:
            report({"outcome": "equal"})
        if found.at_import or not self.live.put(found.swaps):
            report({"outcome": "fresh", "diff": diff})
        tests = self.chosen(mutant, found.changed)
        self.failed = lambda test: report({"outcome": "killed", "by": test, "diff": diff})
        for number, test in enumerate(tests, 1):
            self.run(test, tests[number] if number < len(tests) else None)
        outcome = "fresh" if found.changed & self.at_import else "survived"
        report({"outcome": outcome, "diff": diff, "tests": len(tests)})

    def note(self, mutant: Mutant, report: Report) -> None:
        if report["outcome"] == "killed":
            self.killers[mutant.module][report["by"]] += 1
        self.done(mutant, report)


def digest(files: list[str]) -> str:
    return hashlib.sha256(b"".join(Path(one).read_bytes() for one in files)).hexdigest()[:12]


def within(tests: list[str], seconds: dict[str, float], budget: float) -> list[str]:
    """The first of `tests` that together take no longer than `budget` seconds."""
    chosen, total = [], 0.0
    for test in tests:
        total += seconds[test]
        if total > budget:
            break
        chosen.append(test)
    return chosen
