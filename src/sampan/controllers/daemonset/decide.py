"""What a DaemonSet needs next. Pure.

Each node that fits has one pod. A rolling update takes old pods away, at most `maxUnavailable` nodes being without an
available pod; with `maxSurge` the new pod comes up beside the old one first, and the old one goes when it is available.
Rules: DaemonSet concepts page; KEP-1591 for the surge.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.api.kinds import apps_v1
from sampan.controllers import pods as facts
from sampan.controllers.daemonset.placement import fits, node_of
from sampan.controllers.history import POD_LABEL
from sampan.controllers.pods import ENDED, phase


@dataclass
class Plan:
    """`create` are node names; `failed` those of the `delete` that ended by themselves."""

    create: list[str] = field(default_factory=list)
    delete: list[Any] = field(default_factory=list)
    failed: list[Any] = field(default_factory=list)


class View:
    """The DaemonSet's pods by node, and the nodes it fits."""

    def __init__(self, owner: Any, pods: Sequence[Any], nodes: Sequence[Any], digest: str, now: float) -> None:
        self.owner = owner
        self.digest = digest
        self.now = now
        self.minimum = owner.spec.minReadySeconds or 0
        self.by_node: dict[str, list[Any]] = {}
        for pod in sorted(pods, key=lambda pod: (pod.metadata.creationTimestamp or "", pod.metadata.name)):
            self.by_node.setdefault(node_of(pod) or "", []).append(pod)
        spec = owner.spec.template.spec
        self.fitting = {node.metadata.name: fits(spec, node) for node in nodes}

    def is_new(self, pod: Any) -> bool:
        return (pod.metadata.labels or {}).get(POD_LABEL) == self.digest

    def is_available(self, pod: Any) -> bool:
        return pod.metadata.deletionTimestamp is None and facts.is_available(pod, self.minimum, self.now)

    @property
    def desired(self) -> list[str]:
        return [name for name, (run, _) in self.fitting.items() if run]


def plan(view: View) -> Plan:
    result = Plan()
    if view.owner.metadata.deletionTimestamp is not None:
        return result
    surge = limits(view.owner, len(view.desired))[0]
    for name, (run, keep) in view.fitting.items():
        _place(view, name, run, keep, surge, result)
    for name, pods in view.by_node.items():
        if name not in view.fitting:
            result.delete += [pod for pod in pods if pod.metadata.deletionTimestamp is None and not name]
    strategy = view.owner.spec.updateStrategy
    if strategy is None or strategy.type != "OnDelete":
        _roll(view, result)
    return result


def _place(view: View, name: str, run: bool, keep: bool, surge: int, result: Plan) -> None:
    """The right number of pods on one node, whatever their revision."""
    pods = [pod for pod in view.by_node.get(name, ()) if pod.metadata.deletionTimestamp is None]
    if not keep:
        result.delete += pods
        return
    ended = [pod for pod in pods if phase(pod) in ENDED]
    result.failed += ended
    result.delete += ended
    live = [pod for pod in pods if pod not in ended]
    if run and not view.by_node.get(name):
        result.create.append(name)
    elif len(live) > 1:
        newest = [pod for pod in live if view.is_new(pod)]
        old = [pod for pod in live if not view.is_new(pod)]
        result.delete += newest[1:]
        if newest and old:
            result.delete += old if not surge or view.is_available(newest[0]) else old[1:]
        elif not newest:
            result.delete += old[1:]


def _roll(view: View, result: Plan) -> None:
    surge, unavailable = limits(view.owner, len(view.desired))
    doomed = {id(pod) for pod in result.delete}
    surging = 0
    without = 0
    candidates: list[tuple[str, Any]] = []
    for name in view.desired:
        pods = [pod for pod in view.by_node.get(name, ()) if id(pod) not in doomed]
        live = [pod for pod in pods if pod.metadata.deletionTimestamp is None]
        if not any(view.is_available(pod) for pod in live):
            without += 1
        old = [pod for pod in live if not view.is_new(pod)]
        if len(live) > 1:
            surging += 1
        elif old and len(pods) == len(live):
            candidates.append((name, old[0]))
    candidates.sort(key=lambda entry: view.is_available(entry[1]))
    for name, pod in candidates:
        available = view.is_available(pod)
        if surge and available:
            if surging < surge:
                result.create.append(name)
                surging += 1
        elif not available:
            result.delete.append(pod)
        elif without < unavailable:
            result.delete.append(pod)
            without += 1


def limits(owner: Any, desired: int) -> tuple[int, int]:
    """maxSurge and maxUnavailable in nodes; one may be unavailable when both would be zero."""
    strategy = owner.spec.updateStrategy
    rolling = strategy.rollingUpdate if strategy else None
    surge = _scaled(rolling.maxSurge if rolling else None, desired, 0)
    unavailable = _scaled(rolling.maxUnavailable if rolling else None, desired, 1)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def _scaled(value: int | str | None, total: int, default: int) -> int:
    if value is None:
        return default
    if isinstance(value, int):
        return value
    return math.ceil(float(value.rstrip("%")) * total / 100)


def status(view: View) -> Any:
    """The status as it should read; pods on nodes that should have none are misscheduled."""
    before = view.owner.status
    made = apps_v1.DaemonSetStatus(
        desiredNumberScheduled=len(view.desired),
        currentNumberScheduled=0,
        numberMisscheduled=0,
        numberReady=0,
        updatedNumberScheduled=0,
        numberAvailable=0,
        observedGeneration=view.owner.metadata.generation,
        collisionCount=before.collisionCount if before else None,
        conditions=before.conditions if before else None,
    )
    for name, (run, _) in view.fitting.items():
        pods = view.by_node.get(name, [])
        if not run:
            made.numberMisscheduled += bool(pods)
            continue
        if not pods:
            continue
        made.currentNumberScheduled += 1
        made.numberReady += any(facts.is_ready(pod) for pod in pods)
        made.numberAvailable += any(view.is_available(pod) for pod in pods)
        made.updatedNumberScheduled += any(view.is_new(pod) for pod in pods)
    made.numberUnavailable = made.desiredNumberScheduled - made.numberAvailable
    return made


def settled(status: Any) -> bool:
    """Whether the status says that every node has its pod, new and available."""
    if status is None:
        return False
    counts = (status.currentNumberScheduled, status.updatedNumberScheduled or 0, status.numberAvailable or 0)
    return all(count == status.desiredNumberScheduled for count in counts)
