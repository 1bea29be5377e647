"""The resizable amounts of a pod, as plain values: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from sampan.api import quantity
from sampan.api.kinds import core_v1
from sampan.kubelet.spec import all_containers

RESIZABLE = ("cpu", "memory")
SIDES = ("requests", "limits")
POD = ""
Amounts = dict[str, dict[str, str]]
"""`{"requests": {"cpu": "1"}, "limits": {...}}`, cpu and memory alone."""
Snapshot = dict[str, Amounts]
"""By container name; the pod's own amounts under ""."""


def snapshot(pod: Any) -> Snapshot:
    found = {container.name: amounts(container.resources) for container in all_containers(pod)}
    return {**found, POD: amounts(pod.spec.resources)}


def amounts(resources: Any) -> Amounts:
    """In canonical text, so that equal amounts are equal."""
    return {
        side: {
            name: quantity.canonical(listed[name])
            for name in RESIZABLE
            if name in (listed := (getattr(resources, side, None) if resources else None) or {})
        }
        for side in SIDES
    }


def with_amounts(pod: Any, given: Mapping[str, Amounts]) -> Any:
    """The pod with these amounts in place of its own; the pod itself when they are the same."""
    if snapshot(pod) == {**snapshot(pod), **given}:
        return pod
    copy = msgspec.convert(msgspec.to_builtins(pod), type(pod))
    for container in all_containers(copy):
        if container.name in given:
            container.resources = replaced(container.resources, given[container.name])
    if POD in given and (copy.spec.resources is not None or any(given[POD].values())):
        copy.spec.resources = replaced(copy.spec.resources, given[POD])
    return copy


def replaced(resources: Any, given: Amounts) -> Any:
    """The resources with other amounts of cpu and memory, and all else as it was."""
    plain: dict[str, Any] = msgspec.to_builtins(resources) if resources is not None else {}
    for side in SIDES:
        kept = {name: amount for name, amount in (plain.get(side) or {}).items() if name not in RESIZABLE}
        plain[side] = {**kept, **given[side]}
        if not plain[side]:
            del plain[side]
    return msgspec.convert(plain, core_v1.ResourceRequirements)


def changed(before: Amounts, after: Amounts) -> list[str]:
    """The resources whose request or limit differs."""
    return [name for name in RESIZABLE if any(before[side].get(name) != after[side].get(name) for side in SIDES)]
