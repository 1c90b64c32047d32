"""What the checks of a snapshot share: the snapshot itself, and the form of a report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from swapmock.mock_server.core.call import Digests
from swapmock.mock_server.core.callback_faults import CALLBACK_FAULTS, PlannedSend
from swapmock.mock_server.core.clock import END_OF_TIME
from swapmock.mock_server.core.seeded import text
from swapmock.mock_server.core.state import State
from swapmock.mock_server.core.task import Task
from swapmock.mock_server.engine.links import link_token

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine

#: The steps from the document, or from the checked part, to a value; and what is wrong with that value.
Inconsistency = tuple[tuple[str | int, ...], str]

#: The latest time in a sandbox: scheduled work may be due after the latest time that a clock can show.
LAST = END_OF_TIME + 86400.0 * 180


@dataclass(frozen=True)
class Snapshot:
    """The parts of a snapshot that the checks compare. `shown` is the sandbox time of the snapshot, `seed` the
    sandbox's seed, `sizes` the number of bytes of each file in the document, `digests` the digests of the files
    that have one. `is_current` says that this version wrote the document: an older version may have had other
    retry schedules."""

    state: State
    shown: float
    seed: int
    sizes: Mapping[str, int]
    engine: Engine
    is_current: bool = True
    digests: Mapping[str, Digests] = field(default_factory=dict)

    def plan(self, task: Task) -> tuple[PlannedSend, ...] | None:
        """Return the callbacks that are scheduled when `task` ends; None if the contract has no such callback fault."""
        row = self.engine.contracts[task.provider].behaviour.scenarios.get(task.scenario)
        return CALLBACK_FAULTS.get("" if row is None else row.delivery)

    @cached_property
    def forged(self) -> Mapping[str, Task]:
        """The tasks that do not exist and that forged callbacks report, by their ids."""
        found = [self._forged(task) for task in self.state.tasks.values() if self._has_forged_callback(task)]
        return {task.id: task for task in found}

    def _has_forged_callback(self, task: Task) -> bool:
        ended = task.callback_url is not None and task.provider in self.engine.providers and task.is_over(self.shown)
        return ended and any(planned.body == "forged" for planned in self.plan(task) or ())

    def _forged(self, task: Task) -> Task:
        return self.engine.providers[task.provider].forge(task, text("0123456789", 8, self.seed, "forged", task.id))

    @cached_property
    def links(self) -> Mapping[str, str]:
        """The token of the public links of every task, including forged ones -> the task's id."""
        tasks = (*self.state.tasks.values(), *self.forged.values())
        return {link_token(self.seed, task): task.id for task in tasks}

    def number(self, sequence: str) -> int:
        """Return the last number of a sequence."""
        return self.state.numbers.get(sequence, 0)

    def is_exchange(self, name: str) -> bool:
        """Return whether `name` is the id of an exchange of this sandbox. The journal may have dropped that
        exchange."""
        return 1 <= number_of(name, "x") <= self.number("exchange")

    def is_past(self, *moments: float | None) -> bool:
        """Return whether all times are between 1970 and the time of the snapshot."""
        return all(at is None or 0 <= at <= self.shown for at in moments)


def is_moment(*moments: float | None) -> bool:
    """Return whether all times are between 1970 and the latest time in a sandbox."""
    return all(at is None or 0 <= at <= LAST for at in moments)


def number_of(name: str, prefix: str) -> int:
    """Return the number in an id such as `x12`; 0 if `name` is not such an id."""
    found = re.fullmatch(rf"{prefix}([1-9]\d{{0,14}})", name, re.ASCII)
    return 0 if found is None else int(found[1])


def quoted(name: str) -> str:
    """Return a name for a sentence: quoted, and cut if it is long."""
    return repr(name[:60])
