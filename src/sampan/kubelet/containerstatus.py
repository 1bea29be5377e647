"""The `containerStatuses` of a pod, from what was observed and remembered: pure.

A container that is to run (again) but does not is "waiting", with the reason people look for: ContainerCreating,
PodInitializing, ErrImagePull, ImagePullBackOff, CreateContainerConfigError, CrashLoopBackOff, ... (API reference,
ContainerStatus).
"""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import core_v1
from sampan.kubelet.features import CONTAINERD
from sampan.kubelet.memory import Failure, Memory
from sampan.kubelet.observed import Container, Observed
from sampan.kubelet.resize.amounts import amounts, replaced
from sampan.kubelet.resize.decide import set_amounts
from sampan.kubelet.restarts import CrashBackoff, is_sidecar, restarts, wanted_round
from sampan.kubelet.spec import all_containers, ephemeral_containers, full_name, init_containers, stop_signal
from sampan.kubelet.volumestatus import user, volume_mounts

ERROR_SHOWN_SECONDS = 3.0
"""How long a failed pull shows as itself before it shows as being backed off from."""
MESSAGE_BYTES = 12 << 10
"""What the last words of all containers of a pod may have together; each has an equal part."""
ENDED = ("RunContainerError", "PostStartHookError")
"""Failures of containers that were made: what they wait for is their back-off."""
BACKED_OFF = dict.fromkeys(("ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"), "ImagePullBackOff")


class ContainerStatuses:
    """Builds the status of each container of one pod at one time."""

    def __init__(
        self,
        pod: Any,
        seen: Observed,
        memory: Memory,
        now: float,
        backoff: CrashBackoff,
        done: bool,
        runtime: str = CONTAINERD,
    ) -> None:
        self.pod = pod
        self.seen = seen
        self.memory = memory
        self.now = now
        self.backoff = backoff
        self.runtime = runtime
        self.done = done
        """The pod is over: nothing in it waits any more."""
        self.round = wanted_round(pod, seen)
        self.known = {known.name: known for known in known_statuses(pod)} if done else {}
        """What was told of them before, for a pod that is over: its containers may be gone to make room."""
        self.words = MESSAGE_BYTES // max(len(all_containers(pod)) + len(ephemeral_containers(pod)), 1)

    def of(self, spec: Any, *, init: bool = False) -> Any:
        instances = self.seen.instances(spec.name)
        latest = instances[0] if instances and instances[0].state != "created" else None
        if instances and latest is None:
            instances = instances[1:]
            latest = instances[0] if instances else None
        if latest is None and ended_before(self.known.get(spec.name)):
            return self.known[spec.name]
        previous = instances[1] if len(instances) > 1 else None
        state, last = self._states(spec, latest, previous, init)
        started = latest is not None and state.running is not None and self.is_started(spec, latest)
        plain_init = init and not is_sidecar(spec)
        return core_v1.ContainerStatus(
            name=spec.name,
            image=(latest.image if latest else "") or spec.image or "",
            imageID=latest.image_id if latest else "",
            containerID=self._id(latest) if latest else None,
            restartCount=latest.restarts if latest else 0,
            state=state,
            lastState=last or core_v1.ContainerState(),
            started=bool(started),
            resources=self._resources(spec, latest),
            allocatedResources=(spec.resources.requests if spec.resources else None) or None,
            ready=has_succeeded(state) if plain_init else bool(started and self._is_ready(spec, latest)),
            volumeMounts=volume_mounts(spec, latest),
            user=user(latest),
            stopSignal=self._stop_signal(spec, latest),
        )

    def _stop_signal(self, spec: Any, latest: Container | None) -> str | None:
        """The one of the container's own, where it is what the container gets (KEP-4960): see `cri.tasks`."""
        heeded = latest is not None and self.runtime == CONTAINERD
        return stop_signal(spec) or None if heeded else None

    def _resources(self, spec: Any, latest: Container | None) -> Any:
        """What is set on a running container; what would be on any other."""
        there = set_amounts(latest, self.memory) if latest is not None and latest.state == "running" else None
        return replaced(spec.resources, there or amounts(spec.resources))

    def of_ephemeral(self, spec: Any) -> Any:
        """Of a container that runs once and is no part of the pod's readiness."""
        latest = self.seen.latest.get(spec.name)
        if latest is not None and latest.state == "created":
            latest = None
        if latest is None and ended_before(self.known.get(spec.name)):
            return self.known[spec.name]
        state = (
            self._waiting(spec, False)
            if latest is None
            else running(latest)
            if latest.alive
            else self._terminated(latest)
        )
        return core_v1.ContainerStatus(
            name=spec.name,
            image=(latest.image if latest else "") or spec.image or "",
            imageID=latest.image_id if latest else "",
            containerID=self._id(latest) if latest else None,
            restartCount=0,
            state=state,
            lastState=core_v1.ContainerState(),
            ready=False,
            volumeMounts=volume_mounts(spec, latest),
            user=user(latest),
        )

    def is_started(self, spec: Any, container: Container) -> bool:
        if container.id in self.memory.hooks:
            return False
        probes = self.memory.probes.get(container.id)
        return spec.startupProbe is None or (probes is not None and probes.startup is True)

    def _is_ready(self, spec: Any, container: Container | None) -> bool:
        if spec.readinessProbe is None or container is None:
            return True
        probes = self.memory.probes.get(container.id)
        return probes is not None and probes.readiness is True

    def _states(self, spec: Any, latest: Container | None, previous: Container | None, init: bool) -> tuple[Any, Any]:
        """The state, and the last state if there is one."""
        before = self._terminated(previous) if previous is not None and previous.state == "exited" else None
        if latest is None:
            return (lost(self.seen) if self.done else self._waiting(spec, init)), before
        if latest.alive and latest.id in self.memory.hooks:
            return waiting("ContainerCreating"), before
        if latest.alive:
            return running(latest), before
        if self._will_restart(spec, latest, init):
            return self._waiting(spec, init, latest), self._terminated(latest)
        return self._terminated(latest), before

    def _terminated(self, container: Container) -> Any:
        return terminated(container, self.words, self.runtime)

    def _id(self, container: Container | None) -> str | None:
        return f"{self.runtime}://{container.id}" if container is not None else None

    def _will_restart(self, spec: Any, ended: Container, init: bool) -> bool:
        if self.done or self.memory.ending is not None:
            return False
        if not self.round.includes(ended):
            return True
        if init and ended.exit_code == 0 and not is_sidecar(spec):
            return False
        return restarts(self.pod, spec, ended, init=init)

    def _waiting(self, spec: Any, init: bool, ended: Container | None = None) -> Any:
        failure = self.memory.images.get(spec.name)
        if not isinstance(failure, Failure):
            failure = self.memory.failures.get(spec.name)
        delay = self.backoff.next_delay(ended) if ended is not None else 0.0
        backs_off = ended is not None and ended.finished + delay > self.now
        # One that could not be started has ended too: its back-off is what it waits for.
        if failure is not None and not (backs_off and failure.reason in ENDED):
            return self._failed(spec, failure)
        if backs_off:
            text = f"back-off {duration(delay)} restarting failed container={spec.name} pod={full_name(self.pod)}"
            return waiting("CrashLoopBackOff", text)
        return waiting("PodInitializing" if init_containers(self.pod) else "ContainerCreating")

    def _failed(self, spec: Any, failure: Failure) -> Any:
        shown = BACKED_OFF.get(failure.reason)
        if shown is None or self.now < failure.at + ERROR_SHOWN_SECONDS:
            return waiting(failure.reason, failure.message)
        return waiting(shown, f'Back-off pulling image "{spec.image}": {failure.reason}: {failure.message}')


