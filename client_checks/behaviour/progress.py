"""Shows the progress of cases: a bar on a terminal, lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

import click

from swapmock.client_checks.behaviour.conditions import Condition
from swapmock.client_checks.behaviour.runner import TIMEOUTS
from swapmock.client_checks.behaviour.trial import Trial

WIDTH = 30


class Progress:
    """Shows the plan and each case on stderr."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._is_terminal = self._stream.isatty()

    def planned(self, trial: Trial, chosen: Sequence[Condition]) -> None:
        """Show how many cases are run, how many of them in real time, and how many do not apply."""
        coupling, cases = trial.coupling, len(chosen) + 1
        if coupling.kind == "scaled":
            how = f"{cases} scaled x{coupling.rate:g} (libfaketime), 0 in real time"
        elif coupling.kind == "real":
            how = (
                f"0 scaled, {cases} in real time, {TIMEOUTS['real']:g} s each at most unless the case delays an answer"
            )
        else:
            how = f"{cases} {coupling.kind}, the client in real time"
        self._say(f"{trial.provider}: {cases} cases: {how}; {len(trial.left_out)} do not apply")
        for note in trial.notes:
            self._say(f"note: {note}")

    def told(self, name: str, done: int, of: int) -> None:
        """Show that a case is done."""
        if not self._is_terminal:
            self._say(f"[{done}/{of}] {name}")
            return
        filled = WIDTH * done // max(of, 1)
        bar = "#" * filled + "." * (WIDTH - filled)
        click.echo(f"\r[{bar}] {done}/{of} {name:<28.28}", nl=done == of, file=self._stream)

    def _say(self, text: str) -> None:
        click.echo(text, file=self._stream)
