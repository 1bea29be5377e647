"""Who reaches whom: sockets opened inside real pods, all pairs at once.

A socket belongs to the network namespace it was made in, whatever its thread does later; so servers and clients are
sockets of the test itself.
"""

from __future__ import annotations

import errno
import select
import socket
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..network.world import inside_file
from .world import World

SECONDS = 0.6
KINDS = {
    "TCP": (socket.SOCK_STREAM, 0),
    "UDP": (socket.SOCK_DGRAM, 0),
    "SCTP": (socket.SOCK_STREAM, getattr(socket, "IPPROTO_SCTP", 132)),
}


def known(protocol: str) -> bool:
    """Whether this kernel speaks it: not every one has SCTP."""
    kind, number = KINDS[protocol]
    try:
        socket.socket(socket.AF_INET, kind, number).close()
    except OSError:
        return False
    return True


class Try(NamedTuple):
    """From one pod to another's port."""

    source: str
    target: str
    port: int
    protocol: str = "TCP"


class Pods:
    """Running pods by name: their addresses, and the files of their network namespaces."""

    def __init__(self, world: World, names: Iterable[tuple[str, str]]) -> None:
        self._world = world
        self.addresses = {name: world.address(name, "-n", namespace) for namespace, name in names}
        self._files = {name: self._file(address) for name, address in self.addresses.items()}
        self._servers: list[socket.socket] = []

    def file(self, pod: str) -> Path:
        """Of the pod's network namespace."""
        return self._files[pod]

    def close(self) -> None:
        for server in self._servers:
            server.close()

    def serve(self, pod: str, port: int, protocol: str = "TCP") -> None:
        """Accepts, or echoes, until the end."""
        kind, number = KINDS[protocol]
        with inside_file(self._files[pod]):
            server = socket.socket(socket.AF_INET, kind, number)
        self._servers.append(server)
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("0.0.0.0", port))
        if protocol == "UDP":
            threading.Thread(target=_echo, args=(server,), daemon=True).start()
        else:
            server.listen(128)

    def reached(self, tries: Iterable[Try]) -> set[Try]:
        """Those of the tries that come through."""
        found: set[Try] = set()
        open_ones = {client: each for each in tries if (client := self._client(each))}
        deadline = time.monotonic() + SECONDS
        while open_ones and (left := deadline - time.monotonic()) > 0:
            reading = [c for c, each in open_ones.items() if each.protocol == "UDP"]
            writing = [c for c, each in open_ones.items() if each.protocol != "UDP"]
            for ready in {c for group in select.select(reading, writing, [], left)[:2] for c in group}:
                each = open_ones.pop(ready)
                if ready.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                    found.add(each)
                ready.close()
        for client in open_ones:
            client.close()
        return found

    def _client(self, each: Try) -> socket.socket | None:
        """On its way to the target; None when there is no way at all."""
        kind, number = KINDS[each.protocol]
        with inside_file(self._files[each.source]):
            client = socket.socket(socket.AF_INET, kind, number)
        client.setblocking(False)
        target = self.addresses.get(each.target, each.target)
        if client.connect_ex((target, each.port)) not in (0, errno.EINPROGRESS):
            client.close()
            return None
        if each.protocol == "UDP":
            client.send(b"?")
        return client

    def _file(self, address: str) -> Path:
        """The namespace that has the address, of those that the nodes' runtimes keep."""
        folders = [self._world.data_dir, *(place.layout.data_dir for place in self._world.places.values())]
        for folder in folders:
            for file in folder.glob("containerd/state/io.containerd.grpc.v1.cri/netns/*"):
                if _has(file, address):
                    return file
        raise AssertionError(f"no pod has {address}")


def table(sources: Iterable[str], targets: Iterable[tuple[str, int]], protocol: str = "TCP") -> list[Try]:
    """Every source to every target but itself."""
    targets = list(targets)
    return [Try(s, target, port, protocol) for s in sources for target, port in targets if s != target]


def _has(file: Path, address: str) -> bool:
    with inside_file(file), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


def _echo(server: socket.socket) -> None:
    while True:
        try:
            question, client = server.recvfrom(100)
            server.sendto(question, client)
        except OSError:
            return
