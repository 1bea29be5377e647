"""One device plugin, as the kubelet calls it over its socket. Raises PluginError for all that goes wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

CALL_SECONDS = 10.0
ALLOCATE_SECONDS = 60.0
START_SECONDS = 30.0


class PluginError(Exception):
    """The plugin is away, or refuses."""


class Plugin:
    """`socket` is where it listens; its options are those it registered with."""

    def __init__(self, socket: Path, options: Any) -> None:
        from sampan.kubelet.devices.deviceplugin_pb2_grpc import DevicePluginStub

        self._channel = grpc.aio.insecure_channel(
            f"unix://{socket}", [("grpc.default_authority", "localhost"), ("grpc.enable_http_proxy", 0)]
        )
        self._stub: Any = DevicePluginStub(self._channel)
        self._options = options

    async def devices(self) -> AsyncIterator[Sequence[Any]]:
        """All its devices, now and after each change, until it goes away."""
        from sampan.kubelet.devices.messages import pb

        stream = self._stub.ListAndWatch(pb.Empty())
        try:
            async for answer in stream:
                yield list(answer.devices)
        except grpc.aio.AioRpcError as error:
            raise PluginError(error.details() or error.code().name) from None
        finally:
            stream.cancel()

    async def preferred(self, available: Sequence[str], reused: Sequence[str], count: int) -> Sequence[str]:
        """What it would give of the available devices; nothing when it has no preference."""
        from sampan.kubelet.devices.messages import pb

        if not self._options.get_preferred_allocation_available:
            return ()
        asked = pb.ContainerPreferredAllocationRequest(
            available_deviceIDs=available, must_include_deviceIDs=reused, allocation_size=count
        )
        request = pb.PreferredAllocationRequest(container_requests=[asked])
        answer = await self._call(self._stub.GetPreferredAllocation(request, timeout=CALL_SECONDS))
        return list(answer.container_responses[0].deviceIDs) if answer.container_responses else ()

    async def allocate(self, devices: Sequence[str]) -> Any:
        """The ContainerAllocateResponse: what a container gets with them."""
        from sampan.kubelet.devices.messages import pb

        request = pb.AllocateRequest(container_requests=[pb.ContainerAllocateRequest(devices_ids=devices)])
        answer = await self._call(self._stub.Allocate(request, timeout=ALLOCATE_SECONDS))
        if len(answer.container_responses) != 1:
            raise PluginError(f"it answered for {len(answer.container_responses)} containers when asked for one")
        return answer.container_responses[0]

    async def before_start(self, devices: Sequence[str]) -> None:
        """Lets it prepare the devices of a container that is about to start, where it wants to."""
        from sampan.kubelet.devices.messages import pb

        if self._options.pre_start_required:
            request = pb.PreStartContainerRequest(devices_ids=devices)
            await self._call(self._stub.PreStartContainer(request, timeout=START_SECONDS))

    async def close(self) -> None:
        await self._channel.close()

    @staticmethod
    async def _call(answer: Any) -> Any:
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            raise PluginError(error.details() or error.code().name) from None
