"""Implements `swapmock conform`, without its command-line flags."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from swapmock import Emulator
from swapmock.client_checks.behaviour import conditions, declaration, known, rulesets, trial
from swapmock.client_checks.behaviour.attach import attach
from swapmock.client_checks.behaviour.conditions import BadCase, Condition
from swapmock.client_checks.behaviour.declaration import BadDeclaration, Declaration
from swapmock.client_checks.behaviour.draft import draft
from swapmock.client_checks.behaviour.flags import repeated_flags
from swapmock.client_checks.behaviour.known import BadFile, KnownFailure
from swapmock.client_checks.behaviour.model import Level
from swapmock.client_checks.behaviour.progress import Progress
from swapmock.client_checks.behaviour.reports import files, terminal
from swapmock.client_checks.behaviour.reports.document import Result, document, unmet
from swapmock.client_checks.behaviour.reports.document import schema as report_schema
from swapmock.client_checks.behaviour.rule import Rule, all_rules
from swapmock.client_checks.behaviour.rulesets import NoSuchSet
from swapmock.client_checks.behaviour.runner import Bench
from swapmock.client_checks.behaviour.trial import NothingToJudge, Trial
from swapmock.client_checks.behaviour.warm import warm
from swapmock.client_checks.clock import Clock, RealClock
from swapmock.client_checks.reporting import report_run

#: How long `--attach` watches at most, in real seconds, unless `--case-timeout` says otherwise.
LONGEST_WATCH = 600.0


class CannotRun(Exception):
    """Nothing was judged; the text says why."""


def conform(command: Sequence[str], options: Mapping[str, Any], echo: Callable[[str], None]) -> int:
    """Judge the client that `command` runs, write the reports, and return the exit code. Raises CannotRun."""
    if options.get("schema"):
        echo(json.dumps(SCHEMAS[options["schema"]](), indent=2))
        return 0
    log = logging.getLogger("swapmock")
    before = log.level
    log.setLevel(logging.CRITICAL)  # requests that fail on purpose are not logged
    try:
        return _conform(tuple(command), options, echo, RealClock())
    except (BadDeclaration, BadCase, BadFile, NoSuchSet, NothingToJudge) as why:
        raise CannotRun(str(why)) from None
    except OSError as error:
        raise CannotRun(str(error.strerror or error)) from None
    finally:
        log.setLevel(before)


#: For each value of `--schema`, the function that returns the JSON Schema.
SCHEMAS: Mapping[str, Callable[[], Mapping[str, Any]]] = {
    "declaration": declaration.schema,
    "cases": conditions.schema,
    "known": known.schema,
    "report": report_schema,
}


def _conform(command: tuple[str, ...], options: Mapping[str, Any], echo: Callable[[str], None], clock: Clock) -> int:
    declared = declared_by(command, options)
    if not declared.command and not options["attach"]:
        raise CannotRun("name the command after --, or in conform.toml")
    rules, scored = chosen_rules(options["rules"])
    check_required(options["require"])
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
            fail_on=options["fail_on"],
        )
        result.unmet = unmet(result.required, result.judgements)
        result.stale = _apply_known(entries, trials, options, datetime.fromtimestamp(clock.now(), UTC).date())
        is_stdout_taken = any(options[name] == STDOUT for name in REPORTS)
        show = _to_stderr if is_stdout_taken else echo
        show(terminal.text(result))
        write_reports(result, options, echo)
        page = report_run("conform", document(result), options["inspector"], emulator, os.environ, show)
        if page and options["html_file"] not in (None, STDOUT):
            options["html_file"].write_text(files.as_html(result, page), "utf-8")
    return result.exit_code()


def _to_stderr(text: str) -> None:
    click.echo(text, err=True)


def check_required(names: Sequence[str]) -> None:
    """Raise BadCase if `names`, the values of `--require`, contain a name that is neither a rule nor a level."""
    levels = [level.value for level in Level]
    for name in names:
        if name not in all_rules() and name not in levels:
            raise BadCase(f"--require: no rule or level {name!r}; known: {', '.join([*levels, *all_rules()])}")


def _apply_known(
    entries: Sequence[KnownFailure], trials: Sequence[Trial], options: Mapping[str, Any], today: date
) -> tuple[str, ...]:
    """Mark the known failures in all trials, and return one line for each stale entry."""
    every = [one for done in trials for one in done.judgements]
    is_partial = options["case"] or options["case_file"] or options["vary"] is not None or options["attach"]
    ran = {case.case for done in trials for case in done.cases} if is_partial else None
    marked, stale = known.apply(entries, every, today, ran)
    rest = iter(marked)
    for done in trials:
        done.judgements = [next(rest) for _ in done.judgements]
    return tuple(stale)


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
        "verdict": patterns(options.get("pattern") or {}) or options["claim"],
        "exit_unknown": tuple(options.get("exit_unknown") or ()),
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


def patterns(given: Mapping[str, str]) -> Mapping[str, str]:
    """Return the patterns of `--pattern OUTCOME=REGEX`, {} if there is none. Raises BadDeclaration."""
    if given:
        declaration.declare({"verdict": dict(given)})
    return given


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


#: For each option with the file name of a report, the function that returns the report's text.
REPORTS: Mapping[str, Callable[[Result], str]] = {
    "json_file": files.as_json,
    "junit_file": files.as_junit,
    "html_file": files.as_html,
    "sarif_file": files.as_sarif,
}
#: The file name that means stdout. The report for people then goes to stderr.
STDOUT = Path("-")


def write_reports(result: Result, options: Mapping[str, Any], echo: Callable[[str], None]) -> None:
    """Write each report that `options` ask for. `echo` prints to stdout. Raises CannotRun for a file that cannot be
    written."""
    for name, form in REPORTS.items():
        path = options[name]
        if path == STDOUT:
            echo(form(result))
        elif path is not None:
            try:
                path.write_text(form(result), "utf-8")
            except OSError as error:
                raise CannotRun(f"cannot write {path}: {error.strerror}") from None
    summary = options["github_summary"] or os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(files.as_summary(result))
