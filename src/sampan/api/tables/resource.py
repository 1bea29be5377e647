"""Tables of resource.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, at


def named(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, age(obj, now)]


def claim(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, ",".join(states(obj)), age(obj, now)]


def states(obj: Any) -> list[str]:
    deleted = ["deleted"] if obj.metadata.deletionTimestamp else []
    if at(obj, "status.allocation") is None:
        return deleted or ["pending"]
    return [*deleted, "allocated", *(["reserved"] if at(obj, "status.reservedFor") else [])]


def resource_slice(obj: Any, now: float) -> Cells:
    spec = [at(obj, f"spec.{field}", "") for field in ("nodeName", "driver", "pool.name")]
    return [obj.metadata.name, *spec, age(obj, now)]


STATE = Column("State", text="A summary of the current state (allocated, pending, reserved, etc.).")
RESOURCE_SLICE = (
    NAME,
    Column("Node", "resource.v1.ResourceSliceSpec.nodeName"),
    Column("Driver", "resource.v1.ResourceSliceSpec.driver"),
    Column("Pool", "resource.v1.ResourcePool.name"),
    AGE,
)

TABLES = {
    "DeviceClass": Table((NAME, AGE), named),
    "DeviceTaintRule": Table((NAME, AGE), named),
    "ResourceClaim": Table((NAME, STATE, AGE), claim),
    "ResourceClaimTemplate": Table((NAME, AGE), named),
    "ResourceSlice": Table(RESOURCE_SLICE, resource_slice),
}
