"""Tables of autoscaling. Version 1 of the autoscaler knows one metric, the CPU, and is shown as version 2 would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.quantity import canonical
from sampan.api.tables import AGE, META, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, UNKNOWN, UNSET, age, at

MAXIMUM = 2
SOURCES = {
    "External": "external",
    "Pods": "pods",
    "Object": "object",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}


def autoscaler(obj: Any, now: float) -> Cells:
    target = at(obj, "spec.scaleTargetRef")
    return [
        obj.metadata.name,
        f"{at(target, 'kind', '')}/{at(target, 'name', '')}",
        targets(obj),
        str(at(obj, "spec.minReplicas", UNSET)),
        at(obj, "spec.maxReplicas", 0),
        at(obj, "status.currentReplicas", 0),
        age(obj, now),
    ]


def targets(obj: Any) -> str:
    if obj.apiVersion == "autoscaling/v1":
        return cpu_target(obj)
    metrics, current = at(obj, "spec.metrics", []), at(obj, "status.currentMetrics", [])
    texts = [metric(m, current[i] if i < len(current) else None) for i, m in enumerate(metrics)]
    more = f" + {len(texts) - MAXIMUM} more..." if len(texts) > MAXIMUM else ""
    return (", ".join(texts[:MAXIMUM]) + more) or NONE


def cpu_target(obj: Any) -> str:
    wanted, current = at(obj, "spec.targetCPUUtilizationPercentage"), at(obj, "status.currentCPUUtilizationPercentage")
    return NONE if wanted is None else f"cpu: {UNKNOWN if current is None else f'{current}%'}/{wanted}%"


def metric(spec: Any, status: Any) -> str:
    name = SOURCES.get(spec.type)
    if name is None:
        return "<unknown type>"
    source, target = getattr(spec, name), at(spec, f"{name}.target")
    current = at(status, f"{name}.current")
    return SHAPES[name](source, target, current)


def amount(values: Any, field: str) -> str:
    found = at(values, field)
    return UNKNOWN if found is None else canonical(found)


def valued(source: Any, target: Any, current: Any) -> str:
    if at(target, "averageValue") is not None:
        return f"{amount(current, 'averageValue')}/{amount(target, 'averageValue')} (avg)"
    return f"{amount(current, 'value')}/{amount(target, 'value')}"


def averaged(source: Any, target: Any, current: Any) -> str:
    return f"{amount(current, 'averageValue')}/{amount(target, 'averageValue')}"


def utilized(source: Any, target: Any, current: Any) -> str:
    if at(target, "averageValue") is not None:
        return f"{source.name}: {averaged(source, target, current)}"
    have, wanted = at(current, "averageUtilization"), at(target, "averageUtilization")
    return f"{source.name}: {UNKNOWN if have is None else f'{have}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"


SHAPES: dict[str, Callable[[Any, Any, Any], str]] = {
    "external": valued,
    "pods": averaged,
    "object": valued,
    "resource": utilized,
    "containerResource": utilized,
}


def scale(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, at(obj, "spec.replicas", 0), at(obj, "status.replicas", 0), age(obj, now)]


HPA = "autoscaling.v2.HorizontalPodAutoscaler"
AUTOSCALER = (
    NAME,
    Column("Reference", f"{HPA}Spec.scaleTargetRef"),
    Column("Targets", f"{HPA}Spec.metrics"),
    Column("MinPods", f"{HPA}Spec.minReplicas"),
    Column("MaxPods", f"{HPA}Spec.maxReplicas"),
    Column("Replicas", f"{HPA}Status.currentReplicas"),
    AGE,
)
SCALE = (
    Column("Name", f"{META}.name"),
    Column("Desired", "autoscaling.v1.ScaleSpec.replicas", type="integer"),
    Column("Available", "autoscaling.v1.ScaleStatus.replicas", type="integer"),
    AGE,
)

TABLES = {"HorizontalPodAutoscaler": Table(AUTOSCALER, autoscaler), "Scale": Table(SCALE, scale)}
