"""Terminal output of a run: the plan, the progress, and the findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from swapmock.client_checks.conformance.budget import Budget
from swapmock.client_checks.conformance.findings import Finding, Grade
from swapmock.client_checks.conformance.plan import Item, beyond
from swapmock.client_checks.conformance.run import Progress as Report
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.conformance.target import Target
from swapmock.client_checks.report.document import ordered


def show_plan(console: Console, target: Target, items: Sequence[Item], budget: Budget) -> None:
    """Print on `console` what will be sent to `target`, its cost by the contract's list prices, and which `items`
    the `budget` will leave out."""
    table = Table(title=f"plan for {target.name}", title_justify="left", box=None)
    for name in ("part", "least calls", "credits", "within the limits"):
        table.add_column(name, justify="right" if name in ("least calls", "credits") else "left")
    left_out = beyond(items, budget)
    for item in items:
        fits = "no, it is left out" if item.name in left_out else "as far as they go" if item.calls is None else "yes"
        table.add_row(escape(item.name), "-" if item.calls is None else str(item.calls), f"{item.credits:g}", fits)
    console.print(table)
    console.print(
        f"estimated cost {sum(item.credits for item in items):g} credits by the contract's list prices, "
        f"at least {sum(item.calls or 0 for item in items)} calls"
    )
    if left_out:
        console.print(f"will be left out under the limits: {escape(', '.join(left_out))}")


@contextmanager
def progress(console: Console, target: Target, budget: Budget) -> Iterator[Report]:
    """Yield a function that shows the progress of `target` on `console`, with the calls and credits so far from
    `budget`: one changing line on a terminal, else one line for each part."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(target.name, total=None)

        def report(part: str, what: str) -> None:
            spent = f", {budget.spent:g} credits" if target.is_live else ""
            line = f"{target.provider}: {part} {what}".rstrip() + f" ({budget.calls} calls{spent} so far)"
            if console.is_terminal:
                bar.update(task, description=escape(line))
            else:
                console.print(escape(line), highlight=False, soft_wrap=True)

        yield report


def show(console: Console, result: RunResult) -> None:
    """Print the result of a run."""
    strict = result.options.strict
    for finding in ordered(result):
        _show_finding(console, finding, finding.grade(strict))
    console.print(_operations(result))
    console.print(_codes(result))
    for what, why in result.left_out.items():
        console.print(f"left out: {escape(what)}: {escape(why)}")
    unexercised = [name for name, count in result.examined.items() if not count]
    if unexercised:
        console.print(f"checks that met nothing to judge: {', '.join(unexercised)}")
    spent = f", {result.spent:g} credits spent" if result.target.is_live else ""
    verdict = {0: "clean", 1: "findings", 2: "could not be judged"}[result.exit_code]
    if result.aborted:
        verdict = f"not finished ({escape(result.aborted)})"
    console.print(
        f"[bold]{escape(result.target.name)}: {verdict}[/]: {len(result.failing)} failing, "
        f"{len(result.warnings)} warnings; {result.calls} calls{spent}, seed {result.options.seed}"
    )


def _show_finding(console: Console, finding: Finding, grade: Grade) -> None:
    colour = {Grade.FAIL: "red", Grade.WARN: "yellow", Grade.KNOWN: "blue"}[grade]
    where = " ".join(filter(None, [finding.operation, finding.place]))
    console.print(f"[bold {colour}]{grade.value.upper()}[/] {finding.id} {escape(finding.title)}: {escape(where)}")
    told = {
        "expected": f"{finding.expected} [{finding.level}: {finding.source}]",
        "got": finding.got,
        "where": f"{finding.where}, {finding.count} time(s)"
        + (f", exchange {finding.exchange}" if finding.exchange else ""),
        "known": finding.known,
        "repeat": (finding.repeat or finding.curl).replace("\n", "\n           "),
    }
    for name, text in told.items():
        if text:
            console.print(f"  {name:<9}{escape(text)}", highlight=False, soft_wrap=True)


def _operations(result: RunResult) -> Table:
    table = Table(title="operations", title_justify="left", box=None)
    for name in ("operation", "calls", "succeeded", "HTTP statuses", "body codes"):
        table.add_column(name)
    for row in result.coverage.operations:
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(row.statuses.items()))
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(row.codes.items()))
        table.add_row(row.operation, str(row.calls), str(row.succeeded), escape(statuses), escape(codes))
    return table


def _codes(result: RunResult) -> Table:
    table = Table(title="body codes", title_justify="left", box=None)
    for name in ("code", "name", "seen"):
        table.add_column(name)
    for code, name, seen in result.coverage.codes:
        table.add_row(escape(code), name, str(seen) if seen else "not seen")
    return table
