"""The results as a page of tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.speed import WORKLOADS, Seen

OURS = "swapmock"
#: The peer that answers all of a contract.
WHOLE_PEER = "Prism"
#: The server with an empty application: with our protocol class, and without.
BARE = ("constant bytes, same server", "constant bytes, plain uvicorn")


@dataclass(frozen=True)
class Results:
    seen: Mapping[str, Seen]
    left_out: Mapping[str, str]
    inside: Mapping[str, Any]
    rounds: int
    seconds: int
    machine: str


def text(results: Results) -> str:
    parts = [
        "# Measured speed",
        _how(results),
        "## Requests",
        _requests(results),
        "## Other requests",
        _others(results),
        "## Start and memory",
        _resources(results),
    ]
    if results.inside:
        parts += ["## From within", _inside(results.inside), "## Goals", _goals(results)]
    parts.append("What is not reached, and why: [README.md](README.md).")
    return "\n\n".join(parts) + "\n"


def _how(results: Results) -> str:
    stolen = [share for seen in results.seen.values() for share in seen.stolen]
    left_out = "; ".join(f"{name}: {why or 'not asked for'}" for name, why in results.left_out.items())
    return (
        f"Written by `make bench`. {results.machine}. {results.rounds} rounds of {results.seconds} s a load, every "
        f"server started afresh in each, in shuffled order; medians. The machine is shared: the hypervisor took "
        f"{min(stolen):.0%} to {max(stolen):.0%} of the time, so that only ratios within a run say something, and CPU time "
        f"a request says more than requests a second. Left out: {left_out or 'nothing'}."
    )


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _requests(results: Results) -> str:
    """One row for each server and workload."""
    rows = []
    for name, connections in WORKLOADS:
        for server, seen in results.seen.items():
            loads = seen.loads[name, connections]
            rows.append((
                f"{name}, {connections}", server,
                f"{median(each.per_second for each in loads):,.0f}",
                f"{median(each.cpu_us for each in loads):.0f}",
                f"{median(each.p50_ms for each in loads):.2f}",
                f"{median(each.p99_ms for each in loads):.1f}",
                f"{ratio(results, server, name, connections, lambda each: each.cpu_us):.2f}",
                f"{1 / ratio(results, server, name, connections, lambda each: each.per_second):.2f}",
            ))  # fmt: skip
    head = (
        "workload, connections",
        "server",
        "requests/s",
        "CPU us/request",
        "p50 ms",
        "p99 ms",
        "its CPU / ours",
        "our req/s / its",
    )
    note = "W1 creates a task (key, validation, ledger, journal), W2 polls a finished one. Peers answer fixed examples."
    return f"{note}\n\n{table(head, rows)}"


def _others(results: Results) -> str:
    """One row for each kind of request."""
    ours, peer = results.seen[OURS].others, results.seen[WHOLE_PEER].others if WHOLE_PEER in results.seen else {}
    rows = []
    for kind, loads in ours.items():
        cpu = median(each.cpu_us for each in loads)
        theirs = median(each.cpu_us for each in peer[kind]) if kind in peer else 0.0
        rows.append((
            kind,
            f"{median(each.per_second for each in loads):,.0f}",
            f"{cpu:.0f}",
            f"{median(each.p99_ms for each in loads):.1f}",
            f"{theirs:.0f}" if theirs else "",
            f"{theirs / cpu:.1f}" if theirs else "",
        ))  # fmt: skip
    head = ("request", "requests/s", "CPU us/request", "p99 ms", f"{WHOLE_PEER}: CPU us", "its CPU / ours")
    return f"At 32 connections.\n\n{table(head, rows)}"


def ratio(results: Results, server: str, name: str, connections: int, of: Callable[[Any], float]) -> float:
    """A server's figure over ours, the median over rounds."""
    ours, theirs = (results.seen[which].loads[name, connections] for which in (OURS, server))
    return median(of(their) / of(our) for our, their in zip(ours, theirs, strict=True))


