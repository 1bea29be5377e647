"""All nodes as arrays: one row a node, one column a fact, so that a filter is one comparison over 5,000 nodes.

A change touches the rows it is about and marks them with a growing version; whoever has worked something out from the
table asks which rows changed since, and redoes those. A row belongs to a node's name: it appears with the node, or with
the first pod that is bound to the name, and is free again when both are gone. `present` tells whether the node exists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sampan.scheduler.census import Census
from sampan.scheduler.interning import Interner
from sampan.scheduler.nodelabels import NodeLabels
from sampan.scheduler.records import NOWHERE, PodRecord
from sampan.scheduler.requests import Amounts, amounts, columns

Taint = tuple[str, str, str]
"""Key, value, effect."""

SMALLEST = 64


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What scheduling reads of a `core_v1.Node`; equal facts mean that nothing has changed."""

    uid: str
    allocatable: Amounts
    labels: dict[str, str]
    taints: tuple[Taint, ...]
    unschedulable: bool
    images: dict[str, int]

    @classmethod
    def of(cls, node: Any) -> NodeFacts:
        spec, status = node.spec, node.status
        return cls(
            uid=node.metadata.uid or "",
            allocatable=amounts(status and (status.allocatable or status.capacity)),
            labels=node.metadata.labels or {},
            taints=tuple((t.key or "", t.value or "", t.effect or "") for t in (spec and spec.taints) or ()),
            unschedulable=bool(spec and spec.unschedulable),
            images={
                name: image.sizeBytes or 0 for image in (status and status.images) or () for name in image.names or ()
            },
        )


