"""Device plugins over real sockets: they come, change, go and come again; containers keep what they were given."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import msgspec
import pytest

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1
from sampan.cri.messages import pb as cri
from sampan.kubelet.devices.apply import apply
from sampan.kubelet.devices.choose import NotEnough, chosen
from sampan.kubelet.devices.inspection import InspectionServer
from sampan.kubelet.devices.manager import DeviceError, Devices
from sampan.kubelet.devices.messages import podresources_pb
from sampan.kubelet.devices.record import FILE
from sampan.kubelet.devices.registration import RegistrationServer, problem
from sampan.testing.deviceplugin import FakePlugin, serialized

NAME = "example.com/thing"


def pod(uid: str = "u1", count: int = 1, init: int = 0) -> Any:
    def container(name: str, amount: int) -> dict[str, Any]:
        return {"name": name, "resources": {"limits": {NAME: str(amount)}}}

    inits = [container("i", init)] if init else []
    spec = {"containers": [container("c", count)], "initContainers": inits}
    return msgspec.convert({"metadata": {"name": uid, "namespace": "n", "uid": uid}, "spec": spec}, core_v1.Pod)


async def until(holds: Callable[[], Any]) -> None:
    async with asyncio.timeout(30):
        while True:
            if holds():
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A socket's path may have 107 letters."""
    made = Path(tempfile.mkdtemp(prefix="sd-"))
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def kubelet(folder: Path) -> AsyncIterator[Devices]:
    devices = Devices(folder, SystemClock(), changed=lambda: None)
    server = RegistrationServer(devices)
    await server.start()
    try:
        yield devices
    finally:
        await server.close()
        await devices.close()


@pytest.mark.parametrize(
    ("given", "count", "ids"),
    [
        ({"free": "abc"}, 2, "ab"),
        ({"free": "abc", "preferred": "c"}, 2, "ca"),
        ({"free": "abc", "preferred": "x"}, 1, "a"),
        ({"free": "bc", "reused": "a"}, 2, "ab"),
        ({"free": "abc", "nodes": {"a": {0}, "b": {1}, "c": {1}}, "affinity": {1}}, 2, "bc"),
        ({"free": "abc", "nodes": {"a": {0}, "b": {1}, "c": {0}}, "affinity": {1}}, 2, "ba"),
    ],
)
def test_which_devices(given: dict[str, Any], count: int, ids: str) -> None:
    assert "".join(chosen(NAME, count, **given)) == ids


def test_too_few_devices() -> None:
    with pytest.raises(NotEnough, match=r"unavailable for example\.com/thing\. Requested: 3, Available: 2"):
        chosen(NAME, 3, free="ab")


@pytest.mark.parametrize(
    ("version", "endpoint", "resource", "text"),
    [
        ("v1alpha1", "a.sock", NAME, "API version"),
        ("v1beta1", "../a.sock", NAME, "endpoint"),
        ("v1beta1", "kubelet.sock", NAME, "endpoint"),
        ("v1beta1", "a.sock", "thing", "ResourceName"),
        ("v1beta1", "a.sock", "node.kubernetes.io/thing", "ResourceName"),
        ("v1beta1", "a.sock", NAME, ""),
    ],
)
def test_registrations(version: str, endpoint: str, resource: str, text: str) -> None:
    assert text in problem(version, endpoint, resource)
    assert bool(text) == bool(problem(version, endpoint, resource))


async def test_a_plugin_comes_changes_goes_and_comes_again(folder: Path) -> None:
    async with kubelet(folder) as devices:
        plugin = FakePlugin(folder, NAME, ["a", "b", "c"], prefers=["c"], envs={"KIND": "thing"})
        await plugin.start()
        with pytest.raises(grpc.aio.AioRpcError, match="API version"):
            await plugin.register(version="v2")
        await plugin.register()
        await until(lambda: devices.allocatable() == {NAME: "3"})
        (answer,) = await devices.allocate(pod(), pod().spec.containers[0])
        assert dict(answer.envs) == {"KIND": "thing", "DEVICES": "c"}
        assert plugin.prepared == [["c"]]
        await devices.allocate(pod(), pod().spec.containers[0])
        assert plugin.allocated == [["c"]], "a container that starts again has what it had"
        assert "Requested: 3, Available: 2" in devices.refusal(pod("u2", 3))
        assert devices.refusal(pod("u2", 2)) == ""
        plugin.health("a", False)
        await until(lambda: (devices.capacity(), devices.allocatable()) == ({NAME: "3"}, {NAME: "2"}))
        await plugin.stop()
        await until(lambda: (devices.capacity(), devices.allocatable()) == ({NAME: "3"}, {NAME: "0"}))
        with pytest.raises(DeviceError, match="its plugin is away"):
            await devices.allocate(pod("u2"), pod().spec.containers[0])
        await devices.allocate(pod(), pod().spec.containers[0])
        async with FakePlugin(folder, NAME, ["a", "b", "c"]) as again:
            await again.register()
            await until(lambda: devices.allocatable() == {NAME: "3"})
            again.refuses = "out of order"
            with pytest.raises(DeviceError, match="Allocate failed due to out of order"):
                await devices.allocate(pod("u2"), pod().spec.containers[0])


