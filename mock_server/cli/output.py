"""What the commands print, also when nobody reads it and when a text holds control characters."""

from __future__ import annotations

import os
import sys

import click

from swapmock.mock_server.adapters.logs import CONTROLS


class UsageError(click.ClickException):
    """A mistake that the user can correct: one line on stderr, exit status 2."""

    exit_code = 2


def printable(text: str) -> str:
    """`text` with every control character but the line feed shown as an escape sequence."""
    shown = "\n".join(line.translate(CONTROLS) for line in text.split("\n"))
    return shown.encode("utf-8", "backslashreplace").decode()


def say(text: str) -> None:
    """Print `text`. A server goes on serving when nobody reads its output any more."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))
    except BrokenPipeError:
        silence()


def silence() -> None:
    """Send what stdout still holds, and all that follows, to nowhere, also at the end of the interpreter."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
