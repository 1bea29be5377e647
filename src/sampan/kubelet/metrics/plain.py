"""Counters whose names do not end in `_total`, as some of upstream's: prometheus_client cannot name one so."""

from __future__ import annotations

from collections import Counter

from sampan.kubelet.metrics.exposition import Family, Sample


class PlainCounter:
    """Counts by the value of its one label."""

    def __init__(self, name: str, about: str, label: str) -> None:
        self._name = name
        self._about = about
        self._label = label
        self._counts: Counter[str] = Counter()

    def inc(self, value: str) -> None:
        self._counts[value] += 1

    def family(self) -> Family:
        samples = [Sample({self._label: value}, count) for value, count in sorted(self._counts.items())]
        return Family(self._name, "counter", self._about, samples)
