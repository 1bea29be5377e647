"""What a delete does to an object, decided without a store."""

from __future__ import annotations

from typing import Any

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.api.registry import builtin
from sampan.apiserver.lifecycle import Step, begin_delete, propagated

NOW = 1_000_000.0
MAP, POD = builtin().kind("v1", "ConfigMap"), builtin().kind("v1", "Pod")
CONTROLLER = builtin().kind("v1", "ReplicationController")


def options(**fields: Any) -> Any:
    return meta_v1.DeleteOptions(**fields)


def pod(node: str | None = "n1", phase: str = "Running", grace: int | None = 30, **metadata: Any) -> Any:
    return core_v1.Pod(
        metadata=meta_v1.ObjectMeta(name="p", generation=1, **metadata),
        spec=core_v1.PodSpec(nodeName=node, terminationGracePeriodSeconds=grace),
        status=core_v1.PodStatus(phase=phase),
    )


@pytest.mark.parametrize(
    "obj, asked, step, seconds",
    [
        (pod(), options(), Step.MARK, 30),
        (pod(grace=None), options(), Step.MARK, 30),
        (pod(), options(gracePeriodSeconds=5), Step.MARK, 5),
        (pod(), options(gracePeriodSeconds=0), Step.MARK_AND_REMOVE, 0),
        (pod(), options(gracePeriodSeconds=-1), Step.MARK, 1),
        (pod(node=None), options(), Step.MARK_AND_REMOVE, 0),
        (pod(phase="Succeeded"), options(), Step.MARK_AND_REMOVE, 0),
        (pod(node=None, finalizers=["a/b"]), options(), Step.MARK, 0),
    ],
)
def test_a_pods_grace(obj: Any, asked: Any, step: Step, seconds: int) -> None:
    assert begin_delete(POD, obj, asked, NOW) is step
    assert (obj.metadata.deletionGracePeriodSeconds, obj.metadata.generation) == (seconds, 2)


def test_grace_only_gets_shorter() -> None:
    obj = pod()
    begin_delete(POD, obj, options(), NOW)
    first = obj.metadata.deletionTimestamp
    assert begin_delete(POD, obj, options(), NOW + 1) is Step.NOTHING
    assert begin_delete(POD, obj, options(gracePeriodSeconds=40), NOW + 1) is Step.NOTHING
    assert begin_delete(POD, obj, options(gracePeriodSeconds=10), NOW + 1) is Step.MARK
    assert obj.metadata.deletionTimestamp < first
    assert begin_delete(POD, obj, options(gracePeriodSeconds=0), NOW + 2) is Step.MARK_AND_REMOVE


def config_map(**metadata: Any) -> Any:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name="c", **metadata))


def test_finalizers_hold() -> None:
    assert begin_delete(MAP, config_map(), options(), NOW) is Step.REMOVE
    held = config_map(finalizers=["a/b"])
    assert begin_delete(MAP, held, options(), NOW) is Step.MARK
    assert begin_delete(MAP, held, options(), NOW) is Step.NOTHING
    assert begin_delete(MAP, held, options(propagationPolicy="Foreground"), NOW) is Step.MARK


@pytest.mark.parametrize(
    "before, asked, kind, after",
    [
        ([], options(), MAP, []),
        ([], options(propagationPolicy="Orphan"), MAP, ["orphan"]),
        ([], options(propagationPolicy="Foreground"), MAP, ["foregroundDeletion"]),
        (["orphan"], options(propagationPolicy="Background"), MAP, []),
        (["orphan", "a/b"], options(propagationPolicy="Foreground"), MAP, ["a/b", "foregroundDeletion"]),
        (["foregroundDeletion"], options(), MAP, ["foregroundDeletion"]),
        ([], options(orphanDependents=True), MAP, ["orphan"]),
        ([], options(), CONTROLLER, ["orphan"]),
        ([], options(propagationPolicy="Background"), CONTROLLER, []),
    ],
)
def test_propagation(before: list[str], asked: Any, kind: Any, after: list[str]) -> None:
    assert propagated(before, asked, kind) == after
