"""What a pod is doing, in one word: the rules behind READY, STATUS and RESTARTS of `kubectl get pods`.

The status starts as the phase, or the reason the pod states. The first init container that has not done its part
replaces it by `Init:...`; else the containers, last to first, replace it by why they wait or ended, so that the first
container's word counts. A pod being deleted is Terminating, or Unknown when its node cannot be reached.
"""

from __future__ import annotations

from typing import Any

from sampan.api.tables.cells import at, is_true, since

TERMINAL = ("Succeeded", "Failed")


def summary(pod: Any, now: float) -> tuple[str, str, str]:
    """(ready, status, restarts), such as ("1/2", "CrashLoopBackOff", "5 (2m ago)")."""
    sidecars = {c.name for c in at(pod, "spec.initContainers", []) if c.restartPolicy == "Always"}
    total = len(at(pod, "spec.containers", [])) + len(sidecars)
    init = _Init(pod, sidecars)
    status, ready, restarts = init.status or _phase(pod), init.ready, init.restarts
    if not init.status or is_true(pod, "Initialized"):
        main = _Main(pod, status)
        status, ready = main.status, ready + main.ready
        restarts = init.sidecar_restarts
        restarts.join(main.restarts)
    if at(pod, "metadata.deletionTimestamp"):
        if at(pod, "status.reason") == "NodeLost":
            status = "Unknown"
        elif at(pod, "status.phase") not in TERMINAL:
            status = "Terminating"
    return f"{ready}/{total}", status, restarts.text(now)


def _phase(pod: Any) -> str:
    if any(c.type == "PodScheduled" and c.reason == "SchedulingGated" for c in at(pod, "status.conditions", [])):
        return "SchedulingGated"
    return at(pod, "status.reason") or at(pod, "status.phase", "")


class _Restarts:
    """How often, and when last (RFC 3339 texts of one length compare as times do)."""

    def __init__(self) -> None:
        self.count = 0
        self.last = ""

    def add(self, status: Any) -> None:
        self.count += status.restartCount or 0
        self.last = max(self.last, at(status, "lastState.terminated.finishedAt", ""))

    def join(self, other: _Restarts) -> None:
        self.count += other.count
        self.last = max(self.last, other.last)

    def text(self, now: float) -> str:
        return f"{self.count} ({since(self.last, now)} ago)" if self.count and self.last else str(self.count)


class _Init:
    """The init containers up to the first that holds the pod up; `status` is "" when none does."""

    def __init__(self, pod: Any, sidecars: set[str]) -> None:
        self.status, self.ready = "", 0
        self.restarts, self.sidecar_restarts = _Restarts(), _Restarts()
        for index, status in enumerate(at(pod, "status.initContainerStatuses", [])):
            sidecar = status.name in sidecars
            self.restarts.add(status)
            if sidecar:
                self.sidecar_restarts.add(status)
            terminated = at(status, "state.terminated")
            if terminated is not None and not terminated.exitCode:
                continue
            if sidecar and status.started:
                self.ready += bool(status.ready)
                continue
            self.status = self._held_up(status, terminated, f"{index}/{len(at(pod, 'spec.initContainers', []))}")
            return

    @staticmethod
    def _held_up(status: Any, terminated: Any, progress: str) -> str:
        if terminated is not None:
            return f"Init:{_ended(terminated)}"
        waiting = at(status, "state.waiting.reason", "")
        return f"Init:{waiting if waiting and waiting != 'PodInitializing' else progress}"


class _Main:
    """The app containers: how many are ready and what the first that does not run says."""

    def __init__(self, pod: Any, status: str) -> None:
        self.status, self.ready, self.restarts = status, 0, _Restarts()
        running = False
        for container in reversed(at(pod, "status.containerStatuses", [])):
            self.restarts.add(container)
            waiting, terminated = at(container, "state.waiting.reason"), at(container, "state.terminated")
            if waiting:
                self.status = waiting
            elif terminated is not None:
                self.status = _ended(terminated)
            elif container.ready and at(container, "state.running") is not None:
                running = True
                self.ready += 1
        if self.status == "Completed" and running:
            self.status = "Running" if is_true(pod, "Ready") else "NotReady"


def _ended(terminated: Any) -> str:
    if terminated.reason:
        return str(terminated.reason)
    return f"Signal:{terminated.signal}" if terminated.signal else f"ExitCode:{terminated.exitCode or 0}"
