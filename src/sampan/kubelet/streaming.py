"""Exec, attach and port-forward: from the path of a request to the address of the runtime's own stream.

The runtime serves the streams itself, on this machine; the kubelet finds out which container or sandbox is meant, asks
for a stream to it and passes the bytes on (`front`). Source: CRI, "Exec", "Attach", "PortForward"; paths and parameters
are those of upstream's kubelet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from sampan.cri.errors import RuntimeFailure
from sampan.cri.interface import Runtime, Streams
from sampan.kubelet.access.delegated import Refused
from sampan.kubelet.pods import PodWorkers

Query = list[tuple[str, str]]
PARAMETERS = ("input", "output", "error", "tty")
"""Of a request, in the order of `Streams`."""
TRUE = frozenset({"1", "t", "true", "True"})
MOST_PARAMETERS = 1000


class Streaming:
    def __init__(self, runtime: Runtime, pods: PodWorkers, *, enabled: bool = True) -> None:
        self._runtime = runtime
        self._pods = pods
        self._enabled = enabled
        # first part of the path -> how many parts follow, and who finds the stream
        self._kinds: dict[str, tuple[int, Callable[..., Awaitable[str]]]] = {
            "exec": (3, self._exec),
            "attach": (3, self._attach),
            "portForward": (2, self._port_forward),
        }

    def serves(self, path: str) -> bool:
        """Whether the path is one of a stream."""
        return path.lstrip("/").partition("/")[0] in self._kinds

    async def url(self, path: str, query: str) -> str:
        """Where the runtime serves the stream. `path` is decoded, `query` is not. Raises Refused."""
        kind, *names = path.strip("/").split("/")
        wanted, find = self._kinds.get(kind, (-1, None))
        if find is None or len(names) != wanted:
            raise Refused(404, "404 page not found\n")
        if not self._enabled:
            raise Refused(405, "Debug endpoints are disabled.\n")
        try:
            given = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_PARAMETERS)
        except ValueError:
            raise Refused(400, f"more than {MOST_PARAMETERS} query parameters\n") from None
        try:
            return await find(self._pod(*names[:2]), *names[2:], given)
        except RuntimeFailure as failure:
            raise Refused(500, f"{failure.message}\n") from None

    def _pod(self, namespace: str, name: str) -> Any:
        worker = self._pods.find(namespace, name)
        if worker is None:
            raise Refused(404, "pod does not exist\n")
        return worker

    async def _exec(self, worker: Any, name: str, given: Query) -> str:
        command = [value for key, value in given if key == "command"]
        wanted = streams(given)
        return await self._runtime.exec_url(running(worker, name), command, wanted)

    async def _attach(self, worker: Any, name: str, given: Query) -> str:
        wanted = streams(given)
        return await self._runtime.attach_url(running(worker, name), wanted)

    async def _port_forward(self, worker: Any, given: Query) -> str:
        sandbox = worker.seen.sandbox
        if sandbox is None or not sandbox.ready:
            raise Refused(404, f'sandbox of pod "{worker.pod.metadata.name}" is not running\n')
        return await self._runtime.port_forward_url(sandbox.id, ports(given))


def running(worker: Any, name: str) -> str:
    """The id of the container that runs. Raises Refused."""
    container = worker.seen.current(name)
    if container is None or not container.alive:
        raise Refused(404, f'container not found ("{name}")\n')
    return str(container.id)


def streams(given: Query) -> Streams:
    """Raises Refused where none is wanted."""
    said = {key: value in TRUE for key, value in reversed(given)}
    wanted = Streams(*(said.get(name, False) for name in PARAMETERS))
    if wanted.tty:
        wanted = wanted._replace(stderr=False)
    if not (wanted.stdin or wanted.stdout or wanted.stderr):
        raise Refused(400, "you must specify at least 1 of stdin, stdout, stderr\n")
    return wanted


def ports(given: Query) -> list[int]:
    """Those told beforehand, as clients with WebSockets do. Raises Refused."""
    found = [value for key, value in given if key == "port"]
    for value in found:
        if not (value.isascii() and value.isdigit() and 0 < int(value[:6]) < 65536):
            raise Refused(400, f'"{value[:40]}" is no port: want a number from 1 to 65535\n')
    return [int(value) for value in found]
