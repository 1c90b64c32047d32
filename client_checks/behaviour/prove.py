"""Proves a fix: runs the same cases on a git worktree of another revision and on the current tree."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swapmock.client_checks.behaviour import trial
from swapmock.client_checks.behaviour.conditions import BadCase, Condition
from swapmock.client_checks.behaviour.environment import LINKED
from swapmock.client_checks.behaviour.model import Verdict
from swapmock.client_checks.behaviour.rule import Rule
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import NothingToJudge, Trial

#: The timeout of `--setup` in each tree, in seconds.
SETUP_TIMEOUT = 600.0


@dataclass(frozen=True)
class Proof:
    """The result for each rule and case: fixed, still failing, newly failing, or unproven with the reason."""

    fixed: tuple[str, ...] = ()
    still_failing: tuple[str, ...] = ()
    newly_failing: tuple[str, ...] = ()
    unproven: Mapping[str, str] | None = None


def prove_command(
    bench: Bench,
    options: Mapping[str, Any],
    rows: Sequence[Condition],
    rules: Sequence[Rule],
    echo: Callable[[str], None],
) -> int:
    """Judge both trees and print what changed. Return 0 if what failed before is fixed and nothing fails newly.

    `rows` are the cases, `rules` the rules that count, `options` the flags; messages go to `echo`."""
    if not keeps_access_times():
        echo("note: files here have no access times, so that code from outside the worktree is not noticed")
    top = _git(bench.project, "rev-parse", "--show-toplevel")
    below = bench.project.resolve().relative_to(Path(top).resolve())
    with worktree(Path(top), options["prove"]) as old:
        for tree in (old / below, bench.project):
            _set_up(tree, options["setup"])
        before, outside = _judged(bench, old / below, bench.project, options, rows, rules)
    after, _ = _judged(bench, bench.project, None, options, rows, rules)
    proof = compare(before, after, outside)
    for name, what in (
        ("fixed", proof.fixed),
        ("still failing", proof.still_failing),
        ("newly failing", proof.newly_failing),
    ):
        for one in what:
            echo(f"{name}: {one}")
    for one, why in (proof.unproven or {}).items():
        echo(f"unproven: {one}: {why}")
    if not (proof.fixed or proof.still_failing or proof.newly_failing or proof.unproven):
        echo(f"nothing failed at {options['prove']}, and nothing fails now")
    return 1 if proof.still_failing or proof.newly_failing or proof.unproven else 0


def compare(before: Sequence[Trial], after: Sequence[Trial], outside: Sequence[str] = ()) -> Proof:
    """Return the result for each rule and case.

    `outside` names files that the old revision loaded from outside its worktree. Then nothing is proven, because
    the old code may not have been what ran."""
    old, new = _failing(before), _failing(after)
    judged = {key: one.verdict for done in after for one in done.judgements if (key := _key(done, one.rule, one.case))}
    if outside:
        reason = f"the old revision loaded code from outside its worktree: {', '.join(outside[:3])}"
        return Proof(unproven=dict.fromkeys(sorted(old | new) or ["everything"], reason))
    gone = sorted(old - new)
    proven = [one for one in gone if judged.get(one) in (Verdict.PASS, Verdict.INFO)]
    unproven = {
        one: f"it is {judged[one].value if one in judged else 'not exercised'} now, which is not green"
        for one in gone
        if one not in proven
    }
    return Proof(tuple(proven), tuple(sorted(old & new)), tuple(sorted(new - old)), unproven)


def _failing(trials: Sequence[Trial]) -> set[str]:
    against = (Verdict.FAIL, Verdict.WARN)
    return {_key(done, one.rule, one.case) for done in trials for one in done.judgements if one.verdict in against}


def _key(done: Trial, rule: str, case: str) -> str:
    return f"{done.provider} {rule} in {case}"


def _judged(
    bench: Bench,
    tree: Path,
    other: Path | None,
    options: Mapping[str, Any],
    rows: Sequence[Condition],
    rules: Sequence[Rule],
) -> tuple[list[Trial], list[str]]:
    here = replace(bench, project=tree, media={})
    with watched(other) as read:
        try:
            found = trial.judge_client(
                here,
                rows,
                providers=tuple(options["provider"]),
                time=options["time"],
                rules=rules,
                at_once=options["at_once"],
            )
        except NothingToJudge:
            if other is None:
                raise
            return [], read()
        return found, read()


@contextmanager
def worktree(top: Path, revision: str) -> Iterator[Path]:
    """Make a worktree of `revision`, and remove it at the end. Raises BadCase if git does not know the revision."""
    with tempfile.TemporaryDirectory(prefix="swapmock-prove-") as folder:
        path = Path(folder) / "tree"
        _git(top, "worktree", "add", "--detach", str(path), revision)
        try:
            yield path
        finally:
            _git(top, "worktree", "remove", "--force", str(path))


@contextmanager
def watched(folder: Path | None) -> Iterator[Callable[[], list[str]]]:
    """Yield a function that returns which files of `folder` were read meanwhile.

    It compares access times: they are set back at the start, and the file system moves them forward at the first
    read (relatime does this)."""
    files = list(_sources(folder)) if folder is not None else []
    for path in files:
        stat = path.stat()
        os.utime(path, ns=(0, stat.st_mtime_ns))

    def read() -> list[str]:
        return [str(path) for path in files if path.exists() and path.stat().st_atime_ns > 0]

    yield read


def keeps_access_times() -> bool:
    """Return whether reading a file changes its access time; not so on a file system that is mounted with noatime."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder, "probe")
        path.write_bytes(b"x")
        os.utime(path, ns=(0, path.stat().st_mtime_ns))
        path.read_bytes()
        return path.stat().st_atime_ns > 0


def _sources(folder: Path) -> Iterator[Path]:
    for where, names, files in os.walk(folder):
        names[:] = [name for name in names if name != ".git" and name not in LINKED]
        yield from (
            Path(where, name)
            for name in files
            if name.endswith((".py", ".pyc", ".js", ".mjs", ".cjs", ".ts", ".sh", ".rb", ".php"))
        )


def _set_up(tree: Path, setup: str | None) -> None:
    if setup is None:
        return
    done = subprocess.run(
        setup, shell=True, cwd=tree, capture_output=True, text=True, timeout=SETUP_TIMEOUT, check=False
    )
    if done.returncode:
        raise BadCase(f"--setup ended with {done.returncode} in {tree}: {done.stderr.strip()[-300:]}")


def _git(where: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BadCase(f"git {words[0]}: {done.stderr.strip()[-300:]}")
    return done.stdout.strip()
