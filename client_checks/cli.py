"""The commands of the checks. Packages of the extra `checks` are imported only when a command runs."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from swapmock.client_checks.agents.command import mcp
from swapmock.client_checks.pains.command import pain
from swapmock.client_checks.standard_forms.command import export
from swapmock.client_checks.starters.command import init


class CannotRun(click.ClickException):
    """Nothing was judged: one line on stderr, exit code 2."""

    exit_code = 2


def needs_the_extra(command: Callable[..., None]) -> Callable[..., None]:
    """Report a missing package of the extra, and any error of our own, in one line with exit code 2, so that neither
    is taken for a finding."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ModuleNotFoundError as missing:
            name = click.get_current_context().info_name
            raise CannotRun(
                f"{name} needs the extra `checks` ({missing.name} is not installed): pip install 'swapmock[checks]'"
            ) from None
        except (click.ClickException, click.exceptions.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            traceback.print_exc()
            raise CannotRun(f"a mistake of swapmock's own: {type(error).__name__}: {error}") from None

    return run


def pairs(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Convert an option: `("video=https://...",)` to `{"video": "https://..."}`."""
    found = {}
    for pair in given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE", param=option)
        found[name] = value
    return found


def choices(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Convert an option: `("crun.http_status=always200",)` to `{"crun": {"http_status": "always200"}}`."""
    found: dict[str, dict[str, Any]] = {}
    for name, choice in pairs(context, option, given).items():
        provider, dot, variant = name.partition(".")
        if not dot:
            raise click.BadParameter(f"{name!r} is not of the form PROVIDER.NAME", param=option)
        found.setdefault(provider, {})[variant] = choice
    return found


def severities(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Convert an option: `("answer.*=warn",)` to `{"answer.*": "warn"}`."""
    found = pairs(context, option, given)
    for name, word in found.items():
        if word not in ("fail", "warn", "ignore"):
            raise click.BadParameter(f"{name}={word}: {word!r} is none of fail, warn, ignore", param=option)
    return found


PARTS = ("flows", "examples", "coverage", "fuzzing", "stateful")


def parts(_: click.Context, option: click.Parameter, given: str | None) -> tuple[str, ...]:
    """Convert an option: `"flows,refusals"` to `("flows", "refusals")`."""
    chosen = PARTS if given is None else tuple(part.strip() for part in given.split(",") if part.strip())
    for part in chosen:
        if part not in PARTS:
            raise click.BadParameter(f"{part!r} is none of {', '.join(PARTS)}", param=option)
    return chosen


#: The help of --inspector.
INSPECTOR = "Base URL of an emulator: its inspector shows the report (the variable SWAPMOCK_INSPECTOR does the same)."


@click.command()
@click.argument("target")
@click.option(
    "--provider", help="The contract for a server at a URL, such as crun. The emulator is checked against all."
)
@click.option(
    "--variants",
    multiple=True,
    callback=choices,
    metavar="PROVIDER.NAME=CHOICE",
    help="A choice of a variant that the server is checked against; repeatable.",
)
@click.option(
    "--parts",
    "--phases",
    "parts",
    callback=parts,
    metavar="LIST",
    help=f"The parts to run, of {','.join(PARTS)}; default: all.",
)
@click.option(
    "--operation",
    "operations",
    multiple=True,
    help="An operationId to generate calls for; repeatable; default: all.",
)
@click.option(
    "--max-examples",
    default=25,
    show_default=True,
    type=click.IntRange(1),
    help="Generated calls per operation and phase.",
)
@click.option("--seed", default=1, show_default=True, help="Seed of the generated calls.")
@click.option("--strict", is_flag=True, help="Also fail if only a guess of the contract is broken.")
@click.option("--read-only", is_flag=True, help="Send only calls that cannot cost.")
@click.option("--live", is_flag=True, help="Treat the target as live, even if it is an emulator.")
@click.option(
    "--max-credits", type=click.FloatRange(0), help="Credits that a run may spend; required for a live target."
)
@click.option("--max-calls", type=click.IntRange(0), help="Calls that a run may send; required for a live target.")
@click.option("--yes", is_flag=True, help="Do not ask before calls that may cost.")
@click.option(
    "--rate",
    type=click.FloatRange(0, min_open=True),
    default=2.0,
    show_default=True,
    help="Calls per second to a live target.",
)
@click.option(
    "--poll-interval",
    type=click.FloatRange(0),
    default=3.0,
    show_default=True,
    help="Seconds between polls of a live target.",
)
@click.option(
    "--poll-timeout",
    type=click.FloatRange(0),
    default=600.0,
    show_default=True,
    help="Seconds after which a live task counts as stuck.",
)
@click.option(
    "--media",
    multiple=True,
    callback=pairs,
    metavar="NAME=URL",
    help="A medium for the flows (group_image, single_image, new_face, video, gif); repeatable.",
)
@click.option("--callback-base", help="URL by which a live target reaches the receiver of callbacks.")
@click.option(
    "--callback-listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Address on which the receiver of callbacks listens.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON.")
@click.option(
    "--junit",
    "--junit-xml",
    "junit_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report as JUnit XML.",
)
@click.option(
    "--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as one HTML page."
)
@click.option("--inspector", metavar="URL", envvar="SWAPMOCK_INSPECTOR", help=INSPECTOR)
@click.option("--har", "har_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the traffic as HAR.")
@click.option("--ctrf", "ctrf_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as CTRF.")
@click.option("--flow", "flows", multiple=True, help="A flow, or `refusal NAME`, to run; repeatable; default: all.")
@click.option(
    "--flows",
    "flows_file",
    type=click.Path(path_type=Path),
    help="A YAML file of flows to run instead of the provider's.",
)
@click.option(
    "--baseline",
    "baseline_file",
    type=click.Path(path_type=Path),
    help="A YAML file of known findings, each with a reason and a last day.",
)
@click.option(
    "--severity",
    "severities",
    multiple=True,
    callback=severities,
    metavar="ID=fail|warn|ignore",
    help="How findings with this id count; * matches anything; repeatable.",
)
@click.option(
    "--allow-partial",
    multiple=True,
    metavar="NAME",
    help="A part that may be missing, by its name in `left out`; * matches anything; repeatable.",
)
@needs_the_extra
def check(target: str, **options: Any) -> None:
    """Does a server obey the contract? TARGET is `emulator`, or a base URL.

    Credentials for a URL come from the environment: CRUN_API_KEY, or IMGOPEN_ACCESS_KEY_ID and
    IMGOPEN_ACCESS_KEY_SECRET. Exit code 0 clean, 1 findings, 2 could not run.
    """
    from swapmock.client_checks.conformance.command import run_check
    from swapmock.client_checks.conformance.target import CannotRun as Refused

    try:
        code = run_check(target, options, os.environ, _confirm)
    except Refused as why:
        raise CannotRun(str(why)) from None
    raise SystemExit(code)


def _confirm(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.exceptions.Abort:
        return False


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--contract", help="The contract for a git revision without a folder, such as crun.")
@click.option(
    "--ignore",
    "ignored",
    multiple=True,
    metavar="PATTERN",
    help="Accept changes whose `AREA PLACE` matches; * matches anything; repeatable.",
)
@click.option(
    "--ignore-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file of such patterns, one in each line; # begins a comment.",
)
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note"]),
    default="warning",
    show_default=True,
    help="The lowest severity that fails: error breaks a client, warning is a change that no rule knows, note breaks none.",
)
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the changes as JSON.")
@click.option(
    "--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the changes as JUnit XML."
)
@click.option(
    "--sarif", "sarif_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the changes as SARIF 2.1.0."
)
@click.option("--github", is_flag=True, help="Print annotations for GitHub Actions as well.")
@needs_the_extra
def compat(old: str, new: str, contract: str | None, **given: Any) -> None:
    """What changed between two versions of a contract, and for whom it breaks.

    OLD and NEW are folders of a contract, REVISION:FOLDER of the git repository here, or a revision alone with
    --contract. Exit code 0 nothing breaks, 1 something does or no rule classes it, 2 could not run.
    """
    from swapmock.client_checks.compat import command
    from swapmock.client_checks.compat.source import Unreadable

    try:
        raise SystemExit(command.compat(old, new, contract, given, click.echo))
    except Unreadable as why:
        raise CannotRun(str(why)) from None


#: The options of every command that may call a live target.
LIVE = (
    click.option("--live", is_flag=True, help="Treat the target as live, even if it is an emulator."),
    click.option("--max-credits", type=click.FloatRange(0), help="Credits that may be spent; required for a live target."),
    click.option("--max-calls", type=click.IntRange(0), help="Calls that may be sent; required for a live target."),
    click.option("--yes", is_flag=True, help="Do not ask before calls that may cost."),
    click.option("--rate", type=click.FloatRange(0, min_open=True), default=2.0, show_default=True, help="Calls per second."),
    click.option("--poll-interval", type=click.FloatRange(0), default=3.0, show_default=True, help="Seconds between polls."),
    click.option("--poll-timeout", type=click.FloatRange(0), default=600.0, show_default=True, help="Seconds after which a task counts as stuck."),
    click.option("--media", multiple=True, callback=pairs, metavar="NAME=URL", help="A medium for the flows; repeatable."),
)  # fmt: skip


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for live targets to a command."""
    for option in reversed(LIVE):
        command = option(command)
    return command


@click.command()
@click.option("--left", required=True, help="`emulator`, a base URL, or the file of a recording.")
@click.option("--right", help="The same, for the other side.")
@click.option("--replay", type=click.Path(), help="A recording, in place of --right.")
@click.option("--provider", help="Provider of the flows, such as crun; not needed with a recording.")
@click.option("--flow", "flows", multiple=True, help="A flow to run; repeatable; default: all.")
@click.option("--flows", "flows_file", type=click.Path(path_type=Path), help="A YAML file of flows to run instead.")
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the differences as JSON."
)
@click.option(
    "--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the differences as JUnit XML."
)
@click.option(
    "--sarif",
    "sarif_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the differences as SARIF 2.1.0.",
)
@click.option(
    "--ctrf", "ctrf_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the differences as CTRF."
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the differences as one HTML page.",
)
@click.option(
    "--allow-partial",
    multiple=True,
    metavar="NAME",
    help="A flow that need not be compared; * matches anything; repeatable.",
)
@live_options
@needs_the_extra
def parity(left: str, right: str | None, replay: str | None, **given: Any) -> None:
    """Do two servers behave alike? The same flows on both, compared by structure, states and timing.

    Credentials as for `check`; LEFT_ or RIGHT_ before a variable's name is for that side alone. Exit code 0 alike,
    1 differences, 2 could not compare every flow.
    """
    from swapmock.client_checks.conformance.target import CannotRun as Refused
    from swapmock.client_checks.parity import command

    other = right or replay
    if other is None or (right and replay):
        raise CannotRun("name one of --right and --replay")
    confirm = (lambda _: True) if given.pop("yes") else _confirm
    allowed = given.pop("allow_partial")
    try:
        code = command.run_parity(left, other, given, allowed, os.environ, confirm, click.echo)
    except Refused as why:
        raise CannotRun(str(why)) from None
    raise SystemExit(code)


@click.command()
@click.argument("target")
@click.option("--provider", required=True, help="Provider of the flows, such as crun.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file to write.")
@click.option("--flow", "flows", multiple=True, help="A flow to run; repeatable; default: all.")
@click.option("--flows", "flows_file", type=click.Path(path_type=Path), help="A YAML file of flows to run instead.")
@live_options
@needs_the_extra
def record(target: str, out: Path, **given: Any) -> None:
    """Record what a server answers to the flows, for `parity --replay` later; secrets are left out from the start.

    TARGET is `emulator` or a base URL. Exit code 0 written, 2 could not run.
    """
    from swapmock.client_checks.conformance.target import CannotRun as Refused
    from swapmock.client_checks.parity import command

    confirm = (lambda _: True) if given.pop("yes") else _confirm
    try:
        recording = command.run_record(target, out, given, os.environ, confirm, click.echo)
    except Refused as why:
        raise CannotRun(str(why)) from None
    raise SystemExit(2 if recording.aborted else 0)


#: The options of `conform`: how to judge, and what the client is.
CONFORM = (
    click.argument("command", nargs=-1, type=click.UNPROCESSED),
    click.option("--provider", multiple=True, type=click.Choice(["crun", "imgopen"]), help="Provider whose API the client calls; default: those that it calls. Repeatable."),
    click.option("--declaration", "declaration_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The declaration of the client; default: ./conform.toml."),
    click.option("--env", multiple=True, callback=pairs, metavar="NAME=TEMPLATE", help="A variable for the client, such as MY_BASE={url}; repeatable."),
    click.option("--claim", type=click.Choice(["claim", "exit"]), help="How the client reports its outcome: by a claim, or by its exit status."),
    click.option("--pattern", multiple=True, callback=pairs, metavar="OUTCOME=REGEX", help="A pattern in the output that means an outcome (succeeded, failed, unknown); repeatable."),
    click.option("--exit-unknown", multiple=True, type=int, help="An exit status that means that the outcome is not known yet; repeatable."),
    click.option("--jobs", type=click.IntRange(1), help="Paid tasks that one run makes if nothing fails."),
    click.option("--deadline", type=click.FloatRange(0, min_open=True), help="Seconds after which the client gives up a job."),
    click.option("--resume", metavar="again|COMMAND", help="How an interrupted run is resumed."),
    click.option("--smallest-timeout", type=click.FloatRange(0, min_open=True), help="The client's smallest time-out of a request, in seconds."),
    click.option("--downloads/--no-downloads", default=None, help="Whether the client downloads and stores results."),
    click.option("--callbacks/--no-callbacks", default=None, help="Whether the client receives callbacks."),
    click.option("--uploads/--no-uploads", default=None, help="Whether the client uploads local files."),
    click.option("--effects/--no-effects", default=None, help="Whether the client reports its effects."),
    click.option("--faces", type=click.IntRange(1), help="Faces that the client expects in a picture."),
    click.option("--time", type=click.Choice(["auto", "real", "scaled", "on_poll"]), default="auto", show_default=True, help="How the client's time follows the clock of the case."),
    click.option("--cwd", type=click.Choice(["copy", "shared"]), help="A copy of the project for each case, or the project itself."),
    click.option("--link", multiple=True, help="A folder that copies of the project link to; repeatable."),
    click.option("--case", multiple=True, help="A case to run; repeatable; default: all."),
    click.option("--case-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A YAML file of cases to run instead."),
    click.option("--case-timeout", type=click.FloatRange(0, min_open=True), help="Real seconds after which a run is killed."),
    click.option("--at-once", type=click.IntRange(1, 64), help="Cases that run at the same time; default: 8, in real time 16."),
    click.option("--rules", default="2026.12", show_default=True, help="The fixed set of rules that is scored."),
    click.option("--require", multiple=True, help="A rule, or a level (must, should), that must be tested; repeatable."),
    click.option("--known", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A YAML file of known failures; an entry that no longer fails makes the run fail."),
    click.option("--fail-on", type=click.Choice(["must", "should"]), default="must", show_default=True, help="The lowest level at which a broken rule is a finding."),
    click.option("--seed", type=int, default=1, show_default=True, help="Seed of the emulator and of random choices."),
    click.option("--vary", type=int, metavar="SEED", help="Change details of answers that the contract leaves open."),
    click.option("--explore", is_flag=True, help="Try random conditions, and reduce one that fails."),
    click.option("--budget", default="60s", show_default=True, help="How long --explore tries."),
    click.option("--prove", metavar="REV", help="Run the failing cases on a worktree of REV and on the current tree."),
    click.option("--setup", metavar="CMD", help="Run in each worktree before --prove judges it."),
    click.option("--attach", is_flag=True, help="Judge a client that you start: print its variables and watch."),
    click.option("--idle", type=click.FloatRange(0, min_open=True), default=15.0, show_default=True, help="Seconds without a request that end --attach."),
    click.option("--draft", is_flag=True, help="Write a first conform.toml from a plain run."),
    click.option("--schema", type=click.Choice(["declaration", "cases", "known", "report"]), help="Print the JSON Schema of a file, and end."),
    click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JSON; - is stdout."),
    click.option("--junit", "junit_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as JUnit XML."),
    click.option("--html", "html_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as one HTML page."),
    click.option("--inspector", metavar="URL", envvar="SWAPMOCK_INSPECTOR", help=INSPECTOR),
    click.option("--sarif", "sarif_file", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as SARIF 2.1.0."),
    click.option("--github-summary", type=click.Path(path_type=Path, dir_okay=False), help="File to append a Markdown summary to; default: $GITHUB_STEP_SUMMARY."),
)  # fmt: skip


def conform_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `conform` to a command."""
    for option in reversed(CONFORM):
        command = option(command)
    return command


@click.command(context_settings={"ignore_unknown_options": False})
@conform_options
@needs_the_extra
def conform(command: tuple[str, ...], **options: Any) -> None:
    """Does a client behave well? COMMAND is run under chosen conditions and judged by what it costs.

    Put the command after `--`: swapmock conform --provider crun -- python my_flow.py. Exit code 0 clean, 1 findings,
    2 could not run, 3 what --require names was not exercised.
    """
    from swapmock.client_checks.behaviour.command import CannotRun as Refused
    from swapmock.client_checks.behaviour.command import conform as judge

    try:
        code = judge(command, options, click.echo)
    except Refused as why:
        raise CannotRun(str(why)) from None
    raise SystemExit(code)


#: Every command of the checks by its name.
COMMANDS: Mapping[str, click.Command] = {
    "check": check,
    "compat": compat,
    "conform": conform,
    "export": export,
    "init": init,
    "mcp": mcp,
    "pain": pain,
    "parity": parity,
    "record": record,
}
