"""The node's status as it is now, asked of the runtime, the machine and the kubelet's parts."""

from __future__ import annotations

from typing import Any

from sampan.cri.errors import RuntimeFailure
from sampan.kubelet import node
from sampan.kubelet.noderesources import NodeResources
from sampan.kubelet.runtimeside import RuntimeSide
from sampan.kubelet.server import KubeletServer
from sampan.kubelet.shutdown.manager import ShutdownManager
from sampan.kubelet.surroundings import Surroundings

ADVICE = {
    "NetworkPluginNotReady": "; a CNI configuration is written when the Node has a spec.podCIDR (its Events tell why "
    "it has none), or is somebody else's to bring with --pod-network none"
}


class Description:
    """What the runtime says each time of its features is noted."""

    def __init__(
        self,
        given: Surroundings,
        *,
        runtime: RuntimeSide,
        resources: NodeResources,
        shutdown: ShutdownManager,
        server: KubeletServer,
    ) -> None:
        self._given = given
        self._features = runtime.features
        self._watcher = runtime.watcher
        self._eviction = resources.upkeep.eviction
        self._devices = resources.devices.manager
        self._shutdown = shutdown
        self._server = server
        self._version = ""

    async def status(self, known: Any) -> Any:
        """The whole status; `known` is the API's."""
        given = self._given
        listed, not_ready = await self._ask()
        return node.node_status(
            given.config,
            given.machine,
            given.usage(),
            runtime_version=self._version or "unknown://",
            listed_images=listed,
            not_ready="node is shutting down" if self._shutdown.active else not_ready,
            port=self._server.port,
            now=given.clock.now(),
            pressures=self._eviction.conditions,
            devices=(self._devices.capacity(), self._devices.allocatable()),
            features=self._features,
            known=known,
        )

    async def _ask(self) -> tuple[Any, str]:
        """The runtime's images, and why the node is not ready ("" when it is)."""
        runtime = self._given.runtime
        listed: Any = []
        not_ready = self._watcher.reason
        try:
            if not self._version:
                version = await runtime.version()
                self._version = f"{version.runtime_name}://{version.runtime_version}"
            listed = await runtime.list_images()
            status = await runtime.status()
            self._features.learn(status)
            failed = [c for c in status.status.conditions if not c.status]
            not_ready = "; ".join(
                f"container runtime {c.reason}: {c.message}{ADVICE.get(c.reason, '')}" for c in failed
            )
        except RuntimeFailure as error:
            not_ready = not_ready or f"container runtime is down: {error}"
        return listed, not_ready
