"""What a server answered to a list of flows: taken from a run and stored in a file, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.run import Progress, Run
from swapmock.client_checks.conformance.strict_json import parsed
from swapmock.client_checks.conformance.target import CannotRun
from swapmock.contracts import Contract

FORMAT = "swapmock-recording/1"


class NoRecording(Exception):
    """A file is not a recording. The text is one line for the user."""


@dataclass(frozen=True)
class Answer:
    """One call of a flow. `at` is in seconds since the flow began. `body` is parsed JSON, None for anything else."""

    operation: str
    method: str
    path: str
    at: float
    status: int | None
    kind: str
    body: Any


@dataclass(frozen=True)
class Recording:
    """The answers of each flow. `left_out` maps flows that did not end to the reason. Of these, `broken` are the
    flows in which the server made a mistake; the others were cut off by a limit or do not apply to this target.
    `calls` and `spent` (credits) are what the recording took. `aborted` says why it ended early, or is "". `is_live` says
    that the target was a live one."""

    provider: str
    base_url: str
    values: Mapping[str, Any]
    flows: Mapping[str, Sequence[Answer]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    spent: float = 0.0
    aborted: str = ""
    is_live: bool = False

    def text(self) -> str:
        """The recording as the text of a file."""
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n"

    def write(self, path: Path) -> None:
        """Write the recording as JSON to `path`."""
        path.write_text(self.text(), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Return the recording in a file. Raises NoRecording if the file cannot be read or is something else."""
        try:
            document = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise NoRecording(f"cannot read {path}: {error.strerror}") from None
        except ValueError:
            raise NoRecording(f"{path} is no recording: not JSON") from None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise NoRecording(f"{path} is no recording: its format is not {FORMAT}")
        try:
            flows = {name: [Answer(**row) for row in rows] for name, rows in document["flows"].items()}
            return cls(
                document["provider"],
                document["base_url"],
                document["values"],
                flows,
                document["left_out"],
                document.get("broken", {}),
                document.get("calls", 0),
                document.get("spent", 0.0),
                document.get("aborted", ""),
                document.get("is_live", False),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NoRecording(f"{path} is no recording: {error}") from None


def record(run: Run, flows: Sequence[Mapping[str, Any]], progress: Progress = lambda *_: None) -> Recording:
    """Run `flows` and return the answers. The exchanges of a run contain no secrets. `progress` is called before each
    flow. An interruption or an error of ours ends the recording early; its answers so far are kept. Raises CannotRun if
    the target cannot be reached at all."""
    kept: dict[str, list[Answer]] = {}
    aborted = ""
    for flow in flows:
        first = len(run.sender.exchanges)
        progress("flows", flow["name"])
        try:
            run.runner.run(flow)
        except CannotRun:
            raise
        except KeyboardInterrupt as stop:
            aborted = f"interrupted{f': {stop}' if str(stop) else ''}"
        except Exception as error:  # after any error of ours, the spent credits must still be reported
            aborted = f"a mistake of swapmock's own: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        origin = f"flow {flow['name']}"
        mine = [exchange for exchange in run.sender.exchanges[first:] if exchange.origin == origin]
        kept[flow["name"]] = [_answer(run.target.contract, exchange, mine[0].at) for exchange in mine]
        if aborted:
            break
    completed = {name.removeprefix("flow ") for name in run.runner.completed}
    broken = {name.removeprefix("flow "): why for name, why in run.runner.broken.items()}
    left_out = {
        flow["name"]: broken.get(flow["name"])
        or run.budget.left_out.get(f"flow {flow['name']}", aborted or "it did not come to its end")
        for flow in flows
        if flow["name"] not in completed
    }
    return Recording(
        run.target.provider, run.target.base_url, dict(run.runner.values), kept, left_out, broken, run.budget.calls,
        run.budget.spent if run.target.is_live else 0.0, aborted, run.target.is_live,
    )  # fmt: skip


def _answer(contract: Contract, exchange: Exchange, start: float) -> Answer:
    """Return one call in the form of a recording. Calls of files are named "download" on every server, because a
    vendor's files are on hosts that are not in the contract."""
    operation = contract.operations.get(exchange.operation)
    kind = (exchange.header("Content-Type") or "").split(";")[0].strip().lower()
    return Answer(
        operation="download" if operation is None or operation.files else operation.id,
        method=exchange.method,
        path=exchange.path,
        at=round(exchange.at - start, 3),
        status=exchange.status,
        kind=kind,
        body=parsed(exchange.answer) if "json" in kind else None,
    )
