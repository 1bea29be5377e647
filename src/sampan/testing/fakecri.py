"""A container runtime in memory: enough of CRI for a kubelet, without a process or a socket.

Containers run until told otherwise: by `exit`, by being stopped, or at once when their command is one of `commands`.
Images exist when they are in `images`; others can be pulled when they are in `registry`. `fail` makes coming calls
fail, `go_away` and `come_back` are the runtime's death and return. `calls` has every changing call, and
`started` the names of containers as they were started, `asked` how often each method was called, for tests to look at.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampan.aio.clock import Clock
from sampan.cri.errors import RuntimeFailure, RuntimeNotFound, RuntimeTimeout, RuntimeUnavailable
from sampan.cri.interface import Message, Streams
from sampan.cri.messages import pb

NANO = 1_000_000_000
Exec = Callable[[str, Sequence[str]], tuple[int, str]]


class FakeRuntime:
    """`latency` is what each changing call takes, in seconds of the clock."""

    def __init__(
        self, clock: Clock, *, images: Sequence[str] = (), registry: Sequence[str] = (), subnet: str = "10.9.0"
    ) -> None:
        self.images = {name: make_image(name) for name in images}
        self.registry = set(registry)
        self.refusals: dict[str, str] = {}
        self.commands: dict[str, int] = {}
        self.calls: list[tuple[str, ...]] = []
        self.started: list[str] = []
        self.asked: Counter[str] = Counter()
        self.sandboxes: dict[str, Any] = {}
        self.containers: dict[str, Any] = {}
        self.configs: dict[str, Any] = {}
        self.ignores_stop: set[str] = set()
        self.dies_late: dict[str, float] = {}
        self.updates: list[tuple[str, Any]] = []
        self.handlers = {""}
        self.runtime_handlers: list[Any] = []
        self.layers: dict[str, int] = {}
        self.on_remove: Callable[[str], None] = lambda image: None
        self._sandboxes_of: dict[str, str] = {}
        self.latency = 0.0
        self.pull_seconds = 0.0
        self.on_exec: Exec = lambda container_id, command: (0, "")
        self.stream_url = "http://127.0.0.1:9/"
        self.network_ready = True
        self._clock = clock
        self._subnet = subnet
        self._numbers = itertools.count(1)
        self._addresses = itertools.count(2)
        self._faults: dict[str, list[RuntimeFailure]] = {}
        self._away = False
        self._listeners: list[asyncio.Queue[str | None]] = []

    # What tests do.

    def fail(self, method: str, error: RuntimeFailure | str, times: int = 1) -> None:
        """The next `times` calls of the method fail."""
        failure = RuntimeFailure(error) if isinstance(error, str) else error
        self._faults.setdefault(method, []).extend([failure] * times)

    def go_away(self) -> None:
        """Nobody answers from now on; containers go on."""
        self._away = True
        for listener in self._listeners:
            listener.put_nowait(None)

    def come_back(self) -> None:
        self._away = False

    def exit(self, name: str, code: int = 0, reason: str = "") -> None:
        """Ends the running container of that name."""
        for status in self.containers.values():
            if status.metadata.name == name and status.state == pb.CONTAINER_RUNNING:
                self._end(status, code, reason or ("Error" if code else "Completed"))

    def break_sandbox(self, uid: str) -> None:
        """The pod's pause process dies, and its containers with it."""
        for sandbox in self.sandboxes.values():
            if sandbox.metadata.uid == uid and sandbox.state == pb.SANDBOX_READY:
                self._end_sandbox(sandbox)

    def running(self) -> list[str]:
        """Names of the running containers, in the order they were created."""
        return [s.metadata.name for s in self.containers.values() if s.state == pb.CONTAINER_RUNNING]

    def config(self, name: str) -> Any:
        """The ContainerConfig of the newest container of that name."""
        found = [key for key, status in self.containers.items() if status.metadata.name == name]
        return self.configs[found[-1]]

    def called(self, method: str) -> list[tuple[str, ...]]:
        return [call for call in self.calls if call[0] == method]

    # The runtime itself.

    async def version(self) -> Message:
        self._reach("version")
        return pb.VersionResponse(runtime_name="fake", runtime_version="1.0", runtime_api_version="v1")

    async def status(self) -> Message:
        self._reach("status")
        network = pb.RuntimeCondition(type="NetworkReady", status=self.network_ready)
        if not self.network_ready:
            network.reason, network.message = "NetworkPluginNotReady", "cni plugin not initialized"
        ready = pb.RuntimeCondition(type="RuntimeReady", status=True)
        status = pb.RuntimeStatus(conditions=[ready, network])
        return pb.StatusResponse(status=status, runtime_handlers=self.runtime_handlers)

    async def close(self) -> None:
        return None

    async def events(self) -> AsyncIterator[str]:
        self._reach("events")
        listener: asyncio.Queue[str | None] = asyncio.Queue()
        self._listeners.append(listener)
        try:
            while (ended := await listener.get()) is not None:
                yield ended
            raise RuntimeUnavailable("the fake runtime is away")
        finally:
            self._listeners.remove(listener)

    # Sandboxes.

    async def run_sandbox(self, config: Message, handler: str = "") -> str:
        await self._change("run_sandbox", config.metadata.name, str(config.metadata.attempt))
        if handler not in self.handlers:
            raise RuntimeFailure(f'no runtime for "{handler}" is configured')
        sandbox = pb.PodSandboxStatus(
            id=self._new_id("s"),
            metadata=config.metadata,
            state=pb.SANDBOX_READY,
            created_at=self._now(),
            labels=config.labels,
            annotations=config.annotations,
        )
        if config.linux.security_context.namespace_options.network == pb.POD:
            sandbox.network.ip = f"{self._subnet}.{next(self._addresses)}"
        self.sandboxes[sandbox.id] = sandbox
        self.configs[sandbox.id] = config
        return sandbox.id

    async def stop_sandbox(self, sandbox_id: str) -> None:
        await self._change("stop_sandbox", sandbox_id)
        if sandbox_id in self.sandboxes:
            self._end_sandbox(self.sandboxes[sandbox_id])

    async def remove_sandbox(self, sandbox_id: str) -> None:
        await self._change("remove_sandbox", sandbox_id)
        self.sandboxes.pop(sandbox_id, None)
        for key in [key for key, sandbox in self._sandboxes_of.items() if sandbox == sandbox_id]:
            self.containers.pop(key, None)

    async def sandbox_status(self, sandbox_id: str) -> Message:
        self._reach("sandbox_status")
        if sandbox_id not in self.sandboxes:
            raise RuntimeNotFound(f"sandbox {sandbox_id} not found")
        return self.sandboxes[sandbox_id]

    async def list_sandboxes(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        self._reach("list_sandboxes")
        return [
            pb.PodSandbox(id=s.id, metadata=s.metadata, state=s.state, created_at=s.created_at, labels=s.labels)
            for s in self.sandboxes.values()
            if matches(s.labels, labels)
        ]

    # Containers.

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        await self._change("create_container", config.metadata.name, str(config.metadata.attempt))
        if sandbox_id not in self.sandboxes:
            raise RuntimeNotFound(f"sandbox {sandbox_id} not found")
        container_id = self._new_id("c")
        self.configs[container_id] = config
        self._sandboxes_of[container_id] = sandbox_id
        self.containers[container_id] = pb.ContainerStatus(
            id=container_id,
            metadata=config.metadata,
            state=pb.CONTAINER_CREATED,
            created_at=self._now(),
            image=pb.ImageSpec(image=config.image.user_specified_image),
            image_ref=config.image.image,
            labels=config.labels,
            annotations=config.annotations,
            log_path=f"{sandbox_config.log_directory}/{config.log_path}",
        )
        return container_id

    async def start_container(self, container_id: str) -> None:
        status = self._container(container_id)
        try:
            await self._change("start_container", status.metadata.name)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure as error:
            self._end(status, 128, "StartError", str(error))
            raise
        status.state, status.started_at = pb.CONTAINER_RUNNING, self._now()
        open_log(status)
        self.started.append(status.metadata.name)
        command = " ".join([*self.configs[container_id].command, *self.configs[container_id].args])
        if command in self.commands:
            self._end(status, self.commands[command], "Error" if self.commands[command] else "Completed")

    async def stop_container(self, container_id: str, timeout: int, signal: int = 0) -> None:
        status = self._container(container_id)
        await self._change("stop_container", status.metadata.name, str(timeout), *([str(signal)] if signal else []))
        if status.metadata.name in self.ignores_stop:
            await self._clock.sleep(timeout + self.dies_late.get(status.metadata.name, 0.0))
        if status.state == pb.CONTAINER_RUNNING:
            ignored = status.metadata.name in self.ignores_stop
            self._end(status, 137 if ignored or not timeout else 143, "Error")

    async def remove_container(self, container_id: str) -> None:
        await self._change("remove_container", container_id)
        self.containers.pop(container_id, None)

    async def list_containers(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        self._reach("list_containers")
        return [
            pb.Container(
                id=c.id,
                pod_sandbox_id=self._sandbox_of(c.id),
                metadata=c.metadata,
                image=c.image,
                image_ref=c.image_ref,
                state=c.state,
                created_at=c.created_at,
                labels=c.labels,
                annotations=c.annotations,
            )
            for c in self.containers.values()
            if matches(c.labels, labels)
        ]

    async def container_status(self, container_id: str) -> Message:
        self._reach("container_status")
        return self._container(container_id)

    async def update_resources(self, container_id: str, resources: Message) -> None:
        await self._change("update_resources", container_id)
        self.updates.append((container_id, resources))

    async def reopen_log(self, container_id: str) -> None:
        await self._change("reopen_log", container_id)
        open_log(self._container(container_id))

    async def checkpoint(self, container_id: str, location: str, timeout: int) -> None:
        await self._change("checkpoint", container_id, location)

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> Message:
        self._reach("exec_sync")
        code, output = self.on_exec(container_id, command)
        if code < 0:
            await self._clock.sleep(timeout)
            raise RuntimeTimeout("deadline exceeded")
        return pb.ExecSyncResponse(stdout=output.encode(), exit_code=code)

    async def exec_url(self, container_id: str, command: Sequence[str], streams: Streams) -> str:
        await self._change("exec", container_id, *command)
        return self.stream_url

    async def attach_url(self, container_id: str, streams: Streams) -> str:
        await self._change("attach", container_id)
        return self.stream_url

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        await self._change("port_forward", sandbox_id, *map(str, ports))
        return self.stream_url

    # Images.

    async def list_images(self) -> Sequence[Message]:
        self._reach("list_images")
        return list({found.id: found for found in self.images.values()}.values())

    async def image_status(self, image: str) -> Message | None:
        self._reach("image_status")
        return self.images.get(image) or next((found for found in self.images.values() if found.id == image), None)

    async def pull_image(self, image: str, auth: Message | None, sandbox_config: Message | None) -> str:
        self.calls.append(("pull_image", image, auth.username if auth else ""))
        if self.pull_seconds:
            await self._clock.sleep(self.pull_seconds)
        self._reach("pull_image")
        if image not in self.registry:
            raise RuntimeFailure(self.refusals.get(image, f'failed to resolve reference "{image}": not found'))
        self.images[image] = found = make_image(image)
        return found.id

    async def remove_image(self, image: str) -> None:
        await self._change("remove_image", image)
        for name in [name for name, found in self.images.items() if image in (name, found.id)]:
            del self.images[name]
        self.on_remove(image)

    async def image_filesystem(self) -> Sequence[Message]:
        self._reach("image_filesystem")
        return []

    async def container_filesystem(self) -> Sequence[Message]:
        self._reach("container_filesystem")
        return []

    async def container_stats(self) -> Sequence[Message]:
        """Writable layers are as large as `layers` says, by container name."""
        self._reach("container_stats")
        return [
            pb.ContainerStats(
                attributes=pb.ContainerAttributes(id=status.id, metadata=status.metadata, labels=status.labels),
                writable_layer=pb.FilesystemUsage(
                    used_bytes=pb.UInt64Value(value=self.layers.get(status.metadata.name, 0)),
                    inodes_used=pb.UInt64Value(value=1),
                ),
            )
            for status in self.containers.values()
            if status.state == pb.CONTAINER_RUNNING
        ]

    # Inside.

    def _sandbox_of(self, container_id: str) -> str:
        return self._sandboxes_of.get(container_id, "")

    def _reach(self, method: str) -> None:
        self.asked[method] += 1
        if self._away:
            raise RuntimeUnavailable("connection refused")
        faults = self._faults.get(method)
        if faults:
            raise faults.pop(0)

    async def _change(self, method: str, *arguments: str) -> None:
        self.calls.append((method, *arguments))
        if self.latency:
            await self._clock.sleep(self.latency)
        self._reach(method)

    def _container(self, container_id: str) -> Any:
        if container_id not in self.containers:
            raise RuntimeNotFound(f"container {container_id} not found")
        return self.containers[container_id]

    def _end(self, status: Any, code: int, reason: str, message: str = "") -> None:
        status.state, status.finished_at = pb.CONTAINER_EXITED, self._now()
        status.exit_code, status.reason, status.message = code, reason, message
        self._announce(status.id)

    def _end_sandbox(self, sandbox: Any) -> None:
        for status in self.containers.values():
            if self._sandbox_of(status.id) == sandbox.id and status.state == pb.CONTAINER_RUNNING:
                self._end(status, 137, "Error")
        if sandbox.state == pb.SANDBOX_READY:
            sandbox.state = pb.SANDBOX_NOTREADY
            self._announce(sandbox.id)

    def _announce(self, ended: str) -> None:
        for listener in self._listeners:
            listener.put_nowait(ended)

    def _now(self) -> int:
        return int(self._clock.now() * NANO)

    def _new_id(self, prefix: str) -> str:
        return f"{prefix}{next(self._numbers):04d}"


def make_image(name: str) -> Any:
    return pb.Image(id=f"sha256:{name}", repo_tags=[name], size=1 << 20)


def open_log(status: Any) -> None:
    """Makes the log's file, where there is a folder for it."""
    path = Path(status.log_path)
    if path.parent.is_dir():
        path.touch()


def matches(labels: Mapping[str, str], wanted: Mapping[str, str] | None) -> bool:
    return all(labels.get(key) == value for key, value in (wanted or {}).items())
