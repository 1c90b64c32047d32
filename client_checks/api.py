"""`from swapmock import check`: the checks of servers in Python, and in pytest as parametrised tests."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from swapmock.client_checks.conformance.command import DEFAULTS, check_target
from swapmock.client_checks.conformance.coverage import Coverage
from swapmock.client_checks.conformance.findings import Finding
from swapmock.client_checks.conformance.run import RunResult
from swapmock.client_checks.report.cases import Case, cases_of
from swapmock.client_checks.report.document import document, exit_code

__all__ = ["CheckFailed", "CheckReport", "check"]


class CheckFailed(AssertionError):
    """A case or a report has failing findings; the text has them in full."""


@dataclass(frozen=True)
class CheckCase:
    """One case of a run: a check on an operation, a flow, or a part that was left out. `str()` of it is the id of a
    test."""

    provider: str
    case: Case

    def __str__(self) -> str:
        return f"{self.provider}.{self.case.group}-{self.case.name}".replace(" ", "_")

    @property
    def status(self) -> str:
        """`passed`, `failed` or `skipped`."""
        return self.case.status

    @property
    def reason(self) -> str:
        """Why the case failed or was skipped; "" if it passed."""
        return self.case.details or self.case.message

    def assert_passed(self) -> None:
        """Raise CheckFailed if the case failed."""
        if self.case.status == "failed":
            raise CheckFailed(self.case.details)


@dataclass(frozen=True)
class CheckReport:
    """The result of a run. `results` has one entry for each provider."""

    results: Sequence[RunResult]

    @property
    def exit_code(self) -> int:
        """0 clean, 1 findings, 2 could not be judged; the same as the command's exit code."""
        return exit_code(self.results)

    @property
    def is_clean(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0

    @property
    def findings(self) -> list[Finding]:
        """Every finding, including those that only warn."""
        return [finding for result in self.results for finding in result.findings]

    @property
    def failing(self) -> list[Finding]:
        """The findings that fail."""
        return [finding for result in self.results for finding in result.failing]

    @property
    def coverage(self) -> Mapping[str, Coverage]:
        """The coverage of the contract, by provider."""
        return {result.target.provider: result.coverage for result in self.results}

    @property
    def spent(self) -> float:
        """Credits spent on live targets."""
        return sum(result.spent for result in self.results if result.target.is_live)

    @property
    def cases(self) -> list[CheckCase]:
        """The cases, for `pytest.mark.parametrize("case", report.cases, ids=str)`."""
        return [CheckCase(result.target.provider, case) for result in self.results for case in cases_of(result)]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON report."""
        return document(self.results)

    def assert_clean(self) -> None:
        """Raise CheckFailed with every failing finding, unless the run is clean."""
        if not self.is_clean:
            raise CheckFailed("\n\n".join(self._failures()) or "nothing was seen that could be judged")

    def _failures(self) -> Iterator[str]:
        for case in self.cases:
            if case.status == "failed":
                yield f"{case}\n{case.reason}"


def check(target: str = "emulator", **options: Any) -> CheckReport:
    """Check a server against its contract: `check("emulator", provider="crun", parts=("flows",)).assert_clean()`.

    `target` is `emulator` or a base URL. `options` are those of the command with underscores: `provider`,
    `variants` (`{"crun": {"http_status": "always200"}}`), `parts`, `operations`, `max_examples`, `seed`,
    `strict`, `read_only`, `live`, `max_credits`, `max_calls`, `rate`, `media`, `allow_partial` and so on. A live
    target needs both limits; the function asks no question before it sends. Credentials come from the
    environment, as for the command.

    Raises TypeError for an unknown option, and `swapmock.client_checks.conformance.target.CannotRun` if nothing
    could be checked."""
    unknown = [name for name in options if name not in DEFAULTS]
    if unknown:
        raise TypeError(f"check() has no option {unknown[0]!r}; there are {', '.join(sorted(DEFAULTS))}")
    return CheckReport(check_target(target, options, os.environ))
