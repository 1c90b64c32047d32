"""`make mutants`: change one thing at a time in a copy of the repository, and run the tests against it.

    make mutants                                    a sample of 200 mutants
    make mutants ARGS='--sample 0'                  all of them
    make mutants ARGS='--module mock_server/core/clock.py --sample 0'

Prints each mutant that no test noticed, with its difference. The exit status is 1 if one of them is not in SURVIVORS.md.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.mutants.forking import Report, run_all
from tests.mutants.fresh import FreshRun, import_all, third_party
from tests.mutants.mutations import Mutant, all_mutants
from tests.mutants.warm import Learned, WarmRun, say

HERE = Path(__file__).parent
ROOT = HERE.parent.parent

#: What pytest is given in each child, before the test files.
PYTEST = [
    "-x",
    "-q",
    "--assert=plain",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:xdist",
    "--hypothesis-profile=mutants",
    "-m",
    "not slow and not long",
]


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="change the code, see whether a test notices")
    parser.add_argument("--sample", type=int, default=200, help="how many mutants, drawn by --seed; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", action="append", help="file or folder to mutate; repeatable")
    parser.add_argument(
        "--tests", action="append", help="test file or folder, in place of `near` and `wide`; repeatable"
    )
    parser.add_argument("--session", type=Path, help="file that keeps the results: run again to go on from there")
    parser.add_argument(
        "--survivors", action="store_true", help="try also what survived in --session, with today's tests"
    )
    parser.add_argument("--children", type=int, default=1, help="how many mutants run at the same time")
    return parser.parse_args()


def copy_of_the_repository(folder: Path) -> None:
    """The tracked files as they are now: tests may write beside them."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        elif source.is_file():
            shutil.copy2(source, target)


def main() -> int:
    asked = options()
    if "SWAPMOCK_MUTANTS" in os.environ:
        return Run(asked, Path(os.environ["SWAPMOCK_MUTANTS"])).run()
    session = asked.session.absolute() if asked.session else None
    with tempfile.TemporaryDirectory(prefix="swapmock-mutants-") as name:
        folder = Path(name).resolve()
        copy_of_the_repository(folder / "copy")
        (folder / "tmp").mkdir()
        environment = {
            # The children import the copy, not the repository that this process was started from.
            "PYTHONPATH": f"{folder / 'copy/src'}{os.pathsep}{folder / 'copy'}",
            "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            "TMPDIR": str(folder / "tmp"),
            "SWAPMOCK_MUTANTS": str(session or folder / "session.jsonl"),
        }
        command = [sys.executable, "-m", "tests.mutants", *sys.argv[1:]]
        return subprocess.run(command, cwd=folder / "copy", env={**os.environ, **environment}, check=False).returncode


