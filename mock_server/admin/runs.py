"""Runs of `swapmock conform` and `swapmock check`, as those commands report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swapmock.mock_server.admin.wire import not_found
from swapmock.mock_server.core.call import Call, Problem, Reply
from swapmock.mock_server.core.runs import LONGEST_RUN, Run
from swapmock.mock_server.core.timetext import format_timestamp

if TYPE_CHECKING:
    from swapmock.mock_server.engine.engine import Engine


def run_row(run: Run, own_url: str) -> dict[str, Any]:
    """Return a run as lists show it, without its report."""
    return {
        "id": run.id,
        "at": run.at,
        "at_iso": format_timestamp(run.at),
        "kind": run.kind,
        "url": f"{own_url}/__admin/runs/{run.id}",
    }


def list_runs(call: Call, engine: Engine) -> Reply:
    """Return all runs."""
    return Reply({"runs": [run_row(run, call.own_url) for run in engine.store.runs()]})


def add_run(call: Call, engine: Engine) -> Reply:
    """Store the report of a run."""
    if len(call.raw) > LONGEST_RUN:
        raise Problem("too_large", message=f"the report of a run may have at most {LONGEST_RUN} bytes")
    run = engine.store.add_run(engine.time.now(), call.body["kind"], call.body["report"])
    return Reply(run_row(run, call.own_url), status=201)


def get_run(call: Call, engine: Engine) -> Reply:
    """Return one run with its report."""
    run = run_named(call.params["run"], engine)
    return Reply({**run_row(run, call.own_url), "report": run.document})


def run_named(name: str, engine: Engine) -> Run:
    """Return the run with this id. Raises Problem `not_found`."""
    for run in engine.store.runs():
        if run.id == name:
            return run
    raise not_found("run", name)
