"""`make mutants`: change one thing at a time in a copy of the repository, and run the tests against it.

    make mutants                                    a sample of 200 mutants
    make mutants ARGS='--sample 0'                  all of them: some hours
    make mutants ARGS='--module mock_server/core/clock.py --tests tests/core --sample 0'

Prints each mutant that no test noticed, with its difference. The exit status is 1 if one of them is not in SURVIVORS.md.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make mutants", description="change the code, see whether a test notices")
    parser.add_argument("--sample", type=int, default=200, help="how many mutants, drawn by --seed; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", action="append", help="file or folder to mutate; repeatable")
    parser.add_argument("--tests", help="what pytest is given, in place of the list in cosmic-ray.toml")
    return parser.parse_args()


def copy_of_the_repository(folder: Path) -> None:
    """The tracked files as they are now: mutants are written into the copy only."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(os.readlink(source))
        elif source.is_file():
            shutil.copy2(source, target)


def config_for(asked: argparse.Namespace) -> dict[str, Any]:
    config: dict[str, Any] = tomllib.loads((HERE / "cosmic-ray.toml").read_text())["cosmic-ray"]
    command = str(config["test-command"]).removeprefix("python ")
    if asked.tests:
        command = f"-m pytest -x -q -p no:cacheprovider {asked.tests}"
    config["test-command"] = f"{sys.executable} {command}"
    if asked.module:
        config["module-path"] = asked.module
    return config


def session_of(config: dict[str, Any], asked: argparse.Namespace, path: Path) -> Any:
    """The session with the mutants that are to be tried. All others are marked as skipped."""
    import cosmic_ray.commands
    import cosmic_ray.modules
    from cosmic_ray.tools.filters.operators_filter import OperatorsFilter
    from cosmic_ray.work_db import WorkDB
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    modules = cosmic_ray.modules.find_modules([Path(one) for one in config["module-path"]])
    modules = cosmic_ray.modules.filter_paths(modules, config["excluded-modules"])
    database = WorkDB(str(path), WorkDB.Mode.create)
    cosmic_ray.commands.init(modules, database, {})
    excluded = config["filters"]["operators-filter"]["exclude-operators"]
    OperatorsFilter()._skip_filtered(database, excluded)
    waiting = sorted(database.pending_work_items, key=lambda item: str(item.mutations))
    if asked.sample:
        chosen = {item.job_id for item in random.Random(asked.seed).sample(waiting, min(asked.sample, len(waiting)))}
        for item in waiting:
            if item.job_id not in chosen:
                database.set_result(
                    item.job_id, WorkResult(output="not in the sample", worker_outcome=WorkerOutcome.SKIPPED)
                )
    return database


def main() -> int:
    asked = options()
    with tempfile.TemporaryDirectory(prefix="swapmock-mutants-") as name:
        folder = Path(name)
        copy_of_the_repository(folder)
        os.chdir(folder)
        os.environ |= {"PYTHONPATH": f"{folder / 'src'}{os.pathsep}{folder}", "PYTHONDONTWRITEBYTECODE": "1"}
        return report(config_for(asked), asked, folder)


def report(config: dict[str, Any], asked: argparse.Namespace, folder: Path) -> int:
    from cosmic_ray.mutating import mutate_and_test
    from cosmic_ray.work_item import TestOutcome, WorkerOutcome

    if subprocess.run(config["test-command"], shell=True, check=False).returncode:
        sys.stdout.write("the tests fail without any mutant\n")
        return 2
    known = (HERE / "SURVIVORS.md").read_text()
    counts: Counter[str] = Counter()
    unknown = 0
    database = session_of(config, asked, folder / "session.sqlite")
    work = list(database.pending_work_items)
    for number, item in enumerate(work, 1):
        result = mutate_and_test(item.mutations, config["test-command"], config["timeout"])
        database.set_result(item.job_id, result)
        survived = result.worker_outcome is WorkerOutcome.NORMAL and result.test_outcome is TestOutcome.SURVIVED
        counts["survived" if survived else str(result.test_outcome or result.worker_outcome)] += 1
        if survived:
            shown = changed_lines(result.diff or "")
            listed = all(line in known for line in shown)
            unknown += not listed
            place = item.mutations[0]
            head = f"[{number}/{len(work)}] {place.module_path}:{place.start_pos[0]}{' (listed)' if listed else ''}"
            sys.stdout.write("\n  ".join([head, *shown]) + "\n")
            sys.stdout.flush()
    sys.stdout.write(f"{len(work)} mutants: {dict(counts)}; {unknown} survivors are not in SURVIVORS.md\n")
    return 1 if unknown else 0


def changed_lines(diff: str) -> list[str]:
    """The line before and after a mutation, without their indent."""
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return [f"{line[0]} {line[1:].strip()}" for line in lines]


if __name__ == "__main__":
    raise SystemExit(main())