def _resources(results: Results) -> str:
    rows = [
        (server, f"{median(seen.cold_s):.2f}", f"{median(seen.start_mb):.0f}", f"{median(seen.loaded_mb):.0f}")
        for server, seen in results.seen.items()
    ]
    return table(("server", "start to first answer, s", "MB at start", "MB after the loads"), rows)


def _inside(inside: Mapping[str, Any]) -> str:
    names = sorted({stage for row in inside["stages"].values() for stage in row}, key=_order(inside["stages"]["W1"]))
    stages = table(
        ("stage", "W1 us", "W2 us"),
        ((stage, *(f"{inside['stages'][load].get(stage, 0.0):.1f}" for load in ("W1", "W2"))) for stage in names),
    )
    growth = table(
        ("stored tasks", *(f"{int(size):,}" for size in inside["growth"])),
        [("us a poll", *(f"{cost:.1f}" for cost in inside["growth"].values()))],
    )
    start, after = inside["tasks_mb"]
    boxes = inside["sandboxes"]
    return (
        f"{stages}\n\nStages are timed one by one, which costs by itself; the whole is timed undisturbed.\n\n{growth}\n\n"
        f"A settled task takes {inside['memory']:.0f} bytes, its journal bounded. The server takes {start:.0f} MB at its "
        f"start and {after:.0f} MB after 100,000 tasks. 1,000 sandboxes over HTTP: created in {boxes['created']:.2f} s, "
        f"used (a create and a poll each) in {boxes['used']:.2f} s, dropped in {boxes['dropped']:.2f} s."
    )


def _order(row: Mapping[str, float]) -> Callable[[str], int]:
    names = list(row)
    return lambda name: names.index(name) if name in names else len(names)


def _goals(results: Results) -> str:
    """Each goal, the measured value, and whether it reaches the goal."""
    rows: list[tuple[str, str, str, str]] = []

    def goal(what: str, wanted: str, value: float, reached: bool) -> None:
        rows.append((what, wanted, f"{value:.2f}", "yes" if reached else "no"))

    for peer, least in (("Prism", 8.0), ("WireMock", 5.0), ("MockServer", 5.0)):
        if peer in results.seen:
            for name in ("W1", "W2"):
                by_cpu = ratio(results, peer, name, 32, lambda each: each.cpu_us)
                goal(f"{name} against {peer}, by CPU", f">= {least:g}", by_cpu, by_cpu >= least)
                by_rate = 1 / ratio(results, peer, name, 32, lambda each: each.per_second)
                goal(f"{name} against {peer}, by requests/s", f">= {least:g}", by_rate, by_rate >= least)
    for bare in BARE:
        for name in ("W1", "W2") if bare in results.seen else ():
            share = ratio(results, bare, name, 32, lambda each: each.cpu_us)
            goal(f"{name} against {bare}, by CPU", ">= 0.5", share, share >= 0.5)
    if "Prism" in results.seen:
        ours, prism = results.seen[OURS], results.seen["Prism"]
        cold = median(ours.cold_s) / median(prism.cold_s)
        goal("cold start against Prism", "<= 0.2", cold, cold <= 0.2)
        start = median(ours.start_mb) / median(prism.start_mb)
        goal("memory at start against Prism", "<= 0.5", start, start <= 0.5)
        for name in ("W1", "W2"):
            p99 = 1 / ratio(results, "Prism", name, 32, lambda each: each.p99_ms)
            goal(f"p99 of {name} at 32 connections against Prism", "<= 0.15", p99, p99 <= 0.15)
    costs = list(results.inside["growth"].values())
    spread = max(costs) / min(costs)
    goal("poll cost over the number of stored tasks, most / least", "<= 1.1", spread, spread <= 1.1)
    goal("memory a settled task, KB", "<= 1.5", results.inside["memory"] / 1024, results.inside["memory"] <= 1536)
    boxes = results.inside["sandboxes"]["together"]
    goal("1,000 sandboxes created, used and dropped, s", "<= 5", boxes, boxes <= 5)
    return table(("goal", "wanted", "seen", "reached"), rows)
