"""The pod-resources service (v1): which container has which devices and processors, for monitoring on the node."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from sampan.kubelet.devices.manager import Devices
from sampan.kubelet.spec import all_containers

SOCKET = "kubelet.sock"


class InspectionServer:
    """`pods()` are the node's pods; `cpus(uid, container)` the processors a container has for itself, `shared()` all
    that can be given so."""

    def __init__(
        self,
        folder: Path,
        devices: Devices,
        *,
        pods: Callable[[], Iterable[Any]],
        cpus: Callable[[str, str], Iterable[int]],
        shared: Callable[[], Iterable[int]],
    ) -> None:
        self._folder = folder
        self._devices = devices
        self._pods = pods
        self._cpus = cpus
        self._shared = shared
        self._server: Any = None

    async def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o750)
        (self._folder / SOCKET).unlink(missing_ok=True)
        self._server = grpc.aio.server()
        methods = {
            "List": (self._list, "ListPodResourcesRequest"),
            "Get": (self._get, "GetPodResourcesRequest"),
            "GetAllocatableResources": (self._allocatable, "AllocatableResourcesRequest"),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                method, request_deserializer=decoder(request), response_serializer=lambda m: m.SerializeToString()
            )
            for name, (method, request) in methods.items()
        }
        service = grpc.method_handlers_generic_handler("v1.PodResourcesLister", handlers)
        self._server.add_generic_rpc_handlers((service,))
        self._server.add_insecure_port(f"unix://{self._folder / SOCKET}")
        await self._server.start()

    async def close(self) -> None:
        if self._server is not None:
            await self._server.stop(0)

    async def _list(self, request: Any, context: Any) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb as pb

        return pb.ListPodResourcesResponse(pod_resources=[self._of(pod) for pod in self._pods()])

    async def _get(self, request: Any, context: Any) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb as pb

        wanted = (request.pod_namespace, request.pod_name)
        for pod in self._pods():
            if (pod.metadata.namespace, pod.metadata.name) == wanted:
                return pb.GetPodResourcesResponse(pod_resources=self._of(pod))
        return await context.abort(grpc.StatusCode.NOT_FOUND, f"pod {wanted[1]} in namespace {wanted[0]} not found")

    async def _allocatable(self, request: Any, context: Any) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb as pb

        listed = [
            self._devices_message(name, sorted(resource.healthy | resource.unhealthy))
            for name, resource in self._devices.resources.items()
        ]
        return pb.AllocatableResourcesResponse(devices=listed, cpu_ids=sorted(self._shared()))

    def _of(self, pod: Any) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb as pb

        meta = pod.metadata
        containers = [
            pb.ContainerResources(
                name=container.name,
                devices=[
                    self._devices_message(given.resource, given.devices)
                    for given in self._devices.record.of(meta.uid, container.name)
                ],
                cpu_ids=sorted(self._cpus(meta.uid, container.name)),
            )
            for container in all_containers(pod)
        ]
        return pb.PodResources(name=meta.name, namespace=meta.namespace, containers=containers)

    def _devices_message(self, resource: str, devices: list[str]) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb as pb

        known = self._devices.resources.get(resource)
        nodes = sorted({node for device in devices for node in (known.nodes.get(device, ()) if known else ())})
        topology = pb.TopologyInfo(nodes=[pb.NUMANode(ID=node) for node in nodes]) if nodes else None
        return pb.ContainerDevices(resource_name=resource, device_ids=devices, topology=topology)


def decoder(request: str) -> Callable[[bytes], Any]:
    """Decodes that message, loading it at the first request."""

    def decode(data: bytes) -> Any:
        from sampan.kubelet.devices.messages import podresources_pb

        return getattr(podresources_pb, request).FromString(data)

    return decode