class NodeTable:
    """`allocatable` and `requested` are indexed [resource column, row], and so is each part of `requested` in
    `by_priority`; `changed` has the version of a row's last change, `version` the table's."""

    def __init__(self, capacity: int = SMALLEST) -> None:
        self.capacity = capacity
        self.height = 0
        self.count = 0
        self.version = 0
        self.images_version = 0
        self.resources: Interner[str] = columns()
        self.taint_sets: Interner[tuple[Taint, ...]] = Interner(())
        self.census = Census(capacity)
        self.labels = NodeLabels(capacity)
        self.names: list[str] = [""] * capacity
        self.facts: list[NodeFacts | None] = [None] * capacity
        self.pods: list[dict[str, PodRecord]] = [{} for _ in range(capacity)]
        self.allocatable: NDArray[np.int64] = np.zeros((len(self.resources), capacity), np.int64)
        self.requested: NDArray[np.int64] = np.zeros((len(self.resources), capacity), np.int64)
        self.present: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.unschedulable: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        self.taints: NDArray[np.int32] = np.zeros(capacity, np.int32)
        self.changed: NDArray[np.int64] = np.zeros(capacity, np.int64)
        self.by_priority: dict[int, NDArray[np.int64]] = {}
        self.ports: dict[tuple[str, int], dict[int, list[str]]] = {}
        self.images: dict[str, dict[int, int]] = {}
        self._rows: dict[str, int] = {}
        self._free: list[int] = []

    def row(self, name: str) -> int:
        """The row of that name, or NOWHERE."""
        return self._rows.get(name, NOWHERE)

    def has(self, name: str, uid: str | None = None) -> bool:
        """Whether the node exists, and is still the one with that uid."""
        row = self.row(name)
        facts = self.facts[row] if row != NOWHERE else None
        return facts is not None and uid in (None, facts.uid)

    def set_node(self, name: str, facts: NodeFacts) -> int:
        """Adds or changes a node; its row when anything scheduling reads has changed, else NOWHERE."""
        row = self._row_of(name)
        old = self.facts[row]
        if old == facts:
            return NOWHERE
        self.facts[row] = facts
        self.count += old is None
        self.present[row] = True
        self.unschedulable[row] = facts.unschedulable
        self.taints[row] = self.taint_sets.code(facts.taints)
        self.labels.set(row, facts.labels)
        self._set_allocatable(row, facts.allocatable)
        self._set_images(row, old.images if old else {}, facts.images)
        self._touch(row)
        return row

    def remove_node(self, name: str) -> None:
        row = self.row(name)
        old = self.facts[row] if row != NOWHERE else None
        if old is None:
            return
        self._set_images(row, old.images, {})
        self.facts[row] = None
        self.count -= 1
        self.present[row] = self.unschedulable[row] = False
        self.taints[row] = 0
        self.labels.set(row, {})
        self.allocatable[:, row] = 0
        self._touch(row)
        self._release(row)

    def add_pod(self, pod: PodRecord, name: str) -> None:
        """Counts a pod on the node of that name, which need not exist (yet, or any more)."""
        pod.row = row = self._row_of(name)
        pod.node = name
        self.pods[row][pod.uid] = pod
        self._account(pod, row, 1)
        self.census.count(pod.identity, pod.needs, row, 1, not pod.terminating)

    def remove_pod(self, pod: PodRecord) -> None:
        row = pod.row
        del self.pods[row][pod.uid]
        self._account(pod, row, -1)
        self.census.count(pod.identity, pod.needs, row, -1, not pod.terminating)
        pod.row = NOWHERE
        self._release(row)

    def retire_pod(self, pod: PodRecord) -> None:
        """The pod has begun to terminate: it still holds its resources."""
        pod.terminating = True
        if pod.row != NOWHERE:
            self.census.retire(pod.identity, pod.row)

    def changed_since(self, version: int) -> NDArray[np.intp]:
        """The rows that changed after that version."""
        return np.flatnonzero(self.changed[: self.height] > version)

    def _account(self, pod: PodRecord, row: int, sign: int) -> None:
        vector = pod.needs.vector
        if len(vector) > len(self.requested):
            self._widen()
        part = self.by_priority.get(pod.priority)
        if part is None:
            part = self.by_priority[pod.priority] = np.zeros_like(self.requested)
        change = vector if sign > 0 else -vector
        self.requested[: len(vector), row] += change
        part[: len(vector), row] += change
        for address, protocol, port in pod.needs.ports:
            used = self.ports.setdefault((protocol, port), {}).setdefault(row, [])
            if sign > 0:
                used.append(address)
            else:
                used.remove(address)
                if not used:
                    del self.ports[protocol, port][row]
        self._touch(row)

    def _touch(self, row: int) -> None:
        self.version += 1
        self.changed[row] = self.version

    def _row_of(self, name: str) -> int:
        row = self._rows.get(name)
        if row is None:
            if self._free:
                row = self._free.pop()
            else:
                if self.height == self.capacity:
                    self._grow(self.capacity * 2)
                row = self.height
                self.height += 1
            self._rows[name] = row
            self.names[row] = name
        return row

    def _release(self, row: int) -> None:
        """A row without node and pods is free for another name."""
        if self.facts[row] is None and not self.pods[row]:
            del self._rows[self.names[row]]
            self.names[row] = ""
            self._free.append(row)

    def _grow(self, capacity: int) -> None:
        more = capacity - self.capacity
        for name in ("present", "unschedulable", "taints", "changed"):
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros(more, column.dtype)]))
        for name in ("allocatable", "requested"):
            setattr(self, name, np.pad(getattr(self, name), ((0, 0), (0, more))))
        self.names += [""] * more
        self.facts += [None] * more
        self.pods += [{} for _ in range(more)]
        self.by_priority = {p: np.pad(part, ((0, 0), (0, more))) for p, part in self.by_priority.items()}
        self.labels.grow(capacity)
        self.census.grow(capacity)
        self.capacity = capacity

    def _widen(self) -> None:
        """Gives every resource seen so far its column."""
        more = len(self.resources) - len(self.requested)
        self.allocatable = np.pad(self.allocatable, ((0, more), (0, 0)))
        self.requested = np.pad(self.requested, ((0, more), (0, 0)))
        self.by_priority = {p: np.pad(part, ((0, more), (0, 0))) for p, part in self.by_priority.items()}

    def widen_for(self, pod: PodRecord) -> None:
        """Makes sure that there is a column for everything the pod asks for."""
        if len(pod.needs.vector) > len(self.requested):
            self._widen()

    def _set_allocatable(self, row: int, allocatable: Amounts) -> None:
        codes = [self.resources.code(resource) for resource in allocatable]
        if len(self.resources) > len(self.allocatable):
            self._widen()
        self.allocatable[:, row] = 0
        self.allocatable[codes, row] = list(allocatable.values())

    def _set_images(self, row: int, old: dict[str, int], new: dict[str, int]) -> None:
        if old == new:
            return
        for name in old.keys() - new.keys():
            rows = self.images[name]
            del rows[row]
            if not rows:
                del self.images[name]
        for name, size in new.items():
            self.images.setdefault(name, {})[row] = size
        self.images_version += 1
