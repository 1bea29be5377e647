"""What is next for a pod on a simulated node: a pure decision from the pod, its behaviour and the time.

    bound --start_seconds--> Running, ready --run_seconds--> exited: Succeeded, Failed, or started again with a back-off
    deleted --stop_seconds or the grace period, whichever is shorter--> gone

A pod held by finalizers is told of as ended before it is deleted, as a kubelet does, so that a Job counts it. Times are
seconds since the epoch. What has happened is read from the pod's status, so a simulation that is started again goes on
where it was; only `since` (when the pod was first seen bound, or first seen deleted) is the caller's to keep.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.aio.clock import parse_timestamp, timestamp
from sampan.testing.nodes.behaviour import Behaviour

FIRST_BACKOFF_SECONDS = 10.0
LONGEST_BACKOFF_SECONDS = 300.0
TERMINATED_BY_SIGNAL = 143
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Report:
    """Patch the pod's status with this."""

    status: dict[str, Any]


@dataclass(frozen=True)
class Remove:
    """Delete the pod for good."""


@dataclass(frozen=True)
class Wait:
    """Nothing before that time."""

    until: float


Step = Report | Remove | Wait | None


def next_step(pod: Any, *, since: float, behaviour: Behaviour, now: float, host: str, address: str) -> Step:
    """`host` and `address` are the node's and the pod's IP, for a status that has none yet."""
    if pod.metadata.deletionTimestamp:
        return _ending(pod, since, behaviour, now)
    if phase_of(pod) in ENDED:
        return None
    states = (pod.status and pod.status.containerStatuses) or ()
    if not states or not pod.status.podIP:
        return _starting(pod, since, behaviour, now, host, address)
    if any(one.state and one.state.waiting for one in states):
        return _after_crash(pod, states, behaviour, now)
    return _running(pod, states, behaviour, now)


def phase_of(pod: Any) -> str:
    return (pod.status.phase if pod.status else None) or "Pending"


def refused(pod: Any, reason: str, message: str) -> Report | None:
    """The pod cannot run at all."""
    if phase_of(pod) in ENDED or pod.metadata.deletionTimestamp:
        return None
    return Report({"phase": "Failed", "reason": reason, "message": message})


def _ending(pod: Any, since: float, behaviour: Behaviour, now: float) -> Step:
    grace = pod.metadata.deletionGracePeriodSeconds or 0
    until = since + min(behaviour.stop_seconds, grace)
    if now < until:
        return Wait(until)
    if pod.metadata.finalizers and phase_of(pod) not in ENDED:
        return Report(_exited(pod, TERMINATED_BY_SIGNAL, now) | {"phase": "Failed"})
    return Remove() if grace else None


def _starting(pod: Any, since: float, behaviour: Behaviour, now: float, host: str, address: str) -> Step:
    if behaviour.waiting_reason:
        shown = pod.status and pod.status.containerStatuses
        return None if shown else Report(_waiting(pod, behaviour.waiting_reason, host, now))
    until = since + behaviour.start_seconds
    if now < until:
        return Wait(until)
    network = {"hostIP": host, "hostIPs": [{"ip": host}], "podIP": address, "podIPs": [{"ip": address}]}
    return Report({"startTime": _started(pod, now), **network, **_up(pod, behaviour, now)})


def _running(pod: Any, states: Any, behaviour: Behaviour, now: float) -> Step:
    if behaviour.run_seconds is not None:
        until = max(_time(one.state.running.startedAt) for one in states if one.state.running) + behaviour.run_seconds
        if now >= until:
            return _exit(pod, states, behaviour.exit_code, now)
        step: Step = Wait(until)
    else:
        step = None
    if behaviour.ready and not is_ready(pod):
        return Report({"conditions": _conditions(True, now)})
    return step


