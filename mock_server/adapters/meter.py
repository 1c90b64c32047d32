"""Counts what a process does, and writes the counts for Prometheus (with prometheus-client, which is imported at the
first use)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import Any

#: The upper bounds of the latency buckets, in seconds.
BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


#: The most combinations of labels of one count. The contracts have fewer, but a fault may answer with any code.
MOST_LABELS = 5000


class Meter:
    """Counts since the start of the process. Beyond MOST_LABELS, a new code counts as `other`."""

    def __init__(self) -> None:
        self._lock = Lock()
        #: The number of requests in each bucket, and the sum of their seconds.
        self._answers: dict[tuple[str, str, str], list[float]] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._drift: dict[tuple[str, str], int] = {}
        self._lag = self._longest_lag = self._longest_hold = 0.0

    def answered(self, provider: str, operation: str, code: str, seconds: float) -> None:
        """Count an answer with a body code, or with the HTTP status if there is none. It took `seconds`."""
        counted = (provider, operation, code)
        with self._lock:
            row = self._answers.get(counted)
            if row is None:
                if len(self._answers) >= MOST_LABELS:
                    counted = (provider, operation, "other")
                row = self._answers.setdefault(counted, [0.0] * (len(BOUNDS) + 2))
            row[bisect_left(BOUNDS, seconds)] += 1
            row[-1] += seconds

    def attempted(self, provider: str, outcome: str) -> None:
        """Count an attempt to send a callback, by the resulting state of the delivery."""
        with self._lock:
            self._attempts[provider, outcome] = self._attempts.get((provider, outcome), 0) + 1

    def drifted(self, provider: str, operation: str) -> None:
        """Count an answer or a callback of the emulator that broke the contract."""
        with self._lock:
            self._drift[provider, operation] = self._drift.get((provider, operation), 0) + 1

    def lagged(self, seconds: float) -> None:
        """Note by how many seconds the server's event loop was late at its last tick."""
        self._lag = seconds
        self._longest_lag = max(self._longest_lag, seconds)

    def held(self, seconds: float) -> None:
        """Note for how many seconds a sandbox was open."""
        self._longest_hold = max(self._longest_hold, seconds)

    def text(self, tasks: Mapping[tuple[str, str, str], int], sandboxes: int) -> str:
        """Return all counts as text, with the tasks by (provider, kind, phase) and the number of sandboxes, which
        are not counted here."""
        from prometheus_client import CollectorRegistry, generate_latest

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self, tasks, sandboxes))
        return generate_latest(registry).decode()

    def families(self, tasks: Mapping[tuple[str, str, str], int], sandboxes: int) -> Iterator[Any]:
        """Yield the metrics in the form of prometheus-client."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        with self._lock:
            rows = {labels: list(row) for labels, row in self._answers.items()}
            attempts, drift = dict(self._attempts), dict(self._drift)
        answers = {labels: sum(row[:-1]) for labels, row in rows.items()}
        seconds: dict[tuple[str, str], list[float]] = {}
        for (provider, operation, _), row in rows.items():
            added = seconds.get((provider, operation), [0.0] * len(row))
            seconds[provider, operation] = [one + other for one, other in zip(added, row, strict=True)]
        named: tuple[tuple[Any, str, str, tuple[str, ...], Mapping[Any, float]], ...] = (
            (CounterMetricFamily, "swapmock_requests", "Answers by operation and body code.", ("provider", "operation", "code"), answers),
            (CounterMetricFamily, "swapmock_deliveries", "Attempts to deliver a callback by what came of them.", ("provider", "outcome"), attempts),
            (CounterMetricFamily, "swapmock_drift", "Answers of ours that broke the contract.", ("provider", "operation"), drift),
            (GaugeMetricFamily, "swapmock_tasks", "Tasks by phase.", ("provider", "kind", "phase"), tasks),
        )  # fmt: skip
        for make, name, about, labels, values in named:
            family = make(name, about, labels=labels)
            for key, value in values.items():
                family.add_metric(key, value)
            yield family
        yield GaugeMetricFamily("swapmock_sandboxes", "Sandboxes that exist.", value=sandboxes)
        yield GaugeMetricFamily(
            "swapmock_loop_lag_seconds", "By how much the event loop was late at its last tick.", value=self._lag
        )
        yield GaugeMetricFamily(
            "swapmock_loop_lag_longest_seconds", "The longest lag since the start.", value=self._longest_lag
        )
        yield GaugeMetricFamily(
            "swapmock_sandbox_held_longest_seconds",
            "The longest time for which a sandbox was held open; others wait for it.",
            value=self._longest_hold,
        )
        latency = HistogramMetricFamily(
            "swapmock_request_seconds", "Time to make an answer.", labels=("provider", "operation")
        )
        for key, row in seconds.items():
            latency.add_metric(key, buckets=list(_cumulated(row)), sum_value=row[-1])
        yield latency


def _cumulated(row: list[float]) -> Iterator[tuple[str, float]]:
    total = 0.0
    for bound, count in zip((*map(str, BOUNDS), "+Inf"), row[:-1], strict=True):
        total += count
        yield bound, total


class _Families:
    """The meter as a collector of prometheus-client."""

    def __init__(self, meter: Meter, tasks: Mapping[tuple[str, str, str], int], sandboxes: int) -> None:
        self._given = (tasks, sandboxes)
        self._meter = meter

    def collect(self) -> Iterator[Any]:
        yield from self._meter.families(*self._given)
