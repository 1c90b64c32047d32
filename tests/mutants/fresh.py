"""Run the tests against mutants of code that runs at import: each child imports the product anew."""

from __future__ import annotations

import functools
import importlib
import importlib.machinery
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from tests.mutants.forking import Report
from tests.mutants.mutations import Mutant, changed_lines
from tests.mutants.swapping import real_path
from tests.mutants.warm import Learned, mirror_of

#: What is imported in each child, as a mutant may change it.
OURS = ("swapmock", "mock_server", "contracts", "client_checks", "tests")


def third_party() -> list[str]:
    """The modules in memory that are not ours and can be imported by their name."""
    return [
        one for one, module in sys.modules.items() if not one.startswith(OURS) and getattr(module, "__spec__", None)
    ]


def import_all(names: list[str]) -> None:
    for name in names:
        try:
            importlib.import_module(name)
        except Exception:  # a part of a library that is for another platform
            continue


def import_as(path: str, code: CodeType) -> None:
    """From now on, importing the file `path` runs `code`."""
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: Any, fullname: str) -> Any:
        return code if real_path(self.path) == path else original(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]  # that is the point


class Noticed:
    """A pytest plugin that reports the first failure and ends the child."""

    def __init__(self, report: Callable[[str], None]):
        self.report = report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.report(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.report(f"collecting {report.nodeid}")


class FreshRun:
    """Tries mutants in children that import the product anew."""

    def __init__(self, config: dict[str, Any], learned: Learned, arguments: list[str]):
        self.config, self.learned, self.arguments = config, learned, arguments
        self.killers: dict[str, Counter[str]] = defaultdict(Counter)

    def files_for(self, module: str) -> list[str]:
        """The test files that call the module: those that noticed something, the mirroring one, the near, the wide."""
        path, near, mirror = real_path(str(Path(module).resolve())), tuple(self.config["near"]), mirror_of(module)
        seconds: dict[str, float] = defaultdict(float)
        for place, tests in self.learned.calls.items():
            if place[0] == path:
                for test in set(tests):
                    seconds[test.partition("::")[0]] += self.learned.seconds.get(test, 0.0)
        dotted = ".".join(Path(module).with_suffix("").parts)
        for test, taken in self.learned.seconds.items():
            file = test.partition("::")[0]
            if dotted in self.text_of(file):
                seconds[file] += taken
        killers = self.killers[module]
        ordered = sorted(
            seconds, key=lambda one: (one != mirror, not one.startswith(near), -killers[one], seconds[one])
        )
        if Path(mirror).exists() and mirror not in ordered:
            ordered.insert(0, mirror)
        chosen, total = [], 0.0
        for one in ordered:
            total += 1 + seconds[one]
            if total < self.config["budget"]:
                chosen.append(one)
        return chosen

    @functools.cache  # noqa: B019  # the run lives as long as the process
    def text_of(self, file: str) -> str:
        return Path(file).read_text() if Path(file).exists() else ""

    def try_one(self, mutant: Mutant, report: Callable[[Report], None]) -> None:
        before, after = Path(mutant.module).read_text(), str(mutant.source())
        path, diff = real_path(str(Path(mutant.module).resolve())), changed_lines(before, after)
        import_as(path, compile(after, path, "exec"))
        noticed = Noticed(lambda test: report({"outcome": "killed", "by": test, "diff": diff}))
        files = self.files_for(mutant.module)
        for chunk in (files[:1], files[1:4], files[4:]):
            slow = [
                f"--deselect={test}"
                for test, taken in self.learned.seconds.items()
                if taken > self.config["slowest-test"]
            ]
            if chunk and pytest.main([*self.arguments, *slow, *chunk], plugins=[noticed]) not in (0, 5):
                report({"outcome": "killed", "by": "the start of pytest", "diff": diff})
        report({"outcome": "survived", "diff": diff, "tests": len(files)})

    def note(self, mutant: Mutant, report: Report) -> None:
        if report["outcome"] == "killed":
            self.killers[mutant.module][report["by"].removeprefix("collecting ").partition("::")[0]] += 1
