"""The output of the commands. It also works if no program reads it, and if a text contains control characters."""

from __future__ import annotations

import os
import sys

import click

from swapmock.mock_server.adapters.logs import CONTROLS


class UsageError(click.ClickException):
    """A mistake that the user can correct: one line on stderr, exit status 2."""

    exit_code = 2


def printable(text: str) -> str:
    """Return `text` with every control character except the line feed as an escape sequence."""
    shown = "\n".join(line.translate(CONTROLS) for line in text.split("\n"))
    return shown.encode("utf-8", "backslashreplace").decode()


def say(text: str) -> None:
    """Print `text`. A server continues to serve if no program reads its output any more."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        silence()


def silence() -> None:
    """Discard what stdout still holds and all that follows, also at the end of the interpreter."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
