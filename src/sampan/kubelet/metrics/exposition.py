"""The text format of metrics: pure. (prometheus.io, exposition formats)"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Sample(NamedTuple):
    """`at` is when it was measured in seconds since the epoch, 0.0 for now."""

    labels: Mapping[str, str]
    value: float
    at: float = 0.0


class Family(NamedTuple):
    """`kind` is gauge or counter."""

    name: str
    kind: str
    about: str
    samples: Iterable[Sample]


def text(families: Iterable[Family]) -> str:
    return "".join(line for family in families for line in lines(family))


def lines(family: Family) -> list[str]:
    """Nothing for a family without samples."""
    found = [line(family.name, sample) for sample in family.samples]
    if not found:
        return []
    return [f"# HELP {family.name} {family.about}\n", f"# TYPE {family.name} {family.kind}\n", *found]


def line(name: str, sample: Sample) -> str:
    pairs = ",".join(f'{key}="{value.translate(ESCAPES)}"' for key, value in sample.labels.items())
    at = f" {round(sample.at * 1000)}" if sample.at else ""
    return f"{name}{{{pairs}}} {number(sample.value)}{at}\n" if pairs else f"{name} {number(sample.value)}{at}\n"


def number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))
