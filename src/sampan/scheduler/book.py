"""Every pod the scheduler knows, kept in step with what the API server tells.

A pod without a node that is ours to place waits in the queue; one with a node is counted in the table until it ends.
What is neither is forgotten. The book also notes what changed in a way that may help a refused pod: rows where room
may have appeared (`freed`), and pods that came or went (`moved`), for rules about other pods.

A pod that the scheduler has decided on but not yet seen bound is `assumed`: it is counted already, so that the next
decision sees the room gone, and becomes `bound` when the watch shows it, or is taken back if its binding fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import Any

from sampan.scheduler.census import Identity
from sampan.scheduler.needs import Needs, NeedsCatalog
from sampan.scheduler.nodetable import NodeFacts, NodeTable
from sampan.scheduler.queue import SchedulingQueue
from sampan.scheduler.records import NOWHERE, Hold, PodRecord, finished, gated, owner_of, record, seconds

log = logging.getLogger(__name__)

DEFAULT_SCHEDULER = "default-scheduler"


class Book:
    """`happened` is called when `freed` or `moved` has grown. A node that goes away frees its row too, for those who
    were nominated for it."""

    def __init__(
        self, table: NodeTable, queue: SchedulingQueue, names: Collection[str], happened: Callable[[], None]
    ) -> None:
        self.table = table
        self.queue = queue
        self.catalog = NeedsCatalog(table.resources)
        self.records: dict[str, PodRecord] = {}
        self.freed: set[int] = set()
        self.moved: set[tuple[Identity, Needs]] = set()
        self._names = names
        self._happened = happened

    def on_pod(self, old: Any, new: Any) -> None:
        """Takes a change of a `core_v1.Pod`, as informers tell it; one that cannot be read is logged and left out."""
        pod = old if new is None else new
        try:
            self._take(pod, new)
        except ValueError as error:
            log.warning("pod left out pod=%s/%s error=%s", pod.metadata.namespace, pod.metadata.name, error)

    def _take(self, pod: Any, new: Any) -> None:
        known = self.records.get(pod.metadata.uid or "")
        if new is None or finished(new):
            self._forget(known)
        elif new.spec.nodeName:
            self._placed(known, new)
        elif self._ours(new):
            self._pending(known, new)
        else:
            self._forget(known)

    def on_node(self, old: Any, new: Any) -> None:
        """Takes a change of a `core_v1.Node`."""
        if new is None:
            if self.table.has(old.metadata.name):
                self.freed.add(self.table.row(old.metadata.name))
                self.table.remove_node(old.metadata.name)
                self._happened()
            return
        try:
            facts = NodeFacts.of(new)
        except ValueError as error:
            log.warning("node left out node=%s error=%s", new.metadata.name, error)
            return
        row = self.table.set_node(new.metadata.name, facts)
        if row != NOWHERE:
            self.freed.add(row)
            self._happened()

    def on_namespace(self, old: Any, new: Any) -> None:
        """Takes a change of a `core_v1.Namespace`."""
        name = (new or old).metadata.name
        self.table.census.set_namespace(name, None if new is None else new.metadata.labels or {})

    def hold(self, pod: PodRecord, node: str, why: Hold) -> None:
        """Counts a pod on a node."""
        self.table.add_pod(pod, node)
        pod.hold = why
        if why != "nominated":
            self._note(pod)

    def release(self, pod: PodRecord) -> None:
        """Stops counting a pod that is counted; its room is free again."""
        self.freed.add(pod.row)
        self.table.remove_pod(pod)
        if pod.hold != "nominated":
            self._note(pod)
        pod.hold = "none"
        self._happened()

    def knows(self, pod: PodRecord) -> bool:
        """Whether this is still the record of a pod that exists."""
        return self.records.get(pod.uid) is pod

    def _ours(self, pod: Any) -> bool:
        name = pod.spec.schedulerName or DEFAULT_SCHEDULER
        return name in self._names and pod.metadata.deletionTimestamp is None and not gated(pod)

    def _pending(self, known: PodRecord | None, pod: Any) -> None:
        if known is None:
            known = self._enter(pod)
            if known.nominated:
                self.hold(known, known.nominated, "nominated")
            self.queue.add(known)
        elif known.hold in ("none", "nominated") and self._read_again(known, pod):
            self.queue.add(known)

    def _placed(self, known: PodRecord | None, pod: Any) -> None:
        node = pod.spec.nodeName
        if known is None:
            known = self._enter(pod)
        else:
            self.queue.remove(known)
            self._read_again(known, pod)
            known.started = known.started or seconds(pod.status and pod.status.startTime)
            if known.row != NOWHERE and known.node != node:
                self.release(known)
        if known.row == NOWHERE:
            self.hold(known, node, "bound")
        known.hold = "bound"
        if pod.metadata.deletionTimestamp is not None and not known.terminating:
            self.table.retire_pod(known)
            self._note(known)

    def _enter(self, pod: Any) -> PodRecord:
        needs = self.catalog.of(pod)
        identity = self._identity(pod)
        known = self.records[pod.metadata.uid or ""] = record(pod, needs, identity)
        return known

    def _identity(self, pod: Any) -> Identity:
        meta = pod.metadata
        return self.table.census.identity(meta.namespace or "default", meta.labels, owner_of(pod))

    def _read_again(self, known: PodRecord, pod: Any) -> bool:
        """Takes over a change of labels or spec; whether there was one that placement depends on."""
        same_labels = known.identity.labels == (pod.metadata.labels or {})
        if same_labels and known.generation == pod.metadata.generation:
            return False
        known.generation = pod.metadata.generation
        needs = self.catalog.of(pod)
        if same_labels and needs is known.needs:
            return False
        held, node = known.hold, known.node
        if known.row != NOWHERE:
            self.release(known)
        self.table.census.leave(known.identity)
        known.needs, known.identity = needs, self._identity(pod)
        if held != "none":
            self.hold(known, node, held)
        return True

    def _forget(self, known: PodRecord | None) -> None:
        if known is None:
            return
        del self.records[known.uid]
        if known.row != NOWHERE:
            self.release(known)
        self.queue.remove(known)
        self.table.census.leave(known.identity)

    def _note(self, pod: PodRecord) -> None:
        self.moved.add((pod.identity, pod.needs))
        self._happened()
