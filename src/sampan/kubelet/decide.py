"""What to do next for a pod: a pure function of its spec, the runtime's state, the worker's memory and the time.

It is called after every change and after every action, and each time answers with the next step towards where the pod
should be, from wherever it is now. Nothing is remembered from the last call, so a crash between any two steps is just
another place to start from. The way up is

    volumes -> sandbox -> init containers and sidecars in their order -> app containers in theirs

where an image must be there before its container starts and a postStart hook must end before the next one does; the
way down is

    app containers -> sidecars, last first -> volumes -> sandbox -> the object

(where the sandbox of a pod that stays for its logs is stopped before its volumes go, and removed later).

A sandbox that died takes the pod back to a new sandbox: its init containers run again, its app containers as their
restart policy says. ("Pod Lifecycle", "Init Containers", "Sidecar Containers", "Container Lifecycle Hooks" in
upstream's docs.)
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.kubelet.actions import (
    Action,
    CreateSandbox,
    EnsureImage,
    Finish,
    Plan,
    RemoveContainer,
    RemoveSandbox,
    Resize,
    RunPreStop,
    SetUpVolumes,
    StartContainer,
    StopContainer,
    StopSandbox,
    TearDown,
)
from sampan.kubelet.memory import Ending, Failure, ImageReady, Memory
from sampan.kubelet.observed import Container, Observed
from sampan.kubelet.resize.decide import needs_restart, pod_unset, unset
from sampan.kubelet.restarts import CrashBackoff, is_sidecar, restarts, restarts_all, wanted_round
from sampan.kubelet.spec import (
    app_containers,
    container_by_name,
    ephemeral_containers,
    grace_seconds,
    init_containers,
    pre_stop,
    spec_hash,
)

PREVIOUS_INSTANCES = 1
"""How many ended instances are kept beside the newest, for lastState and `kubectl logs --previous`."""
SHORTEST_GRACE = 2.0
"""Seconds a container gets to end however little is left of the pod's grace (upstream's minimum)."""


def decide(pod: Any, seen: Observed, memory: Memory, now: float, backoff: CrashBackoff) -> Plan:
    """The next actions, and the time to look again if nothing happens."""
    decision = Decision(pod, seen, memory, now, backoff)
    if memory.ending is not None:
        actions = list(decision.end(memory.ending))
    elif decision.is_finished():
        actions = list(decision.settle())
    else:
        actions = list(decision.run())
    return Plan(actions=tuple(actions), wake_at=decision.wake_at)


def is_finished(pod: Any, seen: Observed, backoff: CrashBackoff) -> bool:
    """Whether the pod has run to its end by itself: nothing in it is to run (again)."""
    return Decision(pod, seen, Memory(), 0.0, backoff).is_finished()


class Decision:
    """One call of `decide`: its inputs, and the earliest time at which the answer would change."""

    def __init__(self, pod: Any, seen: Observed, memory: Memory, now: float, backoff: CrashBackoff) -> None:
        self.pod = pod
        self.seen = seen
        self.memory = memory
        self.now = now
        self.backoff = backoff
        self.round = wanted_round(pod, seen)
        self.wake_at: float | None = None

    # The way up.

    def run(self) -> Iterator[Action]:
        deadline = deadline_of(self.pod)
        if deadline is not None:
            # Ending the pod then is the worker's; here only the time is noted.
            self._reached(deadline)
        if not self.memory.volumes_ready:
            if self._due(self.memory.volumes):
                yield SetUpVolumes()
            return
        sandbox = self.seen.sandbox
        if sandbox is None or not sandbox.ready:
            yield from self._new_sandbox()
            return
        yield from self._clear_old_sandboxes(sandbox.id)
        yield from self._clear_old_instances()
        yield from self._run_ephemeral()
        if (yield from self._end_round()):
            return
        if (yield from self._initialize()):
            yield from self._run_apps()
        yield from self._resize()

    def _new_sandbox(self) -> Iterator[Action]:
        """Ends what still runs in a broken sandbox, then makes the next one."""
        sandbox = self.seen.sandbox
        alive = [container for container in self.seen.containers if container.alive]
        for container in alive:
            yield from self._stop(container, "Pod sandbox changed, it will be killed and re-created.")
        if alive:
            return
        if self._due(self.memory.sandbox):
            if sandbox is not None:
                # Its network must be given back before the next sandbox takes the pod's host ports.
                yield StopSandbox(sandbox.id)
            yield CreateSandbox(sandbox.attempt + 1 if sandbox else 0)

    def _end_round(self) -> Generator[Action, None, bool]:
        """Kills what is left of a round that is to be followed by another; returns whether that has to wait.

        Neither hooks nor grace: the pod does not end, it begins anew (KEP-5532).
        """
        cause = self.round.cause
        if cause is None:
            return False
        names = {spec.name for spec in ephemeral_containers(self.pod)}
        alive = [container for container in self.seen.containers if container.alive and container.name not in names]
        for container in alive:
            yield from self._stop(container, f"Container {cause.name} restarts all containers of the pod", grace=0.0)
        return bool(alive) or not self._reached(cause.finished + self.backoff.next_delay(cause))

    def _current(self, name: str) -> Container | None:
        """The newest instance, if it is in the newest sandbox and of the round that is to run."""
        container = self.seen.current(name)
        return container if self.round.includes(container) else None

    def _initialize(self) -> Generator[Action, None, bool]:
        """Runs init containers and sidecars; returns whether app containers may run."""
        inits = init_containers(self.pod)
        started_apps = any(self._current(container.name) for container in app_containers(self.pod))
        for spec in inits:
            container = self._current(spec.name)
            if is_sidecar(spec):
                yield from self._keep_running(spec, container)
                if not started_apps and not self._is_started(spec, container):
                    return False
            elif started_apps or succeeded(container):
                continue
            elif container is None or container.state == "created":
                yield from self._start(spec, self._delay_of_round(self.seen.latest.get(spec.name)))
                return False
            elif container.alive:
                return False
            else:
                # is_finished has let it pass, so its policy is to try again.
                yield from self._start_after(spec, container)
                return False
        return True

    def _run_ephemeral(self) -> Iterator[Action]:
        """Each once, whatever the others do."""
        for spec in ephemeral_containers(self.pod):
            before = self.seen.latest.get(spec.name)
            if before is None or before.state == "created":
                yield from self._start(spec)

    def _run_apps(self) -> Iterator[Action]:
        for spec in app_containers(self.pod):
            container = self._current(spec.name)
            yield from self._keep_running(spec, container)
            if container is not None and container.id in self.memory.hooks:
                return

    def _keep_running(self, spec: Any, container: Container | None) -> Iterator[Action]:
        if container is None or container.state == "created":
            before = self.seen.latest.get(spec.name)
            if before is None or before.state != "exited" or self._runs_again(spec, before):
                yield from self._start(spec, self._delay_of_round(before))
        elif container.alive:
            reason = self._reason_to_restart(spec, container)
            if reason:
                yield from self._stop(container, reason)
        elif self._restarts(spec, container):
            yield from self._start_after(spec, container)

    def _restarts(self, spec: Any, ended: Container) -> bool:
        return restarts(self.pod, spec, ended)

    def _runs_again(self, spec: Any, ended: Container) -> bool:
        return not self.round.includes(ended) or self._restarts(spec, ended)

    def _delay_of_round(self, before: Container | None) -> float | None:
        """What a container that began this round has waited for; None for the others, who only come along."""
        spec = container_by_name(self.pod, before.name) if before is not None else None
        if before is None or self.round.includes(before) or spec is None or not restarts_all(spec, before):
            return None
        return self.backoff.next_delay(before)

    def _reason_to_restart(self, spec: Any, container: Container) -> str:
        probes = self.memory.probes.get(container.id)
        if container.id in self.memory.failed_hooks:
            return "FailedPostStartHook"
        if container.spec_hash and container.spec_hash != spec_hash(spec):
            return f"Container {spec.name} definition changed, will be restarted"
        if self._resize_restarts(spec, container):
            return f"Container {spec.name} resize requires restart"
        if probes is not None and probes.liveness is False:
            return f"Container {spec.name} failed liveness probe, will be restarted"
        if probes is not None and probes.startup is False:
            return f"Container {spec.name} failed startup probe, will be restarted"
        return ""

    def _resize_restarts(self, spec: Any, container: Container) -> bool:
        names = [names for _, other, names in unset(self.pod, self.seen, self.memory) if other.id == container.id]
        return bool(names) and needs_restart(spec, names[0])

    def _resize(self) -> Iterator[Action]:
        differing = [d for d in unset(self.pod, self.seen, self.memory) if not needs_restart(d[0], d[2])]
        if (differing or pod_unset(self.pod, self.memory)) and self._due(self.memory.resize_error):
            yield Resize()

    def _start_after(self, spec: Any, ended: Container) -> Iterator[Action]:
        delay = self.backoff.next_delay(ended)
        if self._reached(ended.finished + delay):
            yield from self._start(spec, delay)

    def _start(self, spec: Any, delay: float | None = None) -> Iterator[Action]:
        before = self.seen.latest.get(spec.name)
        if before is not None and before.state == "created":
            # It was made and never started: a kubelet died in between, or the start failed.
            yield RemoveContainer(before.id)
            instances = self.seen.instances(spec.name)
            before = instances[1] if len(instances) > 1 else None
        image = self.memory.images.get(spec.name)
        if isinstance(image, ImageReady):
            if self._due(self.memory.failures.get(spec.name)):
                restart_count = before.restarts + 1 if before else 0
                waited = 0.0 if before and delay is None else delay
                yield StartContainer(spec.name, restart_count, waited, self.round.number)
        elif image is None or (isinstance(image, Failure) and self._due(image)):
            yield EnsureImage(spec.name)

    def _is_started(self, spec: Any, container: Container | None) -> bool:
        """Whether a sidecar has come far enough for the next container to start."""
        if container is None or not container.alive or container.id in self.memory.hooks:
            return False
        probes = self.memory.probes.get(container.id)
        return spec.startupProbe is None or (probes is not None and probes.startup is True)

    # Clearing away.

    def _clear_old_sandboxes(self, current: str) -> Iterator[Action]:
        """Removes former sandboxes once the newest has an instance of all they held, so that no count is lost."""
        for sandbox in self.seen.sandboxes[1:]:
            held = [container for container in self.seen.containers if container.sandbox_id == sandbox.id]
            if all(self.seen.latest[container.name].sandbox_id == current for container in held):
                yield RemoveSandbox(sandbox.id)

    def _clear_old_instances(self) -> Iterator[Action]:
        for name in self.seen.latest:
            ended = [container for container in self.seen.instances(name)[1:] if container.state == "exited"]
            for container in ended[PREVIOUS_INSTANCES:]:
                yield RemoveContainer(container.id)

    # Finished by itself.

    def is_finished(self) -> bool:
        if self.pod.status is not None and self.pod.status.phase in ("Succeeded", "Failed"):
            return True
        if self.round.cause is not None:
            return False
        if self._init_failed():
            return True
        ended = [self.seen.latest.get(spec.name) for spec in app_containers(self.pod)]
        if not ended or any(container is None or container.state != "exited" for container in ended):
            return False
        pairs = zip(app_containers(self.pod), ended, strict=True)
        return not any(container and self._runs_again(spec, container) for spec, container in pairs)

    def _init_failed(self) -> bool:
        for spec in init_containers(self.pod):
            container = self.seen.latest.get(spec.name)
            if container is None or not self.round.includes(container):
                continue
            if is_sidecar(spec) or container.state != "exited" or not container.exit_code:
                continue
            if not restarts(self.pod, spec, container, init=True):
                return True
        return False

    def settle(self) -> Iterator[Action]:
        """Ends sidecars and the sandbox of a pod that has run; its ended containers stay for their logs."""
        if (yield from self._stop_all(grace_seconds(self.pod), self.now)):
            return
        for sandbox in self.seen.sandboxes:
            if sandbox.ready:
                yield StopSandbox(sandbox.id)
                return
        yield from self._give_back()

    def _give_back(self) -> Iterator[Action]:
        """What an ended pod holds; of its containers and their logs only when the disk is short."""
        if not self.memory.torn_down:
            yield TearDown()
        elif self.memory.space_needed or self._is_leaving():
            for sandbox in self.seen.sandboxes:
                yield RemoveSandbox(sandbox.id)

    # The way down.

    def end(self, ending: Ending) -> Iterator[Action]:
        if (yield from self._stop_all(ending.grace, ending.since)):
            return
        ready = [sandbox for sandbox in self.seen.sandboxes if sandbox.ready]
        if ready and not self._is_leaving():
            for sandbox in ready:
                yield StopSandbox(sandbox.id)
            return
        # One that leaves is not stopped first: to remove it does both, and takes its network away once.
        yield from self._give_back()
        if self.memory.torn_down and self._is_leaving() and not self.seen.sandboxes:
            yield Finish()

    def _is_leaving(self) -> bool:
        return self.memory.removed or self.pod.metadata.deletionTimestamp is not None

    def _stop_all(self, grace: float, since: float) -> Generator[Action, None, bool]:
        """Stops app and init containers, then sidecars one by one; returns whether anything may still run."""
        alive = [container for container in self.seen.containers if container.alive]
        sidecars = [spec.name for spec in init_containers(self.pod) if is_sidecar(spec)]
        others = [container for container in alive if container.name not in sidecars]
        last = sorted(alive, key=lambda c: sidecars.index(c.name) if c.name in sidecars else -1)[-1:]
        left = max(since + grace - self.now, SHORTEST_GRACE if grace else 0.0)
        for container in others or last:
            yield from self._stop(container, f"Stopping container {container.name}", grace=left)
        yield from self._pre_stop([container for container in alive if container not in (others or last)])
        return bool(alive)

    def _pre_stop(self, waiting: list[Container]) -> Iterator[Action]:
        """Hooks run at the beginning of the end; their sidecars stop when it is their turn (KEP-753)."""
        for container in waiting:
            spec = container_by_name(self.pod, container.name)
            if container.id not in self.memory.prestopped and spec is not None and pre_stop(spec) is not None:
                yield RunPreStop(container.id, container.name)

    def _stop(self, container: Container, message: str, grace: float | None = None) -> Iterator[Action]:
        if container.id in self.memory.stopping:
            return
        spec = container_by_name(self.pod, container.name)
        seconds = grace_seconds(self.pod, spec, self.memory.probes.get(container.id)) if grace is None else grace
        yield StopContainer(container.id, container.name, seconds, message)

    def _due(self, failure: Failure | None) -> bool:
        return failure is None or self._reached(failure.retry_at)

    def _reached(self, at: float) -> bool:
        """Whether `at` is past; if not, asks to be woken then."""
        if at <= self.now:
            return True
        self.wake_at = at if self.wake_at is None else min(self.wake_at, at)
        return False


def succeeded(container: Container | None) -> bool:
    return container is not None and container.state == "exited" and container.exit_code == 0


def deadline_of(pod: Any) -> float | None:
    """When activeDeadlineSeconds is over, in seconds since the epoch; None without one or before the start."""
    seconds = pod.spec.activeDeadlineSeconds
    start = pod.status.startTime if pod.status else None
    return parse_timestamp(start) + seconds if seconds is not None and start else None
