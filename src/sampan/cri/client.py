"""CRI over a unix socket: one gRPC channel, and one method for each call the kubelet makes.

Deadlines are upstream's: two minutes for a call, four for making a sandbox, none for a pull (its progress is the
runtime's to watch) and none for the event stream.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from typing import Any, TypeVar

import grpc
import grpc.aio

from sampan.cri import containerd_events_pb2, containerd_events_pb2_grpc, runtime_pb2_grpc
from sampan.cri.errors import (
    RuntimeFailure,
    RuntimeNotFound,
    RuntimeTimeout,
    RuntimeUnavailable,
    RuntimeUnsupported,
)
from sampan.cri.interface import Message, Streams
from sampan.cri.messages import pb
from sampan.cri.tasks import Tasks

CALL_SECONDS = 120.0
SANDBOX_SECONDS = 240.0
MESSAGE_BYTES = 16 << 20
EVENT_FILTER = "namespace==k8s.io,topic~=^/tasks/(exit|oom)$"

FAILURES: dict[grpc.StatusCode, type[RuntimeFailure]] = {
    grpc.StatusCode.UNAVAILABLE: RuntimeUnavailable,
    grpc.StatusCode.NOT_FOUND: RuntimeNotFound,
    grpc.StatusCode.DEADLINE_EXCEEDED: RuntimeTimeout,
    grpc.StatusCode.UNIMPLEMENTED: RuntimeUnsupported,
}
OPTIONS = [
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 100),
    # As long as an attempt to connect may take, on a machine that is busy; the pause between two is the one above.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 3000),
    ("grpc.enable_http_proxy", 0),
]
T = TypeVar("T")
events_pb: Any = containerd_events_pb2


async def call(answer: Awaitable[T]) -> T:
    """The answer, with gRPC's errors as ours."""
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        raise failure(error) from None


def failure(error: grpc.aio.AioRpcError) -> RuntimeFailure:
    kind = FAILURES.get(error.code(), RuntimeFailure)
    return kind(error.details() or error.code().name, error.code().name)


