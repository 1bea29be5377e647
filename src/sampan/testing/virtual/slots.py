"""No pod is created twice for one slot: watched in what is stored, while it happens.

A slot is a ReplicaSet's place (as many as it ever asked for), a Job's completion index, a DaemonSet's node (twice when
it surges), a CronJob's minute. A StatefulSet's slots are names, which the API server itself keeps apart.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from sampan.store import keys
from sampan.store.interface import Event

ENDED = ("Succeeded", "Failed")
INDEX = "batch.kubernetes.io/job-completion-index"
MINUTE = "batch.kubernetes.io/cronjob-scheduled-timestamp"
COUNTED = ("ReplicaSet", "ReplicationController")
Slot = tuple[str, ...]


class Slots:
    """Call `see` with every event of the store, from the beginning; `problems` says what was wrong."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        self._live: dict[str, Slot] = {}
        self._taken: Counter[Slot] = Counter()
        self._done: set[Slot] = set()
        self._asked: Counter[str] = Counter()
        self._surging: set[str] = set()

    def see(self, event: Event) -> None:
        place = keys.split(event.key)
        if place.plural in ("replicasets", "replicationcontrollers") and event.value is not None:
            obj = msgspec.json.decode(event.value)
            uid = obj["metadata"]["uid"]
            self._asked[uid] = max(self._asked[uid], obj["spec"].get("replicas", 1))
        elif place.plural == "daemonsets" and event.value is not None:
            obj = msgspec.json.decode(event.value)
            if _surges(obj):
                self._surging.add(obj["metadata"]["uid"])
        elif place.plural in ("pods", "jobs"):
            self._object(event, msgspec.json.decode(event.value) if event.value is not None else None)

    def _object(self, event: Event, obj: Any) -> None:
        before = self._live.pop(event.key, None)
        if before is not None:
            self._taken[before] -= 1
        slot = slot_of(obj) if obj is not None else None
        if slot is None or obj["metadata"].get("deletionTimestamp"):
            return
        if obj.get("status", {}).get("phase") in ENDED:
            if slot[0] == "Job" and obj["status"]["phase"] == "Succeeded":
                self._done.add(slot)
            return
        self._live[event.key] = slot
        self._taken[slot] += 1
        if event.version == 1:
            self._created(event.key, slot)

    def _created(self, key: str, slot: Slot) -> None:
        room = self._asked[slot[1]] if slot[0] in COUNTED else 1 + (slot[0] == "DaemonSet" and slot[1] in self._surging)
        if self._taken[slot] > room:
            self.problems.append(f"{key} was created for {' '.join(slot)}, which had {self._taken[slot] - 1} already")
        if slot in self._done:
            self.problems.append(f"{key} was created for {' '.join(slot)}, which is done")


def slot_of(obj: Any) -> Slot | None:
    """What a pod or a job was made for; None for what has no slot of its own."""
    meta = obj["metadata"]
    owner = next((one for one in meta.get("ownerReferences", ()) if one.get("controller")), None)
    if owner is None:
        return None
    annotations = meta.get("annotations", {})
    kind, uid = owner["kind"], owner["uid"]
    match kind:
        case "ReplicaSet" | "ReplicationController":
            return kind, uid
        case "Job" if INDEX in annotations:
            return kind, uid, annotations[INDEX]
        case "CronJob":
            return kind, uid, annotations.get(MINUTE, meta["name"])
        case "DaemonSet":
            return kind, uid, _pinned(obj)
    return None


def _surges(daemonset: Any) -> bool:
    """Whether a node may have an old pod and a new one for a while."""
    rolling = daemonset["spec"].get("updateStrategy", {}).get("rollingUpdate") or {}
    return rolling.get("maxSurge", 0) not in (0, "0%")


def _pinned(pod: Any) -> str:
    """The node a DaemonSet's pod is for."""
    affinity = pod["spec"].get("affinity", {}).get("nodeAffinity", {})
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {}).get("nodeSelectorTerms", [])
    fields = [value for term in terms for field in term.get("matchFields", ()) for value in field.get("values", ())]
    return ",".join(fields)