async def test_a_new_kubelet_gives_nothing_twice(folder: Path) -> None:
    async with FakePlugin(folder, NAME, ["a", "b"]) as plugin:
        async with kubelet(folder) as devices:
            (folder / plugin.endpoint).touch()
            await plugin.stop()
            await plugin.start()
            await plugin.register()
            await until(lambda: devices.allocatable() == {NAME: "2"})
            await devices.allocate(pod(), pod().spec.containers[0])
        async with kubelet(folder) as devices:
            assert not (folder / plugin.endpoint).exists(), "so that the plugin comes again"
            assert (devices.capacity(), devices.allocatable()) == ({NAME: "1"}, {NAME: "0"})
            assert len(await devices.allocate(pod(), pod().spec.containers[0])) == 1, "even before it has"
            assert devices.refusal(pod()) == ""
            assert "Available: 0" in devices.refusal(pod("u2"))
            await plugin.stop()
            await plugin.start()
            await plugin.register()
            await until(lambda: devices.allocatable() == {NAME: "2"})
            await devices.allocate(pod("u2"), pod().spec.containers[0])
            assert plugin.allocated == [["a"], ["b"]]
            devices.record.keep(["u2"])
            assert devices.record.used(NAME) == {"b"}
    (folder / FILE).write_text("{")
    assert Devices(folder, SystemClock(), changed=lambda: None).record.all() == []


async def test_init_containers_pass_theirs_on(folder: Path) -> None:
    async with kubelet(folder) as devices, FakePlugin(folder, NAME, ["a", "b"]) as plugin:
        await plugin.register()
        await until(lambda: devices.allocatable() == {NAME: "2"})
        made = pod(count=2, init=1)
        await devices.allocate(made, made.spec.initContainers[0])
        await devices.allocate(made, made.spec.containers[0])
        assert plugin.allocated == [["a"], ["a", "b"]]


async def test_who_has_what_is_told(folder: Path) -> None:
    async with kubelet(folder) as devices, FakePlugin(folder, NAME, ["a"], nodes={"a": 1}) as plugin:
        await plugin.register()
        await until(lambda: devices.allocatable() == {NAME: "1"})
        await devices.allocate(pod(), pod().spec.containers[0], frozenset({1}))
        server = InspectionServer(
            folder / "r", devices, pods=lambda: [pod()], cpus=lambda uid, name: {3}, shared=lambda: {1, 2, 3}
        )
        await server.start()
        address = f"unix://{folder / 'r' / 'kubelet.sock'}"
        async with grpc.aio.insecure_channel(address, [("grpc.default_authority", "localhost")]) as channel:
            pb = podresources_pb

            async def ask(method: str, request: Any, answer: Any) -> Any:
                call: Any = channel.unary_unary(
                    f"/v1.PodResourcesLister/{method}",
                    request_serializer=serialized,
                    response_deserializer=answer.FromString,
                )
                return await call(request, timeout=10.0)

            listed = await ask("List", pb.ListPodResourcesRequest(), pb.ListPodResourcesResponse)
            container = listed.pod_resources[0].containers[0]
            assert (list(container.cpu_ids), list(container.devices[0].device_ids)) == ([3], ["a"])
            assert container.devices[0].topology.nodes[0].ID == 1
            there = await ask(
                "GetAllocatableResources", pb.AllocatableResourcesRequest(), pb.AllocatableResourcesResponse
            )
            assert (list(there.cpu_ids), list(there.devices[0].device_ids)) == ([1, 2, 3], ["a"])
            with pytest.raises(grpc.aio.AioRpcError, match="not found"):
                await ask("Get", pb.GetPodResourcesRequest(pod_name="x", pod_namespace="n"), pb.GetPodResourcesResponse)
        await server.close()


def test_what_a_container_gets() -> None:
    from sampan.kubelet.devices.messages import pb

    config = cri.ContainerConfig(envs=[cri.KeyValue(key="A", value="mine")])
    answer = pb.ContainerAllocateResponse(
        envs={"A": "theirs", "B": "2"},
        mounts=[pb.Mount(container_path="/lib/x", host_path="/opt/x", read_only=True)],
        devices=[pb.DeviceSpec(container_path="/dev/x", host_path="/dev/x0", permissions="rw")],
        annotations={"n": "v"},
        cdi_devices=[pb.CDIDevice(name="example.com/thing=a")],
    )
    apply(config, [answer])
    assert [(e.key, e.value) for e in config.envs] == [("A", "mine"), ("B", "2")]
    assert (config.mounts[0].host_path, config.mounts[0].readonly) == ("/opt/x", True)
    assert (config.devices[0].host_path, config.devices[0].permissions) == ("/dev/x0", "rw")
    assert config.CDI_devices[0].name == "example.com/thing=a"
    assert config.annotations["n"] == "v"