class CriClient:
    """Talks to the runtime at `endpoint`: a path, or a URL `unix:///run/containerd/containerd.sock`.

    The channel connects by itself and again after the runtime was away. Make it inside the event loop it serves.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint if endpoint.startswith("unix:") else f"unix://{endpoint}"
        # containerd refuses an authority that is not a host name, as gRPC makes from a socket's path.
        self._channel = grpc.aio.insecure_channel(self.endpoint, [*OPTIONS, ("grpc.default_authority", "localhost")])
        self._runtime: Any = runtime_pb2_grpc.RuntimeServiceStub(self._channel)
        self._images: Any = runtime_pb2_grpc.ImageServiceStub(self._channel)
        self._events: Any = containerd_events_pb2_grpc.EventsStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()

    async def version(self) -> Message:
        return await call(self._runtime.Version(pb.VersionRequest(version="v1"), timeout=10.0))

    async def status(self) -> Message:
        return await call(self._runtime.Status(pb.StatusRequest(), timeout=10.0))

    async def run_sandbox(self, config: Message, handler: str = "") -> str:
        request = pb.RunPodSandboxRequest(config=config, runtime_handler=handler)
        return (await call(self._runtime.RunPodSandbox(request, timeout=SANDBOX_SECONDS))).pod_sandbox_id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        request = pb.StopPodSandboxRequest(pod_sandbox_id=sandbox_id)
        await call(self._runtime.StopPodSandbox(request, timeout=CALL_SECONDS))

    async def remove_sandbox(self, sandbox_id: str) -> None:
        request = pb.RemovePodSandboxRequest(pod_sandbox_id=sandbox_id)
        await call(self._runtime.RemovePodSandbox(request, timeout=CALL_SECONDS))

    async def sandbox_status(self, sandbox_id: str) -> Message:
        request = pb.PodSandboxStatusRequest(pod_sandbox_id=sandbox_id)
        return (await call(self._runtime.PodSandboxStatus(request, timeout=CALL_SECONDS))).status

    async def list_sandboxes(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        chosen = pb.PodSandboxFilter(label_selector=labels) if labels else None
        request = pb.ListPodSandboxRequest(filter=chosen)
        return list((await call(self._runtime.ListPodSandbox(request, timeout=CALL_SECONDS))).items)

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        request = pb.CreateContainerRequest(pod_sandbox_id=sandbox_id, config=config, sandbox_config=sandbox_config)
        return (await call(self._runtime.CreateContainer(request, timeout=CALL_SECONDS))).container_id

    async def start_container(self, container_id: str) -> None:
        request = pb.StartContainerRequest(container_id=container_id)
        await call(self._runtime.StartContainer(request, timeout=CALL_SECONDS))

    async def stop_container(self, container_id: str, timeout: int, signal: int = 0) -> None:
        if signal and timeout > 0:
            # Another runtime than containerd has been asked for the signal when the container was made.
            with contextlib.suppress(RuntimeUnsupported):
                await Tasks(self._channel, call).end(container_id, signal, timeout)
                timeout = 0
        request = pb.StopContainerRequest(container_id=container_id, timeout=timeout)
        await call(self._runtime.StopContainer(request, timeout=timeout + CALL_SECONDS))

    async def remove_container(self, container_id: str) -> None:
        request = pb.RemoveContainerRequest(container_id=container_id)
        await call(self._runtime.RemoveContainer(request, timeout=CALL_SECONDS))

    async def list_containers(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        chosen = pb.ContainerFilter(label_selector=labels) if labels else None
        request = pb.ListContainersRequest(filter=chosen)
        return list((await call(self._runtime.ListContainers(request, timeout=CALL_SECONDS))).containers)

    async def container_status(self, container_id: str) -> Message:
        request = pb.ContainerStatusRequest(container_id=container_id)
        return (await call(self._runtime.ContainerStatus(request, timeout=CALL_SECONDS))).status

    async def update_resources(self, container_id: str, resources: Message) -> None:
        request = pb.UpdateContainerResourcesRequest(container_id=container_id, linux=resources)
        await call(self._runtime.UpdateContainerResources(request, timeout=CALL_SECONDS))

    async def reopen_log(self, container_id: str) -> None:
        request = pb.ReopenContainerLogRequest(container_id=container_id)
        await call(self._runtime.ReopenContainerLog(request, timeout=CALL_SECONDS))

    async def checkpoint(self, container_id: str, location: str, timeout: int) -> None:
        request = pb.CheckpointContainerRequest(container_id=container_id, location=location, timeout=timeout)
        await call(self._runtime.CheckpointContainer(request, timeout=timeout + CALL_SECONDS))

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> Message:
        # The runtime counts whole seconds; ours is the sharper deadline, its own the one that ends the process.
        seconds = -int(-timeout // 1)
        request = pb.ExecSyncRequest(container_id=container_id, cmd=command, timeout=seconds)
        return await call(self._runtime.ExecSync(request, timeout=timeout + 2 if timeout else None))

    async def exec_url(self, container_id: str, command: Sequence[str], streams: Streams) -> str:
        request = pb.ExecRequest(container_id=container_id, cmd=command, **streams._asdict())
        return str((await call(self._runtime.Exec(request, timeout=CALL_SECONDS))).url)

    async def attach_url(self, container_id: str, streams: Streams) -> str:
        request = pb.AttachRequest(container_id=container_id, **streams._asdict())
        return str((await call(self._runtime.Attach(request, timeout=CALL_SECONDS))).url)

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        request = pb.PortForwardRequest(pod_sandbox_id=sandbox_id, port=ports)
        return str((await call(self._runtime.PortForward(request, timeout=CALL_SECONDS))).url)

    async def list_images(self) -> Sequence[Message]:
        return list((await call(self._images.ListImages(pb.ListImagesRequest(), timeout=CALL_SECONDS))).images)

    async def image_status(self, image: str) -> Message | None:
        request = pb.ImageStatusRequest(image=pb.ImageSpec(image=image))
        answer = await call(self._images.ImageStatus(request, timeout=CALL_SECONDS))
        return answer.image if answer.HasField("image") else None

    async def pull_image(self, image: str, auth: Message | None, sandbox_config: Message | None) -> str:
        request = pb.PullImageRequest(image=pb.ImageSpec(image=image), auth=auth, sandbox_config=sandbox_config)
        return (await call(self._images.PullImage(request))).image_ref

    async def remove_image(self, image: str) -> None:
        await call(
            self._images.RemoveImage(pb.RemoveImageRequest(image=pb.ImageSpec(image=image)), timeout=CALL_SECONDS)
        )

    async def image_filesystem(self) -> Sequence[Message]:
        answer = await call(self._images.ImageFsInfo(pb.ImageFsInfoRequest(), timeout=CALL_SECONDS))
        return list(answer.image_filesystems)

    async def container_filesystem(self) -> Sequence[Message]:
        answer = await call(self._images.ImageFsInfo(pb.ImageFsInfoRequest(), timeout=CALL_SECONDS))
        return list(answer.container_filesystems)

    async def container_stats(self) -> Sequence[Message]:
        answer = await call(self._runtime.ListContainerStats(pb.ListContainerStatsRequest(), timeout=CALL_SECONDS))
        return list(answer.stats)

    async def events(self) -> AsyncIterator[str]:
        """containerd's stream where there is one, else CRI's own."""
        try:
            async for container_id in self._containerd_events():
                yield container_id
        except RuntimeUnsupported:
            async for container_id in self._cri_events():
                yield container_id

    async def _containerd_events(self) -> AsyncIterator[str]:
        stream = self._events.Subscribe(events_pb.SubscribeRequest(filters=[EVENT_FILTER]))
        try:
            async for envelope in stream:
                task = events_pb.TaskEvent.FromString(envelope.event.value)
                # A process that was exec'd into a container ends without the container changing.
                if envelope.topic != "/tasks/exit" or task.id == task.container_id:
                    yield task.container_id
        except grpc.aio.AioRpcError as error:
            raise failure(error) from None
        finally:
            stream.cancel()

    async def _cri_events(self) -> AsyncIterator[str]:
        stream = self._runtime.GetContainerEvents(pb.GetEventsRequest())
        try:
            async for event in stream:
                yield event.container_id
        except grpc.aio.AioRpcError as error:
            raise failure(error) from None
        finally:
            stream.cancel()
