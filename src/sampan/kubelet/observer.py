"""Asking the runtime about a pod, at the price of what changed.

A full look is two lists, filtered by the pod's uid, which cost the runtime something for every container it has. What
cannot change any more is asked once: the status of an ended or running container, the address of a ready sandbox. What
a step of ours has just made, or an event tells of, is asked for alone, and what it has stopped or removed not at all.

With cgroup v2 a runtime may miss that want of memory ended a container: it watches a cgroup that goes with it. Then the
pod's own cgroup still tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from sampan.cri.errors import RuntimeNotFound
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet import labels
from sampan.kubelet.observed import NOTHING, Container, ContainerState, Observed, Sandbox
from sampan.kubelet.termination import termination_message

STATES: dict[int, ContainerState] = {0: "created", 1: "running", 2: "exited", 3: "unknown"}
NANO = 1e-9
KILLED, OOM = 137, "OOMKilled"


class Observer:
    """Sees one pod; `log_folder` holds its containers' logs, for termination messages; `kills()` says how many of its
    processes the kernel has killed for want of memory, `killed` which containers are known to have ended so."""

    def __init__(
        self,
        runtime: Runtime,
        uid: str,
        log_folder: Path,
        *,
        kills: Callable[[], int] = lambda: 0,
        killed: frozenset[str] = frozenset(),
    ) -> None:
        self._runtime = runtime
        self._selector = {labels.POD_UID: uid}
        self._log_folder = log_folder
        self._count_kills = kills
        self._kills = kills()
        self._killed = killed
        self._ended: dict[str, Container] = {}
        self._started: dict[str, Container] = {}
        self._ips: dict[str, tuple[str, ...]] = {}
        self.seen = NOTHING

    async def observe(self) -> None:
        """Looks at all of the pod; raises RuntimeFailure."""
        sandboxes = [await self._sandbox(item) for item in await self._runtime.list_sandboxes(self._selector)]
        listed = await self._runtime.list_containers(self._selector)
        found = [await self._container(item) for item in listed]
        containers = [container for container in found if container is not None]
        self._count(containers)
        self._forget({container.id for container in containers}, {sandbox.id for sandbox in sandboxes})
        self._sees(sandboxes, containers)

    async def refresh(self, told: Collection[str]) -> bool:
        """Looks at those of the pod's containers alone; False, having seen nothing, when that would not do.

        What is not known is gone by now: all that is made is seen before the next look. Raises RuntimeFailure.
        """
        if any(sandbox.ready and sandbox.id in told for sandbox in self.seen.sandboxes):
            return False
        known = [container for container in self.seen.containers if container.alive and container.id in told]
        try:
            fresh = {container.id: await self._again(container) for container in known}
        except RuntimeNotFound:
            return False
        self._count(fresh.values())
        self._sees(self.seen.sandboxes, [fresh.get(container.id, container) for container in self.seen.containers])
        return True

    async def _again(self, container: Container) -> Container:
        status = await self._runtime.container_status(container.id)
        return self._remembered(seen_container(container.sandbox_id, status, self._log_folder))

    def _count(self, containers: Iterable[Container]) -> None:
        """What was killed by now is no news for the next that ends."""
        if any(container.exit_code == KILLED for container in containers):
            self._kills = self._count_kills()

    async def made_sandbox(self, sandbox_id: str) -> None:
        """Adds what we have just made; raises RuntimeFailure."""
        status = await self._runtime.sandbox_status(sandbox_id)
        ips = addresses(status)
        if ips:
            self._ips[sandbox_id] = ips
        sandbox = self._seen_sandbox(status, status.state == pb.SANDBOX_READY, ips)
        self._sees([sandbox, *self.seen.sandboxes], self.seen.containers)

    async def started_container(self, container_id: str, sandbox_id: str) -> None:
        """Adds what we have just started; raises RuntimeFailure."""
        status = await self._runtime.container_status(container_id)
        container = self._remembered(seen_container(sandbox_id, status, self._log_folder))
        self._sees(self.seen.sandboxes, [container, *self.seen.containers])

    def stopped_sandbox(self, sandbox_id: str) -> None:
        """We have stopped a sandbox in which nothing ran any more."""
        stopped = [replace(s, ready=False) if s.id == sandbox_id else s for s in self.seen.sandboxes]
        self._sees(stopped, self.seen.containers)

    def removed_sandbox(self, sandbox_id: str) -> None:
        """We have removed a sandbox with its containers."""
        self._sees(
            [sandbox for sandbox in self.seen.sandboxes if sandbox.id != sandbox_id],
            [container for container in self.seen.containers if container.sandbox_id != sandbox_id],
        )

    def _sees(self, sandboxes: Iterable[Sandbox], containers: Iterable[Container]) -> None:
        self.seen = Observed(
            sandboxes=tuple(sorted(sandboxes, key=lambda s: (-s.attempt, -s.created))),
            containers=tuple(sorted(containers, key=lambda c: (-c.restarts, -c.created))),
        )

    async def _sandbox(self, item: Any) -> Sandbox:
        ready = item.state == pb.SANDBOX_READY
        if item.id not in self._ips:
            ips = await self._sandbox_ips(item.id)
            if not ips:
                return self._seen_sandbox(item, ready, ())
            self._ips[item.id] = ips
        return self._seen_sandbox(item, ready, self._ips[item.id])

    @staticmethod
    def _seen_sandbox(item: Any, ready: bool, ips: tuple[str, ...]) -> Sandbox:
        return Sandbox(
            id=item.id,
            ready=ready,
            created=item.created_at * NANO,
            attempt=item.metadata.attempt,
            ips=ips,
            handler=item.runtime_handler,
        )

    async def _sandbox_ips(self, sandbox_id: str) -> tuple[str, ...]:
        try:
            return addresses(await self._runtime.sandbox_status(sandbox_id))
        except RuntimeNotFound:
            return ()

    async def _container(self, item: Any) -> Container | None:
        """None when it was removed meanwhile."""
        known = self._ended.get(item.id)
        if known is not None:
            return known
        running = self._started.get(item.id)
        if running is not None and item.state == pb.CONTAINER_RUNNING:
            return running
        try:
            status = await self._runtime.container_status(item.id)
        except RuntimeNotFound:
            return None
        return self._remembered(seen_container(item.pod_sandbox_id, status, self._log_folder))

    def _remembered(self, container: Container) -> Container:
        if container.state == "exited":
            if container.exit_code == KILLED and (container.id in self._killed or self._count_kills() > self._kills):
                container = replace(container, reason=OOM)
            self._ended[container.id] = container
        elif container.state == "running":
            self._started[container.id] = container
        return container

    def _forget(self, containers: set[str], sandboxes: set[str]) -> None:
        for cache, present in ((self._ended, containers), (self._started, containers), (self._ips, sandboxes)):
            for gone in cache.keys() - present:
                del cache[gone]


def killed_before(pod: Any) -> frozenset[str]:
    """The containers of which the pod's status says that want of memory has ended them."""
    status = pod.status
    listed = [*((status.initContainerStatuses if status else None) or ())]
    listed += (status.containerStatuses if status else None) or ()
    ends = [state.terminated for one in listed for state in (one.state, one.lastState) if state and state.terminated]
    return frozenset((end.containerID or "").partition("://")[2] for end in ends if end.reason == OOM)


