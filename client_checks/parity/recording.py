"""What a server answered to a list of flows: taken from a run and stored in a file, without secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from swapmock.client_checks.conformance.exchange import Exchange
from swapmock.client_checks.conformance.run import Run
from swapmock.client_checks.conformance.strict_json import parsed
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
    flows in which the server made a mistake; the others were cut off by a limit or do not apply to this target."""

    provider: str
    base_url: str
    values: Mapping[str, Any]
    flows: Mapping[str, Sequence[Answer]]
    left_out: Mapping[str, str] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the recording as JSON to `path`."""
        document = {"format": FORMAT, **asdict(self)}
        path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")

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
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise NoRecording(f"{path} is no recording: {error}") from None


def record(run: Run, flows: Sequence[Mapping[str, Any]]) -> Recording:
    """Run `flows` and return the answers. The exchanges of a run contain no secrets."""
    kept: dict[str, list[Answer]] = {}
    for flow in flows:
        first = len(run.sender.exchanges)
        run.runner.run(flow)
        origin = f"flow {flow['name']}"
        mine = [exchange for exchange in run.sender.exchanges[first:] if exchange.origin == origin]
        kept[flow["name"]] = [_answer(run.target.contract, exchange, mine[0].at) for exchange in mine]
    completed = {name.removeprefix("flow ") for name in run.runner.completed}
    broken = {name.removeprefix("flow "): why for name, why in run.runner.broken.items()}
    left_out = {
        flow["name"]: broken.get(flow["name"])
        or run.budget.left_out.get(f"flow {flow['name']}", "it did not come to its end")
        for flow in flows
        if flow["name"] not in completed
    }
    return Recording(run.target.provider, run.target.base_url, dict(run.runner.values), kept, left_out, broken)


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
