"""Objects as rows and columns: what stands in `sampan.api.tables`, in the form of `meta/v1` Table."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from sampan.api import schema, tables
from sampan.api.registry import Kind

DEFINITIONS = {"meta": "io.k8s.apimachinery.pkg.apis.meta"}


class Column(msgspec.Struct, frozen=True):
    """A TableColumnDefinition; `priority` 0 is always shown, 1 only with `-o wide`."""

    name: str
    type: str
    format: str
    description: str
    priority: int


@lru_cache(maxsize=512)
def columns(kind: Kind) -> list[Column]:
    """The kind's column definitions in order."""
    found = tables.find(kind.group, kind.kind).columns
    prose = _prose({c.field for c in found if c.field})
    return [Column(c.name, c.type, c.format, c.text or prose.get(c.field, ""), c.priority) for c in found]


def row(kind: Kind, obj: Any, now: float) -> list[Any]:
    """One cell per column of an object's Struct; `now` is in seconds since the epoch."""
    return tables.find(kind.group, kind.kind).cells(obj, now)


def conditions(kind: Kind, obj: Any) -> list[dict[str, str]]:
    """A row's TableRowConditions: that a pod has completed, so that a client may hide it."""
    state = tables.find(kind.group, kind.kind).conditions
    return state(obj) if state else []


def _prose(fields: set[str]) -> dict[str, str]:
    """The schema's descriptions of these fields (`core.v1.PodSpec.nodeName`).

    They are few among ten thousand, so only their definitions are decoded.
    """
    wanted: dict[str, list[str]] = {}
    for field in fields:
        group, version, definition, _ = field.split(".")
        name = f"{DEFINITIONS.get(group, f'io.k8s.api.{group}')}.{version}.{definition}"
        wanted.setdefault(name, []).append(field)
    found = schema.descriptions_of(set(wanted))
    return {f: found.get(name, {}).get(f.rsplit(".", 1)[1], "") for name, paths in wanted.items() for f in paths}
