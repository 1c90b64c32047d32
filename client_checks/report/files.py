"""The report files of a run: opened before the first call, written at its end, however it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.target import CannotRun
from swapmock.client_checks.report.ctrf import ctrf
from swapmock.client_checks.report.document import document
from swapmock.client_checks.report.har import har
from swapmock.client_checks.report.junit import junit
from swapmock.client_checks.report.page import page

Render = Callable[[Any], str]

#: The option of each report, and the function that makes its text.
RENDERERS: Mapping[str, Render] = {
    "json_file": lambda results: as_json(document(results)),
    "junit_file": lambda results: junit(results),
    "html_file": lambda results: page(document(results)),
    "har_file": lambda results: har([one for result in results for one in result.exchanges]),
    "ctrf_file": lambda results: as_json(ctrf(results)),
}


def as_json(value: Any) -> str:
    """Return `value` as JSON text."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


@dataclass
class ReportFiles:
    """The files that a user named, by option; `renderers` maps an option to the function that makes the text. `open` makes
    sure that each file can be written; `write` writes them."""

    given: Mapping[str, Path | None]
    renderers: Mapping[str, Render] = field(default_factory=lambda: RENDERERS)
    problems: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Create every file and its folder. Raises CannotRun with the first file that cannot be written."""
        for _, path in self._wanted():
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.open("a", encoding="utf-8").close()
            except OSError as error:
                raise CannotRun(f"cannot write {path}: {error.strerror}") from None

    def write(self, results: Any) -> None:
        """Write every file from `results`, which the renderers take; an error in one does not stop the others. `problems`
        says what failed."""
        for option, path in self._wanted():
            self._write(path, partial(self.renderers[option], results))

    def link(self, results: Any, inspector: str) -> None:
        """Write the HTML file again, with a link to `inspector`, the inspector's page about the run."""
        path = self.given.get("html_file")
        if path is not None and inspector:
            self._write(Path(path), lambda: page(document(results), inspector))

    def _write(self, path: Path, render: Callable[[], str]) -> None:
        try:
            path.write_text(render(), "utf-8", errors="backslashreplace")
        except OSError as error:
            self.problems.append(f"cannot write {path}: {error.strerror}")
        except Exception as error:  # an error in one report must not prevent the others
            self.problems.append(f"cannot make {path}: {type(error).__name__}: {error}")

    def _wanted(self) -> list[tuple[str, Path]]:
        return [(option, Path(path)) for option in self.renderers if (path := self.given.get(option)) is not None]
