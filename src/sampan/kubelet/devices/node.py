"""The device side of one kubelet: the manager and its two sockets; nothing at all where no folder is configured."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from sampan.aio.clock import Clock
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.devices.inspection import InspectionServer
from sampan.kubelet.devices.manager import Devices
from sampan.kubelet.devices.registration import RegistrationServer

log = logging.getLogger(__name__)


class NodeDevices:
    """Its folders are below the kubelet's root: `device-plugins` and `pod-resources`, with upstream's socket names."""

    def __init__(
        self,
        config: KubeletConfig,
        clock: Clock,
        *,
        pods: Callable[[], Iterable[Any]],
        cpus: Callable[[str, str], Iterable[int]],
        shared: Callable[[], Iterable[int]],
        changed: Callable[[], None],
    ) -> None:
        folder = config.root / "device-plugins"
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        self.manager = Devices(folder, clock, changed=changed)
        self._servers = (
            RegistrationServer(self.manager),
            InspectionServer(config.root / "pod-resources", self.manager, pods=pods, cpus=cpus, shared=shared),
        )
        self._serves = config.serve_devices

    async def start(self) -> None:
        """Listens. A socket that cannot be made is told of, and the node goes on without."""
        for server in self._servers if self._serves else ():
            try:
                await server.start()
            except (OSError, RuntimeError) as error:
                log.warning("device plugins are not served error=%s", error)

    async def close(self) -> None:
        for server in self._servers:
            await server.close()
        await self.manager.close()
