"""A kubelet with everything around it in memory, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.aio.removal import remove_tree
from sampan.api.kinds import core_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.cpus.topology import Cpu
from sampan.kubelet.handlers import Answer, Unanswered
from sampan.kubelet.kubelet import Kubelet, unguarded
from sampan.kubelet.machine import Machine, Usage
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.fakeapi import FakeApi
from sampan.testing.fakecri import FakeRuntime

GIB = 1 << 30
IMAGE = "sampan.dev/sample:1"
MACHINE = Machine(
    cpus=4,
    memory=8 * GIB,
    architecture="amd64",
    operating_system="linux",
    kernel="6.1",
    os_image="Debian",
    machine_id="m",
    system_uuid="u",
    boot_id="b",
    huge_pages=((2 << 20, 4), (1 << 30, 0)),
)


def usage(path: Path) -> Usage:
    return Usage(
        memory_available=4 * GIB,
        disk_bytes=100 * GIB,
        disk_available=50 * GIB,
        disk_inodes=1000,
        disk_inodes_free=900,
        pids=100,
        pids_most=10000,
    )


async def at_once(work: Callable[..., Any], *arguments: Any) -> Any:
    """No threads in virtual time."""
    return work(*arguments)


class FakeMounter:
    """Notes what was asked and mounts nothing."""

    def __init__(self) -> None:
        self.mounts: list[tuple[str, str]] = []
        self.hangs = asyncio.Event()
        self.hanging = False

    def tmpfs(self, target: Path, size: int | None, *, swap: bool = True) -> None:
        self.mounts.append((str(target), f"tmpfs {size}"))

    def hugepages(self, target: Path, page: int) -> None:
        self.mounts.append((str(target), f"pages {page}"))

    def bind(self, source: Path, target: Path) -> None:
        self.mounts.append((str(target), str(source)))

    async def mount(
        self, filesystem: str, source: str, target: Path, options: Sequence[str], *, folder: Path = Path("/")
    ) -> None:
        if self.hanging:
            await self.hangs.wait()
        self.mounts.append((str(target), source))

    async def run(self, *command: str) -> tuple[int, str]:
        return 2, ""

    def mounted(self, target: Path) -> bool:
        return any(point == str(target) for point, _ in self.mounts)

    def share(self, directory: Path) -> None:
        return None

    def unmount_below(self, directory: Path) -> list[str]:
        self.mounts = [mount for mount in self.mounts if not mount[0].startswith(str(directory))]
        return []

    async def take_down(self, directory: Path) -> list[str]:
        return self.unmount_below(directory)

    async def aside(self, work: Callable[[], Any]) -> Any:
        return work()

    async def remove(self, directory: Path) -> None:
        remove_tree(directory)

    async def own(self, directory: Path, group: int, *, policy: str | None) -> None:
        self.mounts.append((str(directory), f"group {group}"))


class FakeHandlers:
    """Answers as `answers` says, by kind and address; True where it says nothing; nothing for the `unanswered`."""

    def __init__(self, clock: Clock) -> None:
        self.answers: dict[str, bool] = {}
        self.takes: dict[str, float] = {}
        self.unanswered: set[str] = set()
        self.asked: list[tuple[float, str]] = []
        self._clock = clock

    async def _answer(self, what: str) -> Answer:
        self.asked.append((self._clock.monotonic(), what))
        if what in self.takes:
            await self._clock.sleep(self.takes[what])
        ok = self.answers.get(what, True)
        if what in self.unanswered:
            raise Unanswered("nobody was asked")
        return Answer(ok, "" if ok else "no")

    async def exec(self, container_id: str, command: Sequence[str], timeout: float) -> Answer:
        return await self._answer("exec " + " ".join(command))

    async def http(self, url: str, headers: Sequence[tuple[str, str]], timeout: float) -> Answer:
        return await self._answer("http " + url)

    async def tcp(self, host: str, port: int, timeout: float) -> Answer:
        return await self._answer(f"tcp {host}:{port}")

    async def grpc(self, host: str, port: int, service: str, timeout: float) -> Answer:
        return await self._answer(f"grpc {host}:{port} {service}")


class Node:
    """`advance` moves time; the rest looks."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.clock = VirtualClock()
        self.api = FakeApi(self.clock)
        self.runtime = FakeRuntime(self.clock, images=[IMAGE])
        self.handlers = FakeHandlers(self.clock)
        self.mounter = FakeMounter()
        self.views: Any = None
        self.cidrs: list[str] = []
        self.guard: Callable[[Any, Sequence[str]], Awaitable[None]] = unguarded
        self.config = KubeletConfig(
            **{
                "node_name": "n1",
                "node_ips": ("192.0.2.1",),
                "root": folder / "kubelet",
                "log_root": folder / "logs",
                "cgroup_mount": folder / "cgroup",
                "port": None,
                "serve_devices": False,
                "kernel_messages": folder / "kmsg",
                **config,
            }
        )
        self._task: asyncio.Task[None] | None = None
        self.kubelet: Kubelet

    async def start(self) -> None:
        self.kubelet = Kubelet(
            client=self.api,
            runtime=self.runtime,
            clock=self.clock,
            rng=random.Random(1),
            config=self.config,
            on_pod_cidr=self.cidrs.append,
            guard=lambda pod, addresses: self.guard(pod, addresses),
            mounter=self.mounter,
            views=self.views,
            handlers=self.handlers,
            the_machine=MACHINE,
            measure=lambda path: usage(path),
            off_loop=at_once,
            the_topology={cpu: Cpu(0, 0, cpu // 2, cpu) for cpu in range(4)},
        )
        self._task = asyncio.create_task(self.kubelet.run())
        await self.advance(0)

    async def stop(self) -> None:
        """As a kill: nothing is said to anybody."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def advance(self, seconds: float = 0.0) -> None:
        await self.clock.advance(seconds)
        await settle()
        if self._task is not None and self._task.done():
            self._task.result()

    def pod(self, name: str = "p", **spec: Any) -> Any:
        """Adds a pod bound to the node; `spec` as in a manifest."""
        containers = spec.pop("containers", [{"name": "c"}])
        metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", **spec.pop("metadata", {})}
        body = {"containers": [{"image": IMAGE, **c} for c in containers], "nodeName": "n1", **spec}
        if "initContainers" in body:
            body["initContainers"] = [{"image": IMAGE, **c} for c in body["initContainers"]]
        return self.api.add(msgspec.convert({"metadata": metadata, "spec": body}, core_v1.Pod))[0]

    def get(self, name: str = "p") -> Any:
        return self.api.peek(core_v1.Pod, name, "default")

    def status(self, name: str = "p") -> Any:
        return self.get(name).status

    def container(self, name: str = "c", pod: str = "p") -> Any:
        status = self.status(pod)
        found = [*(status.initContainerStatuses or ()), *(status.containerStatuses or ())]
        return next(entry for entry in found if entry.name == name)

    def condition(self, type_: str, pod: str = "p") -> str:
        return next(c.status for c in self.status(pod).conditions if c.type == type_)

    def events(self) -> list[str]:
        return [f"{event.reason}: {event.message}" for event in self.api.all(core_v1.Event)]

    async def delete(self, name: str = "p", grace: int | None = None) -> None:
        await self.api.delete(core_v1.Pod, name, "default", grace_period_seconds=grace)
        await self.advance(0)


@asynccontextmanager
async def node(folder: Path, **config: Any) -> AsyncIterator[Node]:
    made = Node(folder, **config)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
