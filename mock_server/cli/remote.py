"""The commands for a running server: `requests`, `why`, `advance`, `reset`, `queue`, `fault`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import click

from swapmock.mock_server.cli.output import UsageError, printable, say
from swapmock.mock_server.settings import variable

#: The default address of `swapmock serve`.
DEFAULT_URL = "http://127.0.0.1:4020"

#: Faults that can be named by a word: the effect on the connection.
CONNECTION_FAULTS = ("reset", "hang_up", "dribble")


def on_server(command: Callable[..., None]) -> Callable[..., None]:
    """Pass to `command` the sandbox that the options name, and report an error of the server in one line."""

    @wraps(command)
    def wrapped(url: str, token: str, sandbox: str, **values: Any) -> None:
        import requests

        from swapmock.mock_server.control import AdminError
        from swapmock.mock_server.emulator import RemoteEmulator

        try:
            with RemoteEmulator(url, token) as emulator:
                command(emulator.get(sandbox), **values)
        except AdminError as error:
            raise UsageError(_refusal(error.problem)) from None
        except requests.RequestException:
            raise UsageError(
                f"no emulator answers at {url}: start one by `swapmock serve`, or name it by --url"
            ) from None

    for option in (
        click.option("--sandbox", default="default", show_default=True, help="The sandbox to use."),
        click.option(
            "--token",
            envvar=variable("admin_token"),
            default="",
            show_envvar=True,
            help="Token of the admin API, if the server requires one.",
        ),
        click.option(
            "--url", envvar="SWAPMOCK_URL", default=DEFAULT_URL, show_default=True, show_envvar=True,
            help="Base URL of the running server.",
        ),
    ):  # fmt: skip
        wrapped = option(wrapped)
    return wrapped


def _refusal(problem: Mapping[str, Any]) -> str:
    """Return the error of the admin API, with each of the mistakes that it lists."""
    told = str(problem.get("detail") or problem)
    rows = (f"{row.get('pointer', '')} {row.get('detail', '')}".strip() for row in problem.get("errors", ()))
    return "; ".join([told, *(row for row in rows if row.replace(" ", ": ", 1) not in told)])


as_json = click.option("--json", "is_json", is_flag=True, help="Print the admin API's JSON.")


def _print_json(value: Any) -> None:
    say(json.dumps(value, indent=2, ensure_ascii=False))


@click.command()
@click.option(
    "-n",
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="How many requests to show: the last N.",
)
@click.option("--operation", help="Only this operationId.")
@click.option("--status", type=int, help="Only this HTTP status.")
@click.option("--unmatched", is_flag=True, help="Only requests that matched no operation.")
@as_json
@on_server
def requests(
    sandbox: Any, limit: int, operation: str | None, status: int | None, *, unmatched: bool, is_json: bool
) -> None:
    """List the last requests to the server, oldest first."""
    filters = {"operation": operation, "status": status, "unmatched": "1" if unmatched else None}
    rows = _last(sandbox, limit, filters)
    if is_json:
        _print_json(rows)
        return
    for row in rows:
        code = "" if row.get("code") in (None, row["status"]) else f"/{row['code']}"
        answer = f"{row['status']}{code}"
        say(
            printable(
                f"{row['id']:<6} {row['at_iso']}  {row['method']:<6} {row['target']}  {row['operation'] or 'unmatched'}  {answer}"
            )
        )


def _last(sandbox: Any, limit: int, filters: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the last `limit` requests: the admin API returns them in pages, oldest first."""
    rows: list[dict[str, Any]] = []
    after = None
    while page := sandbox.requests(**filters, limit=1000, after=after):
        rows = [*rows, *page][-limit:]
        after = page[-1]["number"]
    return rows


@click.command()
@click.argument("subject", required=False, metavar="[REQUEST|TASK|DELIVERY]")
@as_json
@on_server
def why(sandbox: Any, subject: str | None, *, is_json: bool) -> None:
    """Explain a request, task or delivery by its id; without one, the last request."""
    if subject is None:
        rows = _last(sandbox, 1, {})
        if not rows:
            raise UsageError("there is no request yet")
        subject = str(rows[-1]["id"])
    found = sandbox.why(subject)
    if is_json:
        _print_json(found)
        return
    say(printable(found["summary"]))
    for event in found["chain"]:
        say(printable(f"  {event['at_iso']}  {event['what']:<10}  {event['text']}"))


