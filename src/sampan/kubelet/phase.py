"""A pod's phase, from its containers' statuses: pure ("Pod Lifecycle", pod phase)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.kubelet.restarts import is_sidecar
from sampan.kubelet.spec import init_containers

TERMINAL = ("Succeeded", "Failed")


def phase_of(pod: Any, init: Sequence[Any], apps: Sequence[Any], *, over: bool, again: bool = False) -> str:
    """`init` and `apps` are the container statuses in the spec's order; `over` when the pod was made to end and has;
    `again` when all its containers restart together (KEP-5532)."""
    known = pod.status.phase if pod.status else None
    if known in TERMINAL:
        return known
    if over:
        return "Succeeded" if apps and all(exit_code(status) == 0 for status in apps) else "Failed"
    if again and not any(status.state.running or status.state.terminated for status in apps):
        return "Pending"
    specs = init_containers(pod)
    plain = [status for spec, status in zip(specs, init, strict=True) if not is_sidecar(spec)]
    if any(failed_for_good(status) for status in plain):
        return "Failed"
    started = any(status.state.running or ended(status) for status in apps)
    if not started and any(exit_code(status) != 0 for status in plain):
        return "Pending"
    return app_phase(pod, apps)


def app_phase(pod: Any, apps: Sequence[Any]) -> str:
    if any(never_ran(status) for status in apps):
        return "Pending"
    if any(status.state.running or status.state.waiting for status in apps):
        return "Running"
    if all(exit_code(status) == 0 for status in apps):
        return "Succeeded"
    return "Failed"


def never_ran(status: Any) -> bool:
    return status.state.waiting is not None and status.lastState.terminated is None


def failed_for_good(status: Any) -> bool:
    return status.state.terminated is not None and status.state.terminated.exitCode != 0


def ended(status: Any) -> bool:
    return status.state.terminated is not None or status.lastState.terminated is not None


def exit_code(status: Any) -> int | None:
    """Of a container that has ended and does not wait to run again."""
    return status.state.terminated.exitCode if status.state.terminated is not None else None
