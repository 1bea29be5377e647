"""Tables of scheduling.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age


def priority_class(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.value or 0, bool(obj.globalDefault), age(obj, now), obj.preemptionPolicy or ""]


VERSION = "scheduling.v1.PriorityClass"
PRIORITY_CLASS = (
    NAME,
    Column("Value", f"{VERSION}.value", type="integer"),
    Column("Global-Default", f"{VERSION}.globalDefault", type="boolean"),
    AGE,
    Column("PreemptionPolicy", f"{VERSION}.preemptionPolicy"),
)

TABLES = {"PriorityClass": Table(PRIORITY_CLASS, priority_class)}
