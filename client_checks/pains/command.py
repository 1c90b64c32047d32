"""Implements `swapmock pain`: shows what careless clients cost, on an emulator in this process."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from swapmock.client_checks.pains.model import Cost, Result

COUNT = 10
NUMBERS = re.compile(r"(\d{1,2})(?:(?:\.\.|-)(\d{1,2}))?", re.ASCII)

#: Field of Cost -> the text of its line in the table.
ROWS = {
    "credits": "credits taken by the vendor",
    "returned": "credits reserved and given back",
    "tasks": "tasks paid",
    "requests": "requests sent",
    "refused": "requests refused",
    "minutes": "minutes until the client ended",
    "saved": "pictures saved",
    "broken": "broken files saved",
    "told_done": "times the end user was told 'done'",
    "user_paid": "paid by the end user (5 for a picture)",
}


def chosen(_: click.Context, option: click.Parameter, given: tuple[str, ...]) -> list[int]:
    """Convert the argument: `("3", "5..7")` to [3, 5, 6, 7], and `("all",)` to all numbers."""
    numbers: list[int] = []
    for text in given:
        match = NUMBERS.fullmatch("1..10" if text == "all" else text)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= COUNT:
            raise click.BadParameter(
                f"{text!r} is no number from 1 to {COUNT}, no range such as 1..3, and not `all`", param=option
            )
        numbers += range(first, last + 1)
    return list(dict.fromkeys(numbers))


@click.command()
@click.argument("numbers", nargs=-1, callback=chosen, metavar="[NUMBER | FIRST..LAST | all]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def pain(numbers: list[int], as_json: bool) -> None:
    """Show what a careless client costs: set-up, client, and its cost by the ledger.

    Without a NUMBER the ten pains are listed. Each is run twice over HTTP, by a careless and by a careful client, against an
    emulator in this process. Its clock is moved, so that nothing waits.
    """
    from swapmock.client_checks.pains import model

    # Some pains show callbacks that are not acknowledged; no warning is needed.
    logging.getLogger("swapmock").addHandler(logging.NullHandler())
    if not numbers:
        pains = {number: model.load(number) for number in range(1, COUNT + 1)}
        if as_json:
            click.echo(
                json.dumps(
                    [{"number": number, "title": one.TITLE, "rules": one.RULES} for number, one in pains.items()],
                    indent=2,
                )
            )
        else:
            click.echo("\n".join(f"{number:>2}  {one.TITLE}" for number, one in pains.items()))
            click.echo("\nswapmock pain 1 shows the first, swapmock pain all every one.")
        return
    results = model.play_all(numbers)
    if as_json:
        click.echo(json.dumps([result.document() for result in results], indent=2))
    else:
        for result in results:
            click.echo("\n".join(report_lines(result)))


def report_lines(result: Result) -> Iterator[str]:
    """Yield the lines about one pain."""
    one = result.pain
    yield click.style(f"{result.number}. {one.TITLE}", bold=True)
    yield f"   seen in: {one.SEEN}"
    yield from _part("set-up", one.SETUP)
    yield from _part("what a careless client does", one.CARELESS, code=result.careless.source)
    yield from _part("what a careful client does", "", code=result.careful.source)
    yield from _part("what it cost", verdict(result))
    yield from _table(result.careless.cost, result.careful.cost)
    yield from _part("the ledger of the careless client", "")
    for row in result.careless.entries:
        task = f" {row['task'][:8]}" if row["task"] else ""
        yield f"     {row['at_iso'][:19].replace('T', ' ')}  {row['move']:<8} {row['amount']:>5g}{task}"
    yield f"   rules: {', '.join(one.RULES)} (swapmock conform judges your own client by them)\n"


def verdict(result: Result) -> str:
    """Return one sentence: what the careless client paid without a result."""
    bad, good = result.careless.cost, result.careful.cost
    parts = []
    if result.wasted > 0:
        parts.append(f"{bad.credits:g} credits in place of {good.credits:g}")
    elif bad.credits and bad.saved < good.saved:
        parts.append(f"{bad.credits:g} credits for no picture")
    if bad.user_paid > good.user_paid:
        parts.append(f"the end user paid {bad.user_paid:g} in place of {good.user_paid:g}")
    elif bad.user_paid and not bad.saved:
        parts.append(f"the end user paid {bad.user_paid:g} for no picture")
    if bad.broken:
        parts.append("an error page was saved as a picture")
    if bad.requests > 10 * good.requests:
        refused = f", {bad.refused} of them refused" if bad.refused else ""
        parts.append(f"{bad.requests} requests in place of {good.requests}{refused}")
    if bad.minutes >= 60 and bad.minutes > 10 * good.minutes:
        parts.append(f"{bad.minutes:g} minutes in place of {good.minutes:g}")
    return "; ".join(parts) + "."


def _part(title: str, text: str, code: str = "") -> Iterator[str]:
    yield f"   {click.style(title, bold=True)}" + (f": {text}" if text else ":")
    for line in code.splitlines():
        yield f"     {line}".rstrip()


def _table(bad: Cost, good: Cost) -> Iterator[str]:
    yield f"     {'':<40}{'careless':>10}{'careful':>10}"
    for name, title in ROWS.items():
        first, second = getattr(bad, name), getattr(good, name)
        if first or second:
            yield f"     {title:<40}{first:>10g}{second:>10g}"
