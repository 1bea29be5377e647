"""The seam between the kubelet and whatever runs containers.

The values are the CRI messages themselves (`runtime_pb2`). The caller owns what it passes and what it gets. Calls for
different pods may run at the same time; for one container the kubelet makes one changing call at a time. Every method
may raise `RuntimeFailure`, of the kinds in `sampan.cri.errors`.
`sampan.cri.client.CriClient` is the real one, `sampan.testing.fakecri.FakeRuntime` the one for tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

# The generated messages have no types that mypy can see.
Message = Any


class Streams(NamedTuple):
    """Which streams of a process are wanted; a terminal has no `stderr` of its own."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Runtime(Protocol):
    async def version(self) -> Message:
        """A VersionResponse; raises RuntimeUnavailable when the runtime is away."""
        ...

    async def status(self) -> Message:
        """A StatusResponse, with the conditions RuntimeReady and NetworkReady."""
        ...

    async def run_sandbox(self, config: Message, handler: str = "") -> str:
        """Makes and starts a pod's sandbox, network included; returns its id."""
        ...

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Ends what runs in it and gives its network back; fine when it is already stopped or gone."""
        ...

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Removes it and its containers; fine when it is already gone."""
        ...

    async def sandbox_status(self, sandbox_id: str) -> Message:
        """A PodSandboxStatus; raises RuntimeNotFound."""
        ...

    async def list_sandboxes(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        """PodSandbox messages with these labels, in no order."""
        ...

    async def create_container(self, sandbox_id: str, config: Message, sandbox_config: Message) -> str:
        """Makes a container without starting it; returns its id."""
        ...

    async def start_container(self, container_id: str) -> None: ...

    async def stop_container(self, container_id: str, timeout: int, signal: int = 0) -> None:
        """The stop signal, then after `timeout` seconds SIGKILL; returns when the process has ended.

        `signal` is Linux's number, 0 for what the runtime would send: the image's, or SIGTERM.
        """
        ...

    async def remove_container(self, container_id: str) -> None: ...

    async def list_containers(self, labels: Mapping[str, str] | None = None) -> Sequence[Message]:
        """Container messages with these labels, in no order."""
        ...

    async def container_status(self, container_id: str) -> Message:
        """A ContainerStatus; raises RuntimeNotFound."""
        ...

    async def update_resources(self, container_id: str, resources: Message) -> None:
        """Changes a running container's LinuxContainerResources."""
        ...

    async def reopen_log(self, container_id: str) -> None:
        """Makes the runtime open the log file anew, after it was rotated."""
        ...

    async def checkpoint(self, container_id: str, location: str, timeout: int) -> None:
        """Writes what the running container is to the file; raises RuntimeUnsupported where it cannot (0: no bound)."""
        ...

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout: float) -> Message:
        """Runs a command to its end: an ExecSyncResponse; raises RuntimeTimeout after `timeout` seconds (0: never)."""
        ...

    async def exec_url(self, container_id: str, command: Sequence[str], streams: Streams) -> str:
        """Where a stream that runs the command can be opened, once and soon: an http URL on this machine."""
        ...

    async def attach_url(self, container_id: str, streams: Streams) -> str:
        """Likewise, to what the container's process reads and writes."""
        ...

    async def port_forward_url(self, sandbox_id: str, ports: Sequence[int]) -> str:
        """Likewise, for connections to ports of the sandbox."""
        ...

    async def list_images(self) -> Sequence[Message]: ...

    async def image_status(self, image: str) -> Message | None:
        """An Image message, None when it is not on the node."""
        ...

    async def pull_image(self, image: str, auth: Message | None, sandbox_config: Message | None) -> str:
        """Fetches the image and returns its reference; the failure's message has the registry's own words."""
        ...

    async def remove_image(self, image: str) -> None: ...

    async def image_filesystem(self) -> Sequence[Message]:
        """FilesystemUsage of where images are."""
        ...

    async def container_filesystem(self) -> Sequence[Message]:
        """FilesystemUsage of where containers' writable layers are; empty for a runtime that does not tell."""
        ...

    async def container_stats(self) -> Sequence[Message]:
        """ContainerStats of every running container."""
        ...

    def events(self) -> AsyncIterator[str]:
        """Ids of containers and sandboxes whose process just ended, until the runtime goes away.

        The runtime's lists may lag an event by some milliseconds. Raises RuntimeUnsupported at the first step when
        this runtime has no events.
        """
        ...

    async def close(self) -> None: ...
