"""Changes that a user accepts: patterns on the command line, or lines of a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from swapmock.client_checks.compat.change import Change
from swapmock.client_checks.compat.source import Unreadable


@dataclass(frozen=True)
class Accepted:
    """A pattern for changes, matched against `AREA PLACE: WHAT` and against `AREA PLACE`; `*` matches anything."""

    pattern: str
    where: str

    def fits(self, change: Change) -> bool:
        """Return whether the pattern matches `change`."""
        short = f"{change.area} {change.place}"
        return fnmatchcase(short, self.pattern) or fnmatchcase(f"{short}: {change.what}", self.pattern)


def accepted(patterns: Sequence[str], file: Path | None) -> list[Accepted]:
    """Return the patterns of the command line and of a file: one in each line, `#` begins a comment. Raises
    Unreadable with the file's name."""
    found = [Accepted(pattern, "--ignore") for pattern in patterns]
    if file is not None:
        try:
            lines = file.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise Unreadable(f"--ignore-file: cannot read {file}: {error}") from None
        for number, line in enumerate(lines, 1):
            pattern = line.partition("#")[0].strip()
            if pattern:
                found.append(Accepted(pattern, f"{file}:{number}"))
    return found


def without(
    changes: Sequence[Change], patterns: Sequence[Accepted]
) -> tuple[list[Change], list[Change], list[Accepted]]:
    """Return the changes that remain, those that were accepted, and the patterns that match none."""
    left = [change for change in changes if not any(one.fits(change) for one in patterns)]
    ignored = [change for change in changes if change not in left]
    unused = [one for one in patterns if not any(one.fits(change) for change in changes)]
    return left, ignored, unused
