"""What one pod's worker tells of it: its status, to the API, and that containers are held back, as events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import parse_timestamp
from sampan.kubelet.actions import Action, EnsureImage, StartContainer
from sampan.kubelet.context import NodeContext
from sampan.kubelet.memory import Memory
from sampan.kubelet.observed import Observed
from sampan.kubelet.phase import TERMINAL
from sampan.kubelet.podstatus import known_status, pod_status
from sampan.kubelet.restarts import is_sidecar
from sampan.kubelet.spec import full_name, init_containers
from sampan.kubelet.static.marks import is_static
from sampan.kubelet.steps.workspace import Worker

PASSING = (EnsureImage, StartContainer)
"""What is over in a moment, so that the status in between need not be told."""


class Reporter:
    """`tell(container, type, reason, message)` makes an event. `mirror` is a static pod's image in the API, once there
    is one: its status is told there."""

    def __init__(self, worker: Worker, context: NodeContext, tell: Callable[[str, str, str, str], None]) -> None:
        self._worker = worker
        self._context = context
        self._tell = tell
        self._began = context.clock.monotonic()
        self._reported: Any = None
        self._backed_off: set[str] = set()
        self.mirror: Any = None

    def known_pod(self) -> Any:
        """The pod with the status last worked out here, which the API may not have yet."""
        pod = self._worker.pod
        return msgspec.structs.replace(pod, status=known_status(pod.status, self._reported))

    def phase(self) -> str | None:
        status = self._reported or self._worker.pod.status
        return status.phase if status else None

    def mirrored(self, mirror: Any) -> None:
        """What the API shows of a static pod. None when nothing is shown (any more)."""
        if self.mirror is not None and (mirror is None or mirror.metadata.uid != self.mirror.metadata.uid):
            self._context.publisher.forget(self.mirror.metadata.uid)
        self.mirror = mirror
        if mirror is not None and self._reported is not None:
            self._context.publisher.report(mirror, self._reported)

    def report(self, pod: Any, now: float, to_come: Sequence[Action]) -> None:
        """Works out the status and tells it, unless it is the first moment of something that will be told at its end.

        Starting containers takes a moment, and the pod has been told of before: one write instead of two.
        """
        if self._has_told_all():
            return
        status = self._worked_out(pod, now)
        if self._reported is not None and self._reported.phase == "Pending" and status.phase == "Running":
            self._count_start(now)
        first, self._reported = self._reported is None, status
        shown = self.mirror if is_static(self._worker.pod) else self._worker.pod
        telling = first or not to_come or not all(isinstance(action, PASSING) for action in to_come)
        if telling and shown is not None:
            self._context.publisher.report(shown, status)
        self._tell_backoff(status)

    def _count_start(self, now: float) -> None:
        """The pod runs for the first time."""
        made, memory = self._context.instruments, self._worker.memory
        made.starts.observe(self._context.clock.monotonic() - self._began)
        created = self._worker.pod.metadata.creationTimestamp
        if created:
            total = max(now - parse_timestamp(created), 0.0)
            made.starts_since_creation.observe(total)
            made.starts_by_indicator.observe(max(total - excluded(self._worker.pod, self._worker.seen, memory), 0.0))

    def _has_told_all(self) -> bool:
        memory = self._worker.memory
        if memory.removed or (memory.torn_down and self._reported is not None):
            # Sandboxes are being removed: what is seen now says less than what was reported.
            return True
        # A former kubelet has told all there was to tell, and its containers are gone.
        return self._reported is None and not self._worker.seen.containers and self.phase() in TERMINAL

    def _worked_out(self, pod: Any, now: float) -> Any:
        config, worker = self._context.config, self._worker
        return pod_status(
            pod,
            worker.seen,
            worker.memory,
            now=now,
            backoff=config.crash_backoff,
            host_ips=config.node_ips,
            runtime=self._context.features.name,
        )

    def _tell_backoff(self, status: Any) -> None:
        """Says once for each instance that its successor has to wait."""
        for told in [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]:
            waiting = told.state.waiting
            if waiting is None or waiting.reason != "CrashLoopBackOff" or told.containerID in self._backed_off:
                continue
            self._backed_off.add(told.containerID)
            text = f"Back-off restarting failed container {told.name} in pod {full_name(self._worker.pod)}"
            self._tell(told.name, "Warning", "BackOff", text)


def excluded(pod: Any, seen: Observed, memory: Memory) -> float:
    """Seconds of a pod's start that are nobody's fault: pulling images, running init containers ("pod startup latency
    SLI")."""
    pulling = memory.pulled[1] - memory.pulled[0] if memory.pulled is not None else 0.0
    ended = [seen.latest.get(spec.name) for spec in init_containers(pod) if not is_sidecar(spec)]
    return pulling + sum(max(c.finished - c.started, 0.0) for c in ended if c is not None and c.state == "exited")
