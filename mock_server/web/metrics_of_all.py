"""Combines the metrics of several processes into one Prometheus text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

#: The gauge whose values are added. For the other gauges the greatest value counts: the longest wait, and a number that
#: all processes know.
ADDED_GAUGES = frozenset({"swapmock_tasks"})


def merged(texts: Sequence[str]) -> str:
    """Return the sum of the counts in `texts`, and the greatest of their gauges."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.parser import text_string_to_metric_families

    families: dict[str, Any] = {}
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    samples: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], Any]] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, family)
            is_added = family.type != "gauge" or family.name in ADDED_GAUGES
            for sample in family.samples:
                key = (sample.name, tuple(sorted(sample.labels.items())))
                samples.setdefault(family.name, {}).setdefault(key, sample)
                before = values.get(key, 0.0)
                values[key] = before + sample.value if is_added else max(before, sample.value)
    for name, family in families.items():
        family.samples = [sample._replace(value=values[key]) for key, sample in samples.get(name, {}).items()]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Merged(list(families.values())))
    return generate_latest(registry).decode()


class _Merged:
    def __init__(self, families: Sequence[Any]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        yield from self._families
