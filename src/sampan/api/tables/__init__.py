"""What `kubectl get` shows of each kind: the columns and how an object fills them.

A `Table` is a tuple of columns and a function `(object, now) -> cells`. Columns of priority 1 are those of `-o wide`.
A column's description is either its own text or that of the field it shows, named as
`group.version.Definition.field` and read from the schema's prose when first asked for. The files beside this one hold
the tables, one file per API group, each ending in `TABLES`, by kind; `find` looks them up. A kind without a table shows
its name and when it was created.

Names, order, types and wording of columns are upstream's, because tools and people's scripts rely on them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

Cells = list[Any]

MODULES = {
    "": "core",
    "admissionregistration.k8s.io": "admissionregistration",
    "apiregistration.k8s.io": "apiregistration",
    "apps": "apps",
    "autoscaling": "autoscaling",
    "batch": "batch",
    "certificates.k8s.io": "certificates",
    "coordination.k8s.io": "coordination",
    "discovery.k8s.io": "discovery",
    "events.k8s.io": "events",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
    "networking.k8s.io": "networking",
    "node.k8s.io": "node",
    "policy": "policy",
    "rbac.authorization.k8s.io": "rbac",
    "resource.k8s.io": "resource",
    "scheduling.k8s.io": "scheduling",
    "storage.k8s.io": "storage",
    "storagemigration.k8s.io": "storagemigration",
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `field` names the schema field whose prose describes it, `text` is its own description."""

    name: str
    field: str = ""
    text: str = ""
    type: str = "string"
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """`cells` gives one value per column; `conditions` what a row says beside them (that a pod has completed)."""

    columns: tuple[Column, ...]
    cells: Callable[[Any, float], Cells]
    conditions: Callable[[Any], list[dict[str, str]]] | None = None


def find(group: str, kind: str) -> Table:
    """The table of a kind; DEFAULT for one that has none of its own."""
    return _tables(group).get(kind, DEFAULT)


@cache
def _tables(group: str) -> dict[str, Table]:
    module = MODULES.get(group)
    return importlib.import_module(f"sampan.api.tables.{module}").TABLES if module else {}


META = "meta.v1.ObjectMeta"
NAME = Column("Name", f"{META}.name", format="name")
AGE = Column("Age", f"{META}.creationTimestamp")
CREATED_AT = Column("Created At", f"{META}.creationTimestamp", type="date")
CONTAINERS = Column("Containers", text="Names of each container in the template.", priority=1)
IMAGES = Column("Images", text="Images referenced by each container in the template.", priority=1)


def _default(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.metadata.creationTimestamp]


DEFAULT = Table((NAME, CREATED_AT), _default)
