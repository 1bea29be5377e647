"""A device plugin for tests: devices in name only, over real sockets.

    async with FakePlugin(folder, "example.com/thing", ["a", "b"]) as plugin:
        await plugin.register()

`health(device, ok)` changes a device, `stop()` is the plugin's death. `allocated` and `prepared` are what it was asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio


class FakePlugin:
    """`nodes` are the NUMA nodes of devices; `prefers` what it would give first."""

    def __init__(
        self,
        folder: Path,
        resource: str,
        devices: Iterable[str],
        *,
        prefers: Iterable[str] = (),
        nodes: dict[str, int] | None = None,
        envs: dict[str, str] | None = None,
        mounts: Iterable[tuple[str, str]] = (),
    ) -> None:
        self.resource = resource
        self.endpoint = resource.replace("/", "-") + ".sock"
        self.allocated: list[list[str]] = []
        self.prepared: list[list[str]] = []
        self.refuses = ""
        self._folder = folder
        self._devices = dict.fromkeys(devices, True)
        self._prefers = list(prefers)
        self._nodes = nodes or {}
        self._envs = envs or {}
        self._mounts = list(mounts)
        self._changed = asyncio.Event()
        self._server: Any = None

    async def start(self) -> None:
        from sampan.kubelet.devices.messages import pb

        self._pb = pb
        self._server = grpc.aio.server()
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        rows = (
            ("GetPreferredAllocation", unary, self._preferred, pb.PreferredAllocationRequest),
            ("Allocate", unary, self._allocate, pb.AllocateRequest),
            ("PreStartContainer", unary, self._prepare, pb.PreStartContainerRequest),
            ("ListAndWatch", stream, self._watch, pb.Empty),
        )
        handlers = {
            name: kind(method, request_deserializer=request.FromString, response_serializer=serialized)
            for name, kind, method, request in rows
        }
        generic = grpc.method_handlers_generic_handler("v1beta1.DevicePlugin", handlers)
        self._server.add_generic_rpc_handlers((generic,))
        (self._folder / self.endpoint).unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix://{self._folder / self.endpoint}")
        await self._server.start()

    async def register(self, **changes: str) -> None:
        """Raises grpc.aio.AioRpcError when the kubelet refuses."""
        pb = self._pb
        options = pb.DevicePluginOptions(pre_start_required=True, get_preferred_allocation_available=True)
        fields = {"version": "v1beta1", "endpoint": self.endpoint, "resource_name": self.resource, **changes}
        request = pb.RegisterRequest(options=options, **fields)
        address = f"unix://{self._folder / 'kubelet.sock'}"
        async with grpc.aio.insecure_channel(address, [("grpc.default_authority", "localhost")]) as channel:
            call: Any = channel.unary_unary("/v1beta1.Registration/Register", request_serializer=serialized)
            await call(request, timeout=10.0)

    def health(self, device: str, ok: bool) -> None:
        self._devices[device] = ok
        self._changed.set()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop(0)
            self._server = None

    async def __aenter__(self) -> FakePlugin:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.stop()

    async def _watch(self, request: Any, context: Any) -> AsyncIterator[Any]:
        while True:
            self._changed.clear()
            yield self._pb.ListAndWatchResponse(devices=[self._device(name) for name in self._devices])
            await self._changed.wait()

    def _device(self, name: str) -> Any:
        health = "Healthy" if self._devices[name] else "Unhealthy"
        nodes = [self._pb.NUMANode(ID=self._nodes[name])] if name in self._nodes else []
        return self._pb.Device(ID=name, health=health, topology=self._pb.TopologyInfo(nodes=nodes))

    async def _preferred(self, request: Any, context: Any) -> Any:
        answers = [
            self._pb.ContainerPreferredAllocationResponse(
                deviceIDs=[d for d in self._prefers if d in asked.available_deviceIDs][: asked.allocation_size]
            )
            for asked in request.container_requests
        ]
        return self._pb.PreferredAllocationResponse(container_responses=answers)

    async def _allocate(self, request: Any, context: Any) -> Any:
        if self.refuses:
            await context.abort(grpc.StatusCode.INTERNAL, self.refuses)
        answers = []
        for asked in request.container_requests:
            devices = list(asked.devices_ids)
            self.allocated.append(devices)
            mounts = [self._pb.Mount(container_path=inside, host_path=out) for inside, out in self._mounts]
            envs = {**self._envs, "DEVICES": ",".join(devices)}
            answers.append(self._pb.ContainerAllocateResponse(envs=envs, mounts=mounts))
        return self._pb.AllocateResponse(container_responses=answers)

    async def _prepare(self, request: Any, context: Any) -> Any:
        self.prepared.append(list(request.devices_ids))
        return self._pb.PreStartContainerResponse()


def serialized(message: Any) -> bytes:
    return bytes(message.SerializeToString())
