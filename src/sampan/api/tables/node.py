"""Tables of node.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age


def runtime_class(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.handler or "", age(obj, now)]


TABLES = {"RuntimeClass": Table((NAME, Column("Handler"), AGE), runtime_class)}
