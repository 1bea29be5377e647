"""Which taints follow from a node's conditions. Pure.

Rules: "Taints and Tolerations", section "Taint Nodes by Condition". NoSchedule follows at once; NoExecute, which drives
pods off, is given out slowly (see `zones`). A node that has never said whether it is ready gets neither for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1
from sampan.controllers import conditions
from sampan.controllers.node.health import ready_condition

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
BY_READY = {"False": NOT_READY, "Unknown": UNREACHABLE}
BY_CONDITION = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
OURS_NO_SCHEDULE = frozenset({*BY_READY.values(), *BY_CONDITION.values(), UNSCHEDULABLE})
OURS_NO_EXECUTE = frozenset(BY_READY.values())


def no_schedule(node: Any) -> list[str]:
    """The keys of the NoSchedule taints the node should have from us."""
    unready = no_execute(node)
    keys = [unready] if unready else []
    for item in (node.status.conditions if node.status else None) or ():
        if item.status == "True" and item.type in BY_CONDITION:
            keys.append(BY_CONDITION[item.type])
    if node.spec.unschedulable:
        keys.append(UNSCHEDULABLE)
    return keys


def no_execute(node: Any) -> str | None:
    """The key of the NoExecute taint the node's readiness calls for."""
    ready = ready_condition(node)
    return BY_READY.get(ready.status) if ready is not None else None


def has_no_execute(node: Any) -> bool:
    return any(taint.effect == "NoExecute" and taint.key in OURS_NO_EXECUTE for taint in node.spec.taints or ())


def wanted(node: Any, execute: str | None, now: float) -> list[Any]:
    """The node's taints with ours as they should be: those of others stay, ours that stay keep their time."""
    want = [(key, "NoSchedule") for key in no_schedule(node)] + ([(execute, "NoExecute")] if execute else [])
    have = {(taint.key, taint.effect): taint for taint in node.spec.taints or ()}
    kept = [taint for pair, taint in have.items() if pair in want or not _ours(*pair)]
    made = [
        core_v1.Taint(key=key, effect=effect, timeAdded=timestamp(now))
        for key, effect in want
        if (key, effect) not in have
    ]
    return kept + made


def _ours(key: str, effect: str) -> bool:
    return key in (OURS_NO_SCHEDULE if effect == "NoSchedule" else OURS_NO_EXECUTE if effect == "NoExecute" else ())


def same(one: Sequence[Any] | None, other: Sequence[Any] | None) -> bool:
    return _pairs(one) == _pairs(other)


def _pairs(taints: Sequence[Any] | None) -> set[tuple[str, str, str]]:
    return {(taint.key, taint.effect, taint.value or "") for taint in taints or ()}


def is_true(node: Any, type: str) -> bool:
    found = conditions.find(node.status.conditions if node.status else None, type)
    return found is not None and found.status == "True"