def addresses(status: Any) -> tuple[str, ...]:
    """Of a PodSandboxStatus."""
    network = status.network
    return (network.ip, *(entry.ip for entry in network.additional_ips)) if network.ip else ()


def seen_container(sandbox_id: str, status: Any, log_folder: Path) -> Container:
    """A ContainerStatus as a value."""
    notes = status.annotations
    delay = notes.get(labels.RESTART_DELAY)
    ended = status.state == pb.CONTAINER_EXITED
    return Container(
        id=status.id,
        name=status.labels.get(labels.CONTAINER_NAME) or status.metadata.name,
        sandbox_id=sandbox_id,
        state=STATES.get(status.state, "unknown"),
        created=status.created_at * NANO,
        started=status.started_at * NANO,
        finished=(status.finished_at or status.created_at) * NANO if ended else 0.0,
        exit_code=status.exit_code,
        reason=status.reason,
        message=termination_message(status, log_folder) if ended else "",
        image=status.image.image,
        image_id=status.image_ref,
        restarts=int(notes.get(labels.RESTART_COUNT, status.metadata.attempt)),
        delay=float(delay) if delay is not None else None,
        spec_hash=notes.get(labels.CONTAINER_HASH, ""),
        resources=msgspec.json.decode(notes[labels.RESOURCES]) if labels.RESOURCES in notes else None,
        round=int(notes.get(labels.ROUND, 0)),
        recursive_mounts=tuple(mount.container_path for mount in status.mounts if mount.recursive_read_only),
        user=first_user(status),
    )


def first_user(status: Any) -> tuple[int, int, tuple[int, ...]] | None:
    if not status.HasField("user") or not status.user.HasField("linux"):
        return None
    linux = status.user.linux
    return linux.uid, linux.gid, tuple(linux.supplemental_groups)
