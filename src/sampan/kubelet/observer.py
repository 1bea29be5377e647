"""Asking the runtime about a pod, at the price of what changed.

What cannot change any more is asked once: the status of an ended container, the address of a ready sandbox. What is
left is two lists, filtered by the pod's uid, and one status for each container that is new or still runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from sampan.cri.errors import RuntimeNotFound
from sampan.cri.interface import Runtime
from sampan.cri.messages import pb
from sampan.kubelet import labels
from sampan.kubelet.observed import Container, ContainerState, Observed, Sandbox
from sampan.kubelet.termination import termination_message

STATES: dict[int, ContainerState] = {0: "created", 1: "running", 2: "exited", 3: "unknown"}
NANO = 1e-9


class Observer:
    """Sees one pod; `log_folder` holds its containers' logs, for termination messages."""

    def __init__(self, runtime: Runtime, uid: str, log_folder: Path) -> None:
        self._runtime = runtime
        self._selector = {labels.POD_UID: uid}
        self._log_folder = log_folder
        self._ended: dict[str, Container] = {}
        self._started: dict[str, Container] = {}
        self._ips: dict[str, tuple[str, ...]] = {}

    async def observe(self) -> Observed:
        """Raises RuntimeFailure."""
        sandboxes = [await self._sandbox(item) for item in await self._runtime.list_sandboxes(self._selector)]
        listed = await self._runtime.list_containers(self._selector)
        found = [await self._container(item) for item in listed]
        containers = [container for container in found if container is not None]
        self._forget({container.id for container in containers}, {sandbox.id for sandbox in sandboxes})
        return Observed(
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
        created = item.created_at * NANO
        return Sandbox(id=item.id, ready=ready, created=created, attempt=item.metadata.attempt, ips=ips)

    async def _sandbox_ips(self, sandbox_id: str) -> tuple[str, ...]:
        try:
            network = (await self._runtime.sandbox_status(sandbox_id)).network
        except RuntimeNotFound:
            return ()
        return (network.ip, *(entry.ip for entry in network.additional_ips)) if network.ip else ()

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
        container = seen_container(item, status, self._log_folder)
        if container.state == "exited":
            self._ended[container.id] = container
        elif container.state == "running":
            self._started[container.id] = container
        return container

    def _forget(self, containers: set[str], sandboxes: set[str]) -> None:
        for cache, present in ((self._ended, containers), (self._started, containers), (self._ips, sandboxes)):
            for gone in cache.keys() - present:
                del cache[gone]


def seen_container(item: Any, status: Any, log_folder: Path) -> Container:
    """A Container message and its status as a value."""
    notes = status.annotations
    delay = notes.get(labels.RESTART_DELAY)
    ended = status.state == pb.CONTAINER_EXITED
    return Container(
        id=status.id,
        name=status.labels.get(labels.CONTAINER_NAME) or status.metadata.name,
        sandbox_id=item.pod_sandbox_id,
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
