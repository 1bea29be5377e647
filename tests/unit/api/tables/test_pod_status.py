"""READY, STATUS and RESTARTS, as a table of pods."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.api.tables.pod_status import summary

NOW = 1_000_000.0
ENDED = "1970-01-12T13:44:40Z"  # two minutes before NOW


def pod(*, spec: dict[str, Any] | None = None, deleted: bool = False, **status: Any) -> Any:
    metadata = {"name": "p"} | ({"deletionTimestamp": ENDED} if deleted else {})
    return msgspec.convert(
        {"metadata": metadata, "spec": {"containers": [{"name": "a"}]} | (spec or {}), "status": status}, core_v1.Pod
    )


def container(name: str = "a", *, ready: bool = False, restarts: int = 0, **state: Any) -> dict[str, Any]:
    last = {"terminated": {"exitCode": 1, "finishedAt": ENDED}} if restarts else {}
    return {"name": name, "ready": ready, "restartCount": restarts, "state": state, "lastState": last}


def running(name: str = "a", **fields: Any) -> dict[str, Any]:
    return container(name, ready=True, running={}, **fields)


def ended(name: str = "a", code: int = 0, reason: str = "", **fields: Any) -> dict[str, Any]:
    return container(name, terminated={"exitCode": code, "reason": reason}, **fields)


def condition(kind: str, status: str = "True", reason: str = "") -> dict[str, Any]:
    return {"type": kind, "status": status, "reason": reason}


TWO = {"containers": [{"name": "a"}, {"name": "b"}]}
INIT = {"initContainers": [{"name": "i"}, {"name": "j"}]}
SIDECAR = {"initContainers": [{"name": "i", "restartPolicy": "Always"}]}
WAITING = {"reason": "CrashLoopBackOff"}

CASES = {
    "no status yet": (pod(), ("0/1", "", "0")),
    "pending": (pod(phase="Pending"), ("0/1", "Pending", "0")),
    "gated": (
        pod(phase="Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")]),
        ("0/1", "SchedulingGated", "0"),
    ),
    "running": (pod(phase="Running", containerStatuses=[running()]), ("1/1", "Running", "0")),
    "restarted": (
        pod(phase="Running", containerStatuses=[running(restarts=3)]),
        ("1/1", "Running", "3 (2m ago)"),
    ),
    "crash loop": (
        pod(spec=TWO, phase="Running", containerStatuses=[container(waiting=WAITING, restarts=5), running("b")]),
        ("1/2", "CrashLoopBackOff", "5 (2m ago)"),
    ),
    "first container's word counts": (
        pod(spec=TWO, phase="Running", containerStatuses=[ended(code=2), container("b", waiting=WAITING)]),
        ("0/2", "ExitCode:2", "0"),
    ),
    "completed beside a running one": (
        pod(spec=TWO, phase="Running", containerStatuses=[ended(reason="Completed"), running("b")]),
        ("1/2", "NotReady", "0"),
    ),
    "completed beside a running one, ready": (
        pod(
            spec=TWO,
            phase="Running",
            conditions=[condition("Ready")],
            containerStatuses=[ended(reason="Completed"), running("b")],
        ),
        ("1/2", "Running", "0"),
    ),
    "evicted": (pod(phase="Failed", reason="Evicted"), ("0/1", "Evicted", "0")),
    "first init container runs": (
        pod(spec=INIT, phase="Pending", initContainerStatuses=[container("i", running={}), container("j")]),
        ("0/1", "Init:0/2", "0"),
    ),
    "second init container fails": (
        pod(
            spec=INIT,
            phase="Pending",
            initContainerStatuses=[ended("i"), ended("j", 7, restarts=2)],
            containerStatuses=[container(waiting={"reason": "PodInitializing"})],
        ),
        ("0/1", "Init:ExitCode:7", "2 (2m ago)"),
    ),
    "init container waits": (
        pod(spec=INIT, phase="Pending", initContainerStatuses=[container("i", waiting=WAITING)]),
        ("0/1", "Init:CrashLoopBackOff", "0"),
    ),
    "sidecar counts as ready": (
        pod(
            spec=SIDECAR,
            phase="Running",
            initContainerStatuses=[running("i") | {"started": True}],
            containerStatuses=[running()],
        ),
        ("2/2", "Running", "0"),
    ),
    "terminating": (pod(phase="Running", deleted=True, containerStatuses=[running()]), ("1/1", "Terminating", "0")),
    "deleted when done": (pod(phase="Succeeded", deleted=True), ("0/1", "Succeeded", "0")),
    "node lost": (pod(phase="Running", deleted=True, reason="NodeLost"), ("0/1", "Unknown", "0")),
}


@pytest.mark.parametrize(("obj", "shown"), CASES.values(), ids=CASES)
def test_summary(obj: Any, shown: tuple[str, str, str]) -> None:
    assert summary(obj, NOW) == shown