class Run:
    """One run over the mutants, within the copy of the repository."""

    def __init__(self, asked: argparse.Namespace, session: Path):
        self.asked, self.session = asked, session
        whole = tomllib.loads((HERE / "cosmic-ray.toml").read_text())
        self.config: dict[str, Any] = whole["tests"]
        self.mutants = all_mutants({**whole["cosmic-ray"], **({"module-path": asked.module} if asked.module else {})})
        self.results = self.read_session()
        self.arguments = [*PYTEST, "-o", f"timeout={self.config['hang']}"]
        self.known = (HERE / "SURVIVORS.md").read_text().splitlines()
        self.begun = 0

    def read_session(self) -> dict[str, Report]:
        """The last result of each mutant in the session file."""
        lines = self.session.read_text().splitlines() if self.session.exists() else []
        return {said["key"]: said for said in map(json.loads, lines)}

    def waiting(self) -> list[Mutant]:
        chosen = self.mutants
        if self.asked.sample:
            chosen = random.Random(self.asked.seed).sample(chosen, min(self.asked.sample, len(chosen)))
        again = (None, "fresh", "broken", *(["survived"] if self.asked.survivors else []))
        return [one for one in chosen if self.results.get(one.key, {}).get("outcome") in again]

    def run(self) -> int:
        work = self.waiting()
        self.total = len(work)
        say(f"{self.total} mutants to run of {len(self.mutants)}")
        register_profile()
        for number, row in enumerate(self.config["of"]):
            mine = [one for one in work if self.row_of(one) == number]
            if mine:
                say(f"{len(mine)} of them in {row['modules']}")
                self.run_row(f"{number}", {**self.config, **row}, mine)
        return self.report(work)

    def row_of(self, mutant: Mutant) -> int:
        """The number of the row of `of` whose tests a mutant runs against."""
        rows = self.config["of"]
        return next(number for number, row in enumerate(rows) if mutant.module.startswith(row["modules"]))

    def run_row(self, name: str, config: dict[str, Any], work: list[Mutant]) -> None:
        """Run the mutants of one row of `of`. `config` has its `near` and `wide`; `name` is that of its files beside the session."""
        tests = self.asked.tests or [*config["near"], *config["wide"]]
        warm = [one for one in work if self.results.get(one.key, {}).get("outcome") != "fresh"]
        # A process of its own, as it imports the product; the children of `FreshRun` must start without.
        self.in_a_process(lambda: self.run_warm(name, config, tests, warm))
        self.results = self.read_session()
        import_all(json.loads(self.beside(f"{name}.libraries").read_text()))
        fresh = [one for one in work if self.results.get(one.key, {}).get("outcome") == "fresh"]
        say(f"{len(fresh)} mutants of code that runs at import")
        learned = Learned()
        for report in json.loads(self.beside(f"{name}.learned").read_text()).values():
            learned.add(report)
        runner = FreshRun(config, learned, self.arguments)

        def done(mutant: Mutant, report: Report) -> None:
            runner.note(mutant, report)
            self.note(mutant, report)

        run_all(fresh, runner.try_one, done, Path.cwd(), self.asked.children, 2 * config["budget"])

    def beside(self, name: str) -> Path:
        return self.session.with_suffix(f".{name}.json")

    def in_a_process(self, work: Callable[[], None]) -> None:
        pid = os.fork()
        if not pid:
            try:
                work()
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status:
            raise SystemExit(2)

    def run_warm(self, name: str, config: dict[str, Any], tests: list[str], mutants: list[Mutant]) -> None:
        plugin = WarmRun(mutants, config, self.beside(f"{name}.learned"), self.asked.children, self.note)
        plugin.tracer.start()  # before pytest imports the product by its plugin
        pytest.main([*self.arguments, *tests], plugins=[plugin])
        if not plugin.has_run:
            raise RuntimeError("pytest has not run: see above")
        self.beside(f"{name}.libraries").write_text(json.dumps(third_party()))

    def note(self, mutant: Mutant, report: Report) -> None:
        """Write a result down, and show a survivor."""
        said = {"key": mutant.key, "module": mutant.module, "line": mutant.line, **report}
        with self.session.open("a") as file:
            file.write(json.dumps(said) + "\n")
        self.begun += 1
        if report["outcome"] in ("survived", "broken"):
            shown = [*report.get("diff", ()), *report.get("why", "").splitlines()[-1:]]
            say("\n  ".join([f"{report['outcome']}: {mutant.module}:{mutant.line}{self.listed(report)}", *shown]))
        if self.begun % 50 == 0:
            say(f"[{self.begun}/{self.total}]")

    def listed(self, report: Report) -> str:
        lines = [line for line in report.get("diff", ["?"]) if line.strip(" +-")]
        return " (listed)" if all(f"    {line}" in self.known for line in lines) else ""

    def report(self, work: list[Mutant]) -> int:
        """Print the totals. 1 if a survivor is not listed in SURVIVORS.md."""
        self.results = self.read_session()
        counts: Counter[str] = Counter()
        for one in work:
            report = self.results.get(one.key, {"outcome": "not run"})
            survived = report["outcome"] == "survived"
            counts["listed" if survived and self.listed(report) else report["outcome"]] += 1
        say(f"{len(work)} mutants: " + ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())))
        return 1 if counts["survived"] or counts["broken"] or counts["not run"] else 0


def register_profile() -> None:
    """Few examples, the same ones each time."""
    hypothesis.settings.register_profile(
        "mutants",
        derandomize=True,
        max_examples=20,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )


if __name__ == "__main__":
    raise SystemExit(main())