@click.command()
@click.argument("by", metavar="DURATION")
@as_json
@on_server
def advance(sandbox: Any, by: str, *, is_json: bool) -> None:
    """Move the clock of a sandbox on, such as by 65s, 10m or 1h, and do what falls due."""
    fired = sandbox.advance(by)
    if is_json:
        _print_json(fired)
        return
    for event in fired:
        say(printable("  ".join(f"{name}={value}" for name, value in event.items() if value not in (None, ""))))
    say(f"{len(fired)} event(s)")


@click.command()
@as_json
@on_server
def reset(sandbox: Any, *, is_json: bool) -> None:
    """Remove everything that happened in a sandbox; its options stay."""
    removed = sandbox.reset()
    if is_json:
        _print_json(removed)
    else:
        say("removed: " + (", ".join(f"{count} {name}" for name, count in removed.items() if count) or "nothing"))


@click.command()
@click.argument("scenario", required=False)
@click.option("--provider", help="Only tasks of this provider.")
@click.option("--model", help="Only tasks of this model or tool.")
@click.option("--times", type=click.IntRange(1), help="Number of tasks that get the scenario.")
@click.option("--code", help="Code of a failure.")
@click.option("--message", help="Message of a failure.")
@click.option("--clear", is_flag=True, help="Empty the queue instead.")
@as_json
@on_server
def queue(sandbox: Any, scenario: str | None, *, clear: bool, is_json: bool, code: str | None, **order: Any) -> None:
    """Queue a scenario for the next task; without one, show the queue."""
    if clear:
        sandbox.clear_queue()
    given = {name: value for name, value in order.items() if value is not None}
    if code is not None:
        given["code"] = int(code) if code.isascii() and code.isdecimal() and len(code) < 10 else code
    rows = sandbox.queue(scenario, **given) if scenario is not None else sandbox.queued()
    if is_json:
        _print_json(rows)
        return
    for row in rows:
        say(printable("  ".join(f"{name}={value}" for name, value in row.items() if value not in (None, ""))))
    say(f"{len(rows)} in the queue")


@click.command()
@click.argument("effect", required=False)
@click.option("--operation", help="Only calls of this operationId.")
@click.option("--nth", type=click.IntRange(1), help="Only the n-th of these calls.")
@click.option("--times", type=click.IntRange(1), help="Most calls to which the fault is applied.")
@click.option("--retry-after", type=click.FloatRange(0), help="Seconds for the header Retry-After.")
@click.option("--clear", is_flag=True, help="Delete every fault rule first.")
@as_json
@on_server
def fault(
    sandbox: Any,
    effect: str | None,
    operation: str | None,
    nth: int | None,
    times: int | None,
    retry_after: float | None,
    *,
    clear: bool,
    is_json: bool,
) -> None:
    """Add a fault rule; without EFFECT, show the rules.

    EFFECT is a body code such as 429, what happens to the connection (reset, hang_up, dribble), or the admin API's JSON such
    as '{"delay": 2}'.
    """
    if clear:
        sandbox.clear_faults()
    if effect is not None:
        match = {"operation": operation, "nth": nth}
        rule: dict[str, Any] = {"match": {name: value for name, value in match.items() if value is not None}}
        if times is not None:
            rule["times"] = times
        sandbox.add_fault(read_effect(effect, retry_after), **rule)
    rows = sandbox.faults()
    if is_json:
        _print_json(rows)
        return
    for row in rows:
        shown = {name: row[name] for name in ("id", "match", "effect", "times", "matched", "struck") if name in row}
        say(printable("  ".join(f"{name}={_plain(value)}" for name, value in shown.items())))
    say(f"{len(rows)} fault rule(s)")


def read_effect(text: str, retry_after: float | None = None) -> dict[str, Any]:
    """Return the effect for a code, a word or JSON. `retry_after` is in seconds. Raises UsageError for anything
    else."""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        effect: Any = {"code": int(text)}
    elif text.replace("-", "_") in CONNECTION_FAULTS:
        effect = {"connection": text.replace("-", "_")}
    else:
        try:
            effect = json.loads(text)
        except (ValueError, RecursionError):
            effect = None
        if not isinstance(effect, dict):
            raise UsageError(f"{text!r} is neither a code, nor {', '.join(CONNECTION_FAULTS)}, nor a JSON object")
    return effect if retry_after is None else {**effect, "retry_after": retry_after}


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