def known_statuses(pod: Any) -> list[Any]:
    status = pod.status or core_v1.PodStatus()
    lists = (status.initContainerStatuses, status.containerStatuses, status.ephemeralContainerStatuses)
    return [known for listed in lists for known in listed or ()]


def ended_before(known: Any | None) -> bool:
    return known is not None and known.state is not None and known.state.terminated is not None


def has_succeeded(state: Any) -> bool:
    return state.terminated is not None and state.terminated.exitCode == 0


def running(container: Container) -> Any:
    since = timestamp(container.started or container.created)
    return core_v1.ContainerState(running=core_v1.ContainerStateRunning(startedAt=since))


def waiting(reason: str, message: str | None = None) -> Any:
    return core_v1.ContainerState(waiting=core_v1.ContainerStateWaiting(reason=reason, message=message))


def terminated(container: Container, most: int, runtime: str) -> Any:
    """The state of an ended instance of that runtime's, with at most `most` bytes of its last words.

    `Completed` and `Error` when the runtime gives no reason.
    """
    state = core_v1.ContainerStateTerminated(
        exitCode=container.exit_code,
        reason=container.reason or ("Error" if container.exit_code else "Completed"),
        message=container.message.encode()[:most].decode(errors="ignore") or None,
        startedAt=timestamp(container.started or container.created),
        finishedAt=timestamp(container.finished),
        containerID=f"{runtime}://{container.id}",
    )
    return core_v1.ContainerState(terminated=state)


def lost(seen: Observed) -> Any:
    """The state of a container that never ran, or that the runtime has forgotten, in a pod that is over."""
    if seen.sandboxes:
        return waiting("ContainerCreating")
    message = "The container could not be located when the pod was terminated"
    return core_v1.ContainerState(
        terminated=core_v1.ContainerStateTerminated(exitCode=137, reason="ContainerStatusUnknown", message=message)
    )


def duration(seconds: float) -> str:
    """As Go prints a duration: `10s`, `1m20s`, `5m0s`."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
