"""Prometheus' text format, and what a histogram counts.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts of observations by upper bound, and their sum."""

    __slots__ = ("bounds", "buckets", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.buckets = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.buckets[bisect_left(self.bounds, value)] += 1
        self.total += value


def labels(names: Sequence[str], values: Iterable[object]) -> str:
    """`a="b",c="d"`."""
    return ",".join(f'{name}="{_escaped(str(value))}"' for name, value in zip(names, values, strict=True))


def counts(name: str, kind: str, text: str, samples: Mapping[str, float]) -> list[str]:
    """The lines of a counter or gauge, its samples by their labels ("": none)."""
    lines = [f"{name}{f'{{{key}}}' if key else ''} {value}" for key, value in samples.items()]
    return [*_head(name, kind, text), *lines]


def histograms(name: str, text: str, samples: Mapping[str, Histogram]) -> list[str]:
    """The lines of a histogram, likewise."""
    lines = _head(name, "histogram", text)
    for key, histogram in samples.items():
        running, first = 0, f"{key}," if key else ""
        for bound, count in zip((*histogram.bounds, "+Inf"), histogram.buckets, strict=True):
            running += count
            lines.append(f'{name}_bucket{{{first}le="{bound}"}} {running}')
        lines += [f"{name}_sum{{{key}}} {histogram.total:.6f}", f"{name}_count{{{key}}} {running}"]
    return lines


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
