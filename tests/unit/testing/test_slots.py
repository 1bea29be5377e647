"""The watcher of slots sees what it is there to see."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.store.interface import Event
from sampan.testing.virtual.slots import INDEX, Slots


def stored(key: str, value: Any, version: int = 1) -> Event:
    return Event(f"/registry/{key}", msgspec.json.encode(value), 1, version=version)


def owned(kind: str, name: str, phase: str = "Pending", **annotations: str) -> Any:
    owner = {"kind": kind, "uid": "u", "controller": True}
    meta = {"name": name, "annotations": annotations, "ownerReferences": [owner]}
    return {"metadata": meta, "spec": {}, "status": {"phase": phase}}


@pytest.mark.parametrize(("kind", "room"), [("ReplicaSet", 2), ("DaemonSet", 1), ("CronJob", 1)])
def test_one_more_than_there_is_room_for_is_a_problem(kind: str, room: int) -> None:
    slots = Slots()
    slots.see(stored("apps/replicasets/a/web", {"metadata": {"uid": "u"}, "spec": {"replicas": 2}}))
    extra = {"batch.kubernetes.io/cronjob-scheduled-timestamp": "now"} if kind == "CronJob" else {}
    for number in range(room):
        slots.see(stored(f"core/pods/a/p{number}", owned(kind, f"p{number}", **extra)))
    assert slots.problems == []
    slots.see(stored("core/pods/a/more", owned(kind, "more", **extra)))
    assert len(slots.problems) == 1


def test_an_ended_or_deleted_pod_leaves_its_slot() -> None:
    slots = Slots()
    slots.see(stored("core/pods/a/p0", owned("DaemonSet", "p0")))
    slots.see(stored("core/pods/a/p0", owned("DaemonSet", "p0", "Failed"), 2))
    slots.see(stored("core/pods/a/p1", owned("DaemonSet", "p1")))
    slots.see(Event("/registry/core/pods/a/p1", None, 2))
    slots.see(stored("core/pods/a/p2", owned("DaemonSet", "p2")))
    assert slots.problems == []


def test_an_index_that_is_done_is_not_done_again() -> None:
    slots = Slots()
    slots.see(stored("core/pods/a/p0", owned("Job", "p0", "Pending", **{INDEX: "0"})))
    slots.see(stored("core/pods/a/p0", owned("Job", "p0", "Succeeded", **{INDEX: "0"}), 2))
    assert slots.problems == []
    slots.see(stored("core/pods/a/p1", owned("Job", "p1", "Pending", **{INDEX: "0"})))
    assert len(slots.problems) == 1


def test_a_node_has_room_for_two_of_a_daemonset_that_surges() -> None:
    slots = Slots()
    surging = {"updateStrategy": {"rollingUpdate": {"maxSurge": "10%"}}}
    slots.see(stored("apps/daemonsets/a/agent", {"metadata": {"uid": "u"}, "spec": surging}))
    for number in range(3):
        assert slots.problems == []
        slots.see(stored(f"core/pods/a/p{number}", owned("DaemonSet", f"p{number}")))
    assert len(slots.problems) == 1
