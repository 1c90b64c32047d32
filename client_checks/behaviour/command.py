"""Implements `swapmock conform`, without its command-line flags."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from swapmock import Emulator
from swapmock.client_checks.behaviour import conditions, declaration, known, rulesets, trial
from swapmock.client_checks.behaviour.attach import attach
from swapmock.client_checks.behaviour.conditions import BadCase, Condition
from swapmock.client_checks.behaviour.declaration import BadDeclaration, Declaration
from swapmock.client_checks.behaviour.draft import draft
from swapmock.client_checks.behaviour.known import BadFile
from swapmock.client_checks.behaviour.progress import Progress
from swapmock.client_checks.behaviour.reports import files, terminal
from swapmock.client_checks.behaviour.reports.document import Result, document, unmet
from swapmock.client_checks.behaviour.rule import Rule, all_rules
from swapmock.client_checks.behaviour.rulesets import NoSuchSet
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import NothingToJudge, Trial
from swapmock.client_checks.behaviour.warm import warm
from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.reporting import report_run

#: The flags that are copied into the command that repeats one case.
REPEATED = (
    "time",
    "env",
    "claim",
    "jobs",
    "deadline",
    "resume",
    "smallest_timeout",
    "downloads",
    "callbacks",
    "effects",
    "faces",
    "seed",
    "cwd",
    "declaration_file",
)
#: How long `--attach` watches at most, in real seconds, unless `--case-timeout` says otherwise.
LONGEST_WATCH = 600.0


class CannotRun(Exception):
    """Nothing was judged; the text says why."""


def conform(command: Sequence[str], options: Mapping[str, Any], echo: Callable[[str], None]) -> int:
    """Judge the client that `command` runs, write the reports, and return the exit code. Raises CannotRun."""
    log = logging.getLogger("swapmock")
    before = log.level
    log.setLevel(logging.CRITICAL)  # requests that fail on purpose are not logged
    try:
        return _conform(tuple(command), options, echo, RealClock())
    except (BadDeclaration, BadCase, BadFile, NoSuchSet, NothingToJudge) as why:
        raise CannotRun(str(why)) from None
    finally:
        log.setLevel(before)


def _conform(command: tuple[str, ...], options: Mapping[str, Any], echo: Callable[[str], None], clock: Clock) -> int:
    declared = declared_by(command, options)
    if not declared.command and not options["attach"]:
        raise CannotRun("name the command after --, or in conform.toml")
    rules, scored = chosen_rules(options["rules"])
    rows = chosen_conditions(options)
    entries = known.from_file(options["known"]) if options["known"] else []
    started = clock.now()
    with Emulator(seed=options["seed"], journal_size=5000) as emulator:
        bench = Bench(emulator, declared, Path.cwd(), clock, seed=options["seed"] or 1)
        warm(emulator)
        if options["draft"]:
            return _draft(bench, options, echo)
        if options["explore"]:
            from swapmock.client_checks.behaviour.explore import explore_command

            return explore_command(bench, options, rules, echo)
        if options["prove"]:
            from swapmock.client_checks.behaviour.prove import prove_command

            return prove_command(bench, options, rows, rules, echo)
        trials = _trials(bench, options, rows, rules, echo)
        for one in trials:
            one.judgements = [replace(each, scored=each.rule in scored) for each in one.judgements]
        result = Result(
            trials,
            options["rules"],
            declared.command,
            repeated_flags(options),
            tuple(options["require"]),
            seconds=clock.now() - started,
        )
        result.unmet = unmet(result.required, result.judgements)
        stale: list[str] = []
        for one in trials:
            one.judgements, wrong = known.apply(
                entries, one.judgements, datetime.fromtimestamp(clock.now(), UTC).date()
            )
            stale += wrong
        result.stale = tuple(stale)
        echo(terminal.text(result))
        write_reports(result, options)
        report_run("conform", document(result), options["inspector"], emulator, os.environ, echo)
    return result.exit_code(options["fail_on"])


def _trials(
    bench: Bench, options: Mapping[str, Any], rows: Sequence[Condition], rules: list[Rule], echo: Callable[[str], None]
) -> list[Trial]:
    providers = tuple(options["provider"]) or ((bench.declaration.provider,) if bench.declaration.provider else ())
    if options["attach"]:
        watched = options["case_timeout"] or LONGEST_WATCH
        condition = rows[0] if options["case"] else trial.PLAIN
        return [attach(bench, condition, providers[0] if providers else "crun", rules, echo, watched, options["idle"])]
    progress = Progress()
    return trial.judge_client(
        bench,
        rows,
        providers=providers,
        time=options["time"],
        rules=rules,
        at_once=options["at_once"],
        told=progress.told,
        planned=progress.planned,
    )


def _draft(bench: Bench, options: Mapping[str, Any], echo: Callable[[str], None]) -> int:
    providers = tuple(options["provider"])
    found = trial.judge_client(bench, [], providers=providers, time=options["time"], rules=[])
    text = draft(found[0].cases[0])
    path = Path.cwd() / declaration.FILE
    if path.exists():
        echo(text)
        return 0
    path.write_text(text, "utf-8")
    echo(f"{declaration.FILE} written: check each line, and answer its questions")
    return 0


def declared_by(command: tuple[str, ...], options: Mapping[str, Any]) -> Declaration:
    """Return the declaration from the file and the flags; flags override the file. Raises BadDeclaration."""
    path = options["declaration_file"] or (Path.cwd() / declaration.FILE)
    base = declaration.from_file(path) if options["declaration_file"] or path.exists() else Declaration()
    resume = options["resume"]
    flags = {
        "command": command,
        "provider": options["provider"][0] if len(options["provider"]) == 1 else None,
        "resume": None if resume is None else "again" if resume == "again" else tuple(_words(resume)),
        "verdict": options["claim"],
        "env": {**base.env, **options["env"]},
        "links": tuple(options["link"]),
        "cwd": options["cwd"],
        "time": None if options["time"] == "auto" else options["time"],
    }
    same = (
        "jobs",
        "deadline",
        "smallest_timeout",
        "downloads",
        "callbacks",
        "uploads",
        "effects",
        "faces",
        "case_timeout",
    )
    return base.with_flags(**flags, **{name: options[name] for name in same})


def _words(text: str) -> list[str]:
    import shlex

    return shlex.split(text)


def chosen_rules(name: str) -> tuple[list[Rule], set[str]]:
    """Return all rules, and the ids of the scored ones: those of the set `name`. Raises NoSuchSet."""
    scored = {rule.id for rule in rulesets.rules_of(name)}
    return list(all_rules().values()), scored


def chosen_conditions(options: Mapping[str, Any]) -> list[Condition]:
    """Return the cases to run: those that were named, those of `--case-file`, a variation, or the corpus. Raises
    BadCase."""
    rows = conditions.from_file(options["case_file"]) if options["case_file"] else list(conditions.corpus())
    if options["vary"] is not None:
        from swapmock.client_checks.behaviour.variation import varied

        rows = varied(rows if options["case_file"] or options["case"] else [], options["vary"])
    names = [one.name for one in rows]
    for name in options["case"]:
        if name not in names:
            raise BadCase(f"no case {name!r}; known: {', '.join(names)}")
    return [one for one in rows if not options["case"] or one.name in options["case"]]


def repeated_flags(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the flags of this run that the command for one case needs as well."""
    found: list[str] = []
    for name in REPEATED:
        value = options[name]
        flag = "--" + name.removesuffix("_file").replace("_", "-")
        if isinstance(value, Mapping):
            for variable, template in value.items():
                found += [flag, f"{variable}={template}"]
        elif isinstance(value, bool):
            found += [flag] if value else [f"--no-{flag[2:]}"]
        elif value not in (None, "auto", 0) and not (name == "cwd" and value == "copy"):
            found += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    if options["vary"] is not None:
        found += ["--vary", str(options["vary"])]
    if options["case_file"]:
        found += ["--case-file", str(options["case_file"])]
    return tuple(found)


def write_reports(result: Result, options: Mapping[str, Any]) -> None:
    """Write each report that `options` ask for."""
    forms: Mapping[str, Callable[[Result], str]] = {
        "json_file": files.as_json,
        "junit_file": files.as_junit,
        "html_file": files.as_html,
        "sarif_file": files.as_sarif,
    }
    for name, form in forms.items():
        if options[name] is not None:
            options[name].write_text(form(result), "utf-8")
    summary = options["github_summary"] or os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(files.as_summary(result))