def _exit(pod: Any, states: Any, code: int, now: float) -> Report:
    """All containers end; whether for good is the restart policy's to say."""
    policy = pod.spec.restartPolicy or "Always"
    if policy == "Never" or (policy == "OnFailure" and not code):
        return Report(_exited(pod, code, now) | {"phase": "Failed" if code else "Succeeded"})
    crashed = {"waiting": {"reason": "CrashLoopBackOff", "message": f"the container exited with code {code}"}}
    ended = {"terminated": _terminated(code, states[0].state.running.startedAt, now)}
    containers = [
        _container(one, number, restarts=states[0].restartCount or 0, ready=False, state=crashed) | {"lastState": ended}
        for number, one in enumerate(pod.spec.containers)
    ]
    return Report({"containerStatuses": containers, "conditions": _conditions(False, now)})


def _after_crash(pod: Any, states: Any, behaviour: Behaviour, now: float) -> Step:
    last = states[0].lastState.terminated if states[0].lastState else None
    if last is None:
        return None
    restarts = states[0].restartCount or 0
    until = _time(last.finishedAt) + min(FIRST_BACKOFF_SECONDS * 2.0 ** min(restarts, 60), LONGEST_BACKOFF_SECONDS)
    return Wait(until) if now < until else Report(_up(pod, behaviour, now, restarts=restarts + 1))


def _up(pod: Any, behaviour: Behaviour, now: float, restarts: int = 0) -> dict[str, Any]:
    running = {"running": {"startedAt": timestamp(now)}}
    containers = [
        _container(one, number, restarts=restarts, ready=behaviour.ready, state=running)
        for number, one in enumerate(pod.spec.containers)
    ]
    done = {"terminated": _terminated(0, timestamp(now), now)}
    before = [
        _container(one, number, restarts=0, ready=True, state=done)
        for number, one in enumerate(pod.spec.initContainers or ())
    ]
    status = {"phase": "Running", "conditions": _conditions(behaviour.ready, now), "containerStatuses": containers}
    return status | ({"initContainerStatuses": before} if before else {})


def _waiting(pod: Any, reason: str, host: str, now: float) -> dict[str, Any]:
    waiting = {"waiting": {"reason": reason, "message": "as its annotation asks"}}
    containers = [
        _container(one, number, restarts=0, ready=False, state=waiting)
        for number, one in enumerate(pod.spec.containers)
    ]
    return {
        "phase": "Pending",
        "hostIP": host,
        "startTime": _started(pod, now),
        "conditions": _conditions(False, now),
        "containerStatuses": containers,
    }


def _exited(pod: Any, code: int, now: float) -> dict[str, Any]:
    states = (pod.status and pod.status.containerStatuses) or ()
    since = states[0].state.running.startedAt if states and states[0].state.running else timestamp(now)
    ended = {"terminated": _terminated(code, since, now)}
    containers = [
        _container(one, number, restarts=states[0].restartCount if states else 0, ready=False, state=ended)
        for number, one in enumerate(pod.spec.containers)
    ]
    return {"containerStatuses": containers, "conditions": _conditions(False, now)}


def _container(spec: Any, number: int, *, restarts: int | None, ready: bool, state: dict[str, Any]) -> dict[str, Any]:
    image = spec.image or "none"
    return {
        "name": spec.name,
        "image": image,
        "imageID": f"simulated://{image}",
        "containerID": f"simulated://{number}-{restarts or 0}",
        "ready": ready,
        "started": "running" in state,
        "restartCount": restarts or 0,
        "state": state,
    }


def _terminated(code: int, started: str, now: float) -> dict[str, Any]:
    reason = "Error" if code else "Completed"
    return {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": timestamp(now)}


def _conditions(ready: bool, now: float) -> list[dict[str, str]]:
    shown = [("Initialized", True), ("ContainersReady", ready), ("Ready", ready)]
    return [
        {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": timestamp(now)}
        for kind, holds in shown
    ]


def _started(pod: Any, now: float) -> str:
    return (pod.status.startTime if pod.status else None) or timestamp(now)


def _time(text: str | None) -> float:
    return parse_timestamp(text) if text else 0.0


def is_ready(obj: Any) -> bool:
    """Whether a pod or a node has the condition Ready."""
    conditions = (obj.status.conditions if obj.status else None) or ()
    return any(one.type == "Ready" and one.status == "True" for one in conditions)
