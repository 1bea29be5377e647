"""The node's devices: what plugins have, what is healthy, who has which ("Device Plugins").

A plugin registers and then streams its devices; while it is away its devices count as unhealthy, and after five minutes
the node has none of them. Devices stay with a container through its restarts and the kubelet's.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock
from sampan.aio.tasks import TaskOwner
from sampan.api import quantity
from sampan.kubelet.amounts import container_amount, pod_amounts
from sampan.kubelet.cpus.hints import Hint, hints
from sampan.kubelet.devices.choose import NotEnough, chosen
from sampan.kubelet.devices.plugin import Plugin, PluginError
from sampan.kubelet.devices.record import Given, Record
from sampan.kubelet.restarts import is_sidecar
from sampan.kubelet.spec import init_containers

log = logging.getLogger(__name__)
HEALTHY = "Healthy"
GONE_SECONDS = 300.0


class DeviceError(Exception):
    """A container cannot have its devices now."""


@dataclass
class Resource:
    """`nodes` are the NUMA nodes of each device, where known; `left` is when the plugin went away."""

    healthy: set[str] = field(default_factory=set)
    unhealthy: set[str] = field(default_factory=set)
    nodes: dict[str, frozenset[int]] = field(default_factory=dict)
    plugin: Plugin | None = None
    left: float | None = None


class Devices:
    """`folder` is where plugins' sockets lie; `changed` is called when the node's devices have changed."""

    def __init__(self, folder: Path, clock: Clock, *, changed: Callable[[], None]) -> None:
        self.folder = folder
        self.record = Record(folder)
        self.resources: dict[str, Resource] = {}
        self._clock = clock
        self._changed = changed
        self._owner = TaskOwner("device plugins")
        for given in self.record.all():
            # Until its plugin comes again, what is in use is all that is known.
            known = self.resources.setdefault(given.resource, Resource(left=clock.monotonic()))
            known.unhealthy.update(given.devices)

    def register(self, name: str, endpoint: str, options: Any) -> None:
        """A plugin has come (again): it is watched from now on."""
        resource = self.resources.setdefault(name, Resource())
        plugin = resource.plugin = Plugin(self.folder / endpoint, options)
        resource.left = None
        self._owner.start(lambda: self._watch(name, resource, plugin), name=name, policy="log")

    def capacity(self) -> dict[str, str]:
        """All devices by resource; "0" once a plugin has been away for long."""
        return {
            name: str(0 if self._is_gone(r) else len(r.healthy | r.unhealthy)) for name, r in self.resources.items()
        }

    def allocatable(self) -> dict[str, str]:
        return {name: str(len(resource.healthy)) for name, resource in self.resources.items()}

    def refusal(self, pod: Any) -> str:
        """Why a new pod cannot have its devices; "" when it can."""
        asked = pod_amounts(pod, "limits")
        for name in self.resources:
            count, free = asked[name].units if name in asked else 0, len(self._free(name))
            own = sum(len(given.devices) for given in self.record.of(pod.metadata.uid, resource=name))
            if count > free + own:
                text = f"requested number of devices unavailable for {name}. Requested: {count}, Available: {free}"
                return f"Allocate failed due to {text}, which is unexpected"
        return ""

    def wanted(self, container: Any) -> dict[str, int]:
        """How many devices of which known resource a container asks for."""
        counts = {name: quantity.units(container_amount(container, "limits", name)) for name in self.resources}
        return {name: count for name, count in counts.items() if count}

    async def allocate(self, pod: Any, container: Any, near: frozenset[int] = frozenset()) -> list[Any]:
        """What the container gets with its devices, those on the NUMA nodes of `near` before others.

        ContainerAllocateResponses. Raises DeviceError.
        """
        from sampan.kubelet.devices.messages import pb

        found = []
        for name, count in self.wanted(container).items():
            known = self.record.of(pod.metadata.uid, container.name, name)
            given = known[0] if known else await self._give(pod, container, name, count, near)
            await self._before_start(name, given)
            found.append(pb.ContainerAllocateResponse.FromString(given.response))
        return found

    def hints(self, container: Any) -> list[list[Hint]]:
        """For each resource that the container asks for and whose devices say where they are, where it could be."""
        found = []
        for name, count in self.wanted(container).items():
            where = self.resources[name].nodes
            if any(where.values()):
                free = Counter(node for device in self._free(name) for node in where.get(device, ()))
                found.append(hints(count, free, Counter(node for nodes in where.values() for node in nodes)))
        return found

    async def close(self) -> None:
        await self._owner.close()

    async def _give(self, pod: Any, container: Any, name: str, count: int, near: frozenset[int]) -> Given:
        resource, uid = self.resources[name], pod.metadata.uid
        if resource.plugin is None:
            raise DeviceError(f"no healthy devices of {name} are here: its plugin is away")
        reused = self._reused(pod, container, name)[:count]
        free = self._free(name)
        try:
            preferred = await resource.plugin.preferred(sorted(free | set(reused)), reused, count)
            devices = chosen(
                name, count, free=free, reused=reused, preferred=preferred, nodes=resource.nodes, affinity=near
            )
            response = await resource.plugin.allocate(devices)
        except (NotEnough, PluginError) as error:
            raise DeviceError(f"Allocate failed due to {error}") from None
        given = Given(uid, container.name, name, devices, response.SerializeToString())
        self.record.add(given)
        return given

    async def _before_start(self, name: str, given: Given) -> None:
        plugin = self.resources[name].plugin
        try:
            if plugin is not None:
                await plugin.before_start(given.devices)
        except PluginError as error:
            raise DeviceError(f"the plugin of {name} could not prepare its devices: {error}") from None

    def _free(self, name: str) -> set[str]:
        return self.resources[name].healthy - self.record.used(name)

    def _reused(self, pod: Any, container: Any, name: str) -> list[str]:
        """What init containers that come and go had: the others may have it after them, but for what is taken."""
        passing = {c.name for c in init_containers(pod) if not is_sidecar(c)} - {container.name}
        given = self.record.of(pod.metadata.uid, resource=name)
        taken = {d for g in given if g.container not in passing for d in g.devices}
        return [d for g in given if g.container in passing for d in g.devices if d not in taken]

    async def _watch(self, name: str, resource: Resource, plugin: Plugin) -> None:
        try:
            async for devices in plugin.devices():
                resource.healthy = {device.ID for device in devices if device.health == HEALTHY}
                resource.unhealthy = {device.ID for device in devices} - resource.healthy
                resource.nodes = {d.ID: frozenset(n.ID for n in d.topology.nodes) for d in devices}
                log.info(
                    "devices resource=%s healthy=%d unhealthy=%d", name, len(resource.healthy), len(resource.unhealthy)
                )
                self._changed()
        except PluginError as error:
            log.warning("a device plugin went away resource=%s error=%s", name, error)
        finally:
            await plugin.close()
            if resource.plugin is plugin:
                resource.plugin, resource.left = None, self._clock.monotonic()
                resource.unhealthy |= resource.healthy
                resource.healthy = set()
                self._changed()

    def _is_gone(self, resource: Resource) -> bool:
        return resource.left is not None and self._clock.monotonic() - resource.left > GONE_SECONDS
