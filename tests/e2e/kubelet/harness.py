"""A kubelet on a containerd of the test's own, with the API in memory. Needs root."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sampan.aio.clock import Clock, SystemClock
from sampan.aio.mounts import unmount_below
from sampan.aio.removal import remove_tree
from sampan.api.kinds import core_v1, meta_v1
from sampan.cri.builtin import SEARCH_PATH, busybox_files, pause_image, sample_image
from sampan.cri.client import CriClient
from sampan.cri.containerd import Containerd, remove_all_sandboxes
from sampan.cri.oci import ImageConfig, build_image, import_image
from sampan.cri.snapshots import Snapshots
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.kubelet import Kubelet
from sampan.testing.fakeapi import FakeApi
from sampan.volumes.mounter import KernelMounter

from ..patience import FACTOR

IMAGE = "sampan.dev/sample:1"
T = TypeVar("T")
LOG_BYTES = 1 << 20
"""Small, so that a log is rotated soon."""


class FastClock:
    """For what takes long: to whoever has this clock, so many seconds pass in one."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._began, self._zero = time.time(), time.monotonic()

    def now(self) -> float:
        return self._began + self.monotonic()

    def monotonic(self) -> float:
        return (time.monotonic() - self._zero) * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0) / self._speed)

    async def wait_for(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        async with asyncio.timeout(None if seconds is None else seconds / self._speed):
            return await awaitable


class Machine:
    """The containerd of one test module: its folder, bridge and cgroups are named after it and go with it."""

    def __init__(self) -> None:
        assert os.geteuid() == 0, "these tests start containers: run them as root"
        # A socket's path may have 107 letters, so not under pytest's own folder.
        self.folder = Path(tempfile.mkdtemp(prefix="sk-"))
        # Root in a user namespace of its own goes through it to its root file system.
        self.folder.chmod(0o711)
        self.subnet = f"10.213.{os.getpid() % 250}"
        self.bridge = f"skt{os.getpid() % 100000}"
        self.cgroup_root = f"kubepods-test-{os.getpid()}"
        self.containerd = Containerd(self.folder, clock=SystemClock())
        self._process: subprocess.Popen[bytes]

    def run(self) -> None:
        """Runs containerd outside of any event loop, for each test has its own."""
        with (self.folder / "containerd.log").open("ab") as output:
            self._process = subprocess.Popen(self.containerd.command(), stdout=output, stderr=output)

    def kill(self) -> None:
        """As a crash: containers go on."""
        self._process.kill()
        self._process.wait()

    async def start(self) -> None:
        self.containerd.prepare()
        (self.containerd.cni_conf_dir / "10-test.conflist").write_text(json.dumps(self._network()))
        self.run()
        await self.containerd.ready()
        for archive in (pause_image(), sample_image("1"), sample_image("2")):
            await import_image(self.containerd.socket, archive)
        await eventually(self._network_is_ready)

    async def _network_is_ready(self) -> bool:
        """containerd notices the configuration by watching its folder."""
        client = CriClient(str(self.containerd.socket))
        try:
            return all(condition.status for condition in (await client.status()).status.conditions)
        finally:
            await client.close()

    async def destroy(self) -> None:
        await remove_all_sandboxes(self.containerd.socket)
        self._process.terminate()
        self._process.wait()
        await self.containerd.destroy()
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        subprocess.run(["ip", "link", "delete", self.bridge], check=False, capture_output=True)
        for root in Path("/sys/fs/cgroup").glob(f"**/{self.cgroup_root}*"):
            for folder in [*sorted(root.rglob("*/"), reverse=True), root]:
                if folder.is_dir():
                    folder.rmdir()
        assert not list(Path("/sys/fs/cgroup").glob(f"**/{self.cgroup_root}*"))
        assert unmount_below(self.folder) == []
        remove_tree(self.folder)

    def _network(self) -> dict[str, Any]:
        ipam = {
            "type": "host-local",
            "dataDir": str(self.folder / "ipam"),
            "ranges": [[{"subnet": f"{self.subnet}.0/24"}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {"type": "bridge", "bridge": self.bridge, "isGateway": True, "hairpinMode": True, "ipam": ipam}
        return {"cniVersion": "0.4.0", "name": self.bridge, "plugins": [bridge]}


class Node:
    """A kubelet on a Machine."""

    def __init__(self, machine: Machine, clock: Clock | None = None) -> None:
        self.machine = machine
        self.clock = clock or SystemClock()
        self.api = FakeApi(self.clock)
        self.folder = Path(tempfile.mkdtemp(prefix="node-", dir=machine.folder))
        self.config = KubeletConfig(
            node_name="n1",
            node_ips=(f"{machine.subnet}.1",),
            root=self.folder / "kubelet",
            log_root=self.folder / "logs",
            cgroup_driver=machine.containerd.cgroup_driver,
            cgroup_root=machine.cgroup_root,
            bind_address="127.0.0.1",
            port=0,
            log_check=0.5,
            log_max_bytes=LOG_BYTES,
        )
        self.mount_program = "mount"
        self.runtime: CriClient
        self.kubelet: Kubelet
        self._task: asyncio.Task[None]

    async def start(self) -> None:
        self.runtime = CriClient(str(self.machine.containerd.socket))
        self.views = Snapshots(str(self.machine.containerd.socket))
        self.kubelet = Kubelet(
            client=self.api,
            runtime=self.runtime,
            clock=self.clock,
            rng=random.Random(),
            config=self.config,
            views=self.views,
            mounter=KernelMounter(self.clock, program=self.mount_program),
        )
        self._task = asyncio.create_task(self.kubelet.run())

    async def stop(self) -> None:
        """As a kill: containers go on."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.runtime.close()
        await self.views.close()

    async def clear(self) -> None:
        """Deletes every pod and waits until the node has let them go."""
        for pod in self.api.all(core_v1.Pod):
            await self.api.delete(core_v1.Pod, pod.metadata.name, "default", grace_period_seconds=1)
        await eventually(lambda: not self.api.all(core_v1.Pod))
        await eventually(lambda: not list(self.kubelet.pods.all()))

    def pod(self, name: str = "p", **spec: Any) -> Any:
        """Adds a pod bound to the node; `spec` as in a manifest."""
        containers = spec.pop("containers", [{"name": "c"}])
        metadata = {"name": name, "namespace": "default", **spec.pop("metadata", {})}
        body = {"terminationGracePeriodSeconds": 5, "nodeName": "n1", **spec}
        for field, listed in (("containers", containers), ("initContainers", body.get("initContainers"))):
            if listed:
                body[field] = [{"image": IMAGE, **entry} for entry in listed]
        pod = msgspec.convert({"metadata": metadata, "spec": body}, core_v1.Pod)
        pod.metadata.uid = f"{random.SystemRandom().getrandbits(128):032x}"
        return self.api.add(pod)[0]

    def config_map(self, name: str, data: dict[str, str]) -> None:
        self.api.add(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), data=data))

    def get(self, name: str = "p") -> Any:
        return self.api.peek(core_v1.Pod, name, "default")

    def phase(self, name: str = "p") -> str | None:
        pod = self.get(name)
        return pod.status.phase if pod is not None and pod.status is not None else None

    def container(self, name: str = "c", pod: str = "p") -> Any:
        status = self.get(pod).status
        found = [*((status.initContainerStatuses if status else None) or ())]
        found += (status.containerStatuses if status else None) or ()
        return next((entry for entry in found if entry.name == name), None)

    def events(self) -> list[str]:
        return [f"{event.reason}: {event.message}" for event in self.api.all(core_v1.Event)]

    async def running(self, name: str = "p") -> Any:
        """Waits until the pod is ready; returns its status."""
        await eventually(lambda: is_ready(self.get(name)), about=lambda: (self.get(name).status, self.events()))
        return self.get(name).status

    async def ended(self, name: str = "p") -> Any:
        await eventually(lambda: self.phase(name) in ("Succeeded", "Failed"), about=self.events)
        return self.get(name).status

    async def gone(self, name: str = "p") -> None:
        await eventually(lambda: self.get(name) is None)

    async def log(self, name: str = "p", container: str = "c", **query: Any) -> str:
        import aiohttp

        url = f"http://127.0.0.1:{self.kubelet.server.port}/containerLogs/default/{name}/{container}"
        async with aiohttp.ClientSession() as session, session.get(url, params=query) as response:
            return await response.text()

    async def features(self) -> tuple[Any, Any]:
        """What the Node says its runtime can do: by the default handler, and as a whole. containerd can from 2.0 on."""
        await eventually(lambda: (found := self.api.peek(core_v1.Node, "n1")) is not None and found.status)
        status = self.api.peek(core_v1.Node, "n1").status
        handlers = {handler.name: handler.features for handler in status.runtimeHandlers or ()}
        return handlers.get(""), status.features


async def import_busybox(machine: Machine, name: str, **config: Any) -> str:
    """Makes an image of a shell and its like, whose configuration says so; returns its name."""
    settings = ImageConfig(env={"PATH": SEARCH_PATH}, **config)
    await import_image(machine.containerd.socket, build_image(name, busybox_files(), settings))
    return name


def is_ready(pod: Any) -> bool:
    conditions = (pod.status.conditions if pod is not None and pod.status is not None else None) or ()
    return any(c.type == "Ready" and c.status == "True" for c in conditions)


async def eventually(
    holds: Callable[[], Any], *, seconds: float = 20.0, about: Callable[[], Any] | None = None
) -> None:
    """Returns once `holds()` (a value or an awaitable) is true; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds * FACTOR
    while True:
        result = holds()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return
        assert time.monotonic() < deadline, about() if about else "it never came true"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def running_node(node: Node) -> AsyncIterator[Node]:
    await node.start()
    try:
        yield node
        await node.clear()
    finally:
        await node.stop()
