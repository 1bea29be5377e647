"""Tables of events.k8s.io: an Event looks the same in both groups, only its fields have other names here."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import Cells, Table
from sampan.api.tables.cells import at, since
from sampan.api.tables.core import EVENT, involved


def event(obj: Any, now: float) -> Cells:
    first = since(obj.deprecatedFirstTimestamp or obj.eventTime, now)
    last = since(obj.deprecatedLastTimestamp, now) if obj.deprecatedLastTimestamp else first
    count = obj.deprecatedCount or 1
    if obj.series is not None:
        last, count = since(obj.series.lastObservedTime, now), obj.series.count or 0
    component = at(obj, "deprecatedSource.component") or obj.reportingController or ""
    instance = at(obj, "deprecatedSource.host") or obj.reportingInstance
    return [
        last,
        obj.type or "",
        obj.reason or "",
        involved(obj.regarding),
        at(obj, "regarding.fieldPath", ""),
        f"{component}, {instance}" if instance else component,
        (obj.note or "").strip(),
        first,
        count,
        obj.metadata.name,
    ]


TABLES = {"Event": Table(EVENT, event)}
