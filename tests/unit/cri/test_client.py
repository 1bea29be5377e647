"""The CRI client against a small gRPC server on a unix socket."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from sampan.cri import containerd_events_pb2_grpc, runtime_pb2_grpc
from sampan.cri.client import CriClient
from sampan.cri.errors import (
    RuntimeFailure,
    RuntimeNotFound,
    RuntimeTimeout,
    RuntimeUnavailable,
    RuntimeUnsupported,
)
from sampan.cri.messages import pb


class Runtime(runtime_pb2_grpc.RuntimeServiceServicer):
    """Answers the few calls the tests make; `asked` has the requests."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.refuses: grpc.StatusCode | None = None

    async def Version(self, request: Any, context: Any) -> Any:
        return pb.VersionResponse(runtime_name="test", runtime_version="1")

    async def StopContainer(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        if self.refuses is not None:
            await context.abort(self.refuses, "the runtime's own words")
        return pb.StopContainerResponse()

    async def ListContainers(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        return pb.ListContainersResponse(containers=[pb.Container(id="c")])

    async def GetContainerEvents(self, request: Any, context: Any) -> Any:
        yield pb.ContainerEventResponse(container_id="from cri")


class Events(containerd_events_pb2_grpc.EventsServicer):
    """Three ends: a container's, that of a process exec'd into it, and one by memory."""

    async def Subscribe(self, request: Any, context: Any) -> Any:
        from sampan.cri import containerd_events_pb2 as events

        messages: Any = events
        for topic, container, process in (
            ("/tasks/exit", "a", "a"),
            ("/tasks/exit", "a", "exec-1"),
            ("/tasks/oom", "b", ""),
        ):
            value = messages.TaskEvent(container_id=container, id=process).SerializeToString()
            yield messages.Envelope(namespace="k8s.io", topic=topic, event=messages.Payload(value=value))


@pytest.fixture
async def socket() -> AsyncIterator[Path]:
    # A socket's path may have 107 letters; pytest's own folders are longer.
    with tempfile.TemporaryDirectory(prefix="sc-") as folder:
        yield Path(folder) / "s"


@pytest.fixture
async def runtime(socket: Path) -> AsyncIterator[Runtime]:
    made = Runtime()
    server = grpc.aio.server()
    runtime_pb2_grpc.add_RuntimeServiceServicer_to_server(made, server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    yield made
    await server.stop(0)


@pytest.fixture
async def client(socket: Path) -> AsyncIterator[CriClient]:
    made = CriClient(str(socket))
    yield made
    await made.close()


async def test_requests_carry_what_was_asked(runtime: Runtime, client: CriClient) -> None:
    assert (await client.version()).runtime_name == "test"
    await client.stop_container("c", 7, 10)
    assert [c.id for c in await client.list_containers({"a": "b"})] == ["c"]
    stop, listing = runtime.asked
    assert (stop.container_id, stop.timeout) == ("c", 7), "no containerd: it was told of its signal when it was made"
    assert dict(listing.filter.label_selector) == {"a": "b"}


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        (grpc.StatusCode.NOT_FOUND, RuntimeNotFound),
        (grpc.StatusCode.UNAVAILABLE, RuntimeUnavailable),
        (grpc.StatusCode.DEADLINE_EXCEEDED, RuntimeTimeout),
        (grpc.StatusCode.UNIMPLEMENTED, RuntimeUnsupported),
        (grpc.StatusCode.UNKNOWN, RuntimeFailure),
    ],
)
async def test_failures_have_kinds_and_words(
    runtime: Runtime, client: CriClient, code: grpc.StatusCode, failure: type[RuntimeFailure]
) -> None:
    runtime.refuses = code
    with pytest.raises(failure, match="the runtime's own words") as caught:
        await client.stop_container("c", 0)
    assert type(caught.value) is failure
    assert caught.value.code == code.name


async def test_nobody_at_the_socket(client: CriClient) -> None:
    with pytest.raises(RuntimeUnavailable):
        await client.version()


async def test_events_of_containerd(socket: Path, client: CriClient) -> None:
    server = grpc.aio.server()
    containerd_events_pb2_grpc.add_EventsServicer_to_server(Events(), server)
    server.add_insecure_port(f"unix:{socket}")
    await server.start()
    try:
        assert [ended async for ended in client.events()] == ["a", "b"]
    finally:
        await server.stop(0)


async def test_events_of_any_other_runtime(runtime: Runtime, client: CriClient) -> None:
    assert [ended async for ended in client.events()] == ["from cri"]
