"""What the programs themselves do: the rules that would do it otherwise are taken away first."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ebpf import kernel
from sampan.network.proxy.ebpf.backend import EbpfBackend
from sampan.network.proxy.ebpf.entries import MAPS
from sampan.network.proxy.ebpf.layout import Layout
from sampan.network.proxy.ebpf.programs import HOOKS
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import FAMILIES, Settings

from .world import World, inside

SOCKETS = {"IPv4": socket.AF_INET, "IPv6": socket.AF_INET6}
VIPS = {"IPv4": "10.96.3.4", "IPv6": "fd00:96::4"}
ROUTES = {"IPv4": "10.96.0.0/16", "IPv6": "fd00:96::/112"}
ENDPOINTS = {"IPv4": ("10.9.0.1", "10.9.0.2", "10.9.0.3"), "IPv6": ("fd01::1", "fd01::2", "fd01::3")}


class Sockets:
    """Endpoints of one family on the node, and a client there."""

    def __init__(self, world: World, family: str) -> None:
        self.world, self.family, self.vip = world, family, VIPS[family]
        self.backend = EbpfBackend(Settings(family=FAMILIES[family]))
        for address, name in zip(ENDPOINTS[family], "abc", strict=True):
            world.command("ip", "addr", "add", address, "dev", "lo", *(["nodad"] if family == "IPv6" else []))
            for protocol in ("tcp", "udp"):
                world.serve(world.node, 8080, name, protocol=protocol, address=address)
        self.world.command("ip", "route", "add", ROUTES[family], "dev", "lo")

    def service(self, *numbers: int, protocol: str = "tcp") -> Ports:
        endpoints = tuple(Endpoint(ENDPOINTS[self.family][number], 8080) for number in numbers)
        return (ServicePort(protocol, (Frontend("cluster", self.vip, 80),), endpoints, ()),)

    def set(self, *numbers: int, protocol: str = "tcp") -> None:
        """Everything anew, and no rules."""
        self.world.run(self.backend.replace({"d/web": self.service(*numbers, protocol=protocol)}))
        self.world.command("nft", "delete", "table", FAMILIES[self.family].table, "sampan-proxy")

    @contextlib.contextmanager
    def client(self, kind: int) -> Iterator[socket.socket]:
        with inside(self.world.node), socket.socket(SOCKETS[self.family], kind) as client:
            client.settimeout(2)
            yield client

    def connect(self) -> tuple[str, str]:
        """Who answers, and who the client thinks does."""
        with self.client(socket.SOCK_STREAM) as client:
            client.connect((self.vip, 80))
            peer = client.getpeername()
            client.send(b"?")
            assert peer[1] == 80
            return client.recv(200).decode().split()[0], peer[0]

    def connect_from(self, cgroup: Path) -> str:
        """Who answers a process there; "" for nobody."""
        code = f'echo $$ >{cgroup}/cgroup.procs; exec 3<>/dev/tcp/{self.vip}/80 && echo -n "?" >&3 && cat <&3'
        with inside(self.world.node):
            # Unanswered, the kernel would try for two minutes.
            done = subprocess.run(("timeout", "5", "bash", "-c", code), capture_output=True, text=True, check=False)
        return done.stdout.partition(" ")[0]

    def send(self, client: socket.socket) -> str:
        """Who answers a datagram that is sent to the service without connecting."""
        client.sendto(b"?", (self.vip, 80))
        answer, sender = client.recvfrom(200)
        assert sender[:2] == (self.vip, 80)
        return answer.decode().split()[0]


@pytest.fixture(params=["IPv4", "IPv6"])
def sockets(world: World, request: pytest.FixtureRequest) -> Iterator[Sockets]:
    sockets = Sockets(world, request.param)
    try:
        yield sockets
    finally:
        world.run(sockets.backend.remove())
        assert not _attached()


def test_streams(sockets: Sockets) -> None:
    sockets.set(0, 1, 2)
    answers = [sockets.connect() for _ in range(60)]
    assert {server for server, _ in answers} == set("abc")
    assert {peer for _, peer in answers} == {sockets.vip}


def test_a_sockets_datagrams_keep_to_an_endpoint_while_it_belongs(sockets: Sockets) -> None:
    sockets.set(0, 1, 2, protocol="udp")
    with sockets.client(socket.SOCK_DGRAM) as client:
        servers = [sockets.send(client) for _ in range(20)]
        assert len(set(servers)) == 1
        successor = EbpfBackend(Settings(family=FAMILIES[sockets.family]))
        sockets.backend.close()
        sockets.backend = successor
        sockets.set(0, 1, 2, protocol="udp")
        assert sockets.send(client) == servers[0], "a restarted proxy leaves flows as they are"
        others = [number for number, name in enumerate("abc") if name != servers[0]]
        sockets.set(*others, protocol="udp")
        assert sockets.send(client) != servers[0]


def test_each_node_of_a_machine_has_its_own(sockets: Sockets) -> None:
    """Programs of two nodes hang on their pods' cgroups; neither's coming and going touches the other's."""
    places = [Path(kernel.cgroup_root(), f"sampan-test-{os.getpid()}-{number}") for number in (1, 2)]
    nodes = [EbpfBackend(Settings(family=FAMILIES[sockets.family], cgroup=place.name)) for place in places]
    try:
        for number, node in enumerate(nodes):
            sockets.world.run(node.replace({"d/web": sockets.service(number)}))
        sockets.world.command("nft", "delete", "table", FAMILIES[sockets.family].table, "sampan-proxy")
        assert [sockets.connect_from(place) for place in places] == ["a", "b"]
        sockets.world.run(nodes[0].remove())
        assert [sockets.connect_from(place) for place in places] == ["", "b"]
    finally:
        for node, place in zip(nodes, places, strict=True):
            sockets.world.run(node.remove())
            place.rmdir()


def test_changes(sockets: Sockets) -> None:
    backend, run = sockets.backend, sockets.world.run
    state: Ports = ()
    run(backend.replace({}))
    for numbers in ((0,), (0, 1), (2,), (1, 2)):
        new = sockets.service(*numbers)
        run(backend.update([Change("d/web", state, new)]))
        state = new
        assert {sockets.connect()[0] for _ in range(40)} == {"abc"[number] for number in numbers}
    assert not run(backend.damaged())
    for hook in HOOKS[:1]:
        _detach(hook.types["6" if sockets.family == "IPv6" else "4"])
    assert run(backend.damaged())
    run(backend.replace({"d/web": state}))
    assert not run(backend.damaged())
    run(backend.update([Change("d/web", state, ())]))
    assert backend.statistics()["translated"] == 0


def _other(data: bytes) -> bytes:
    return bytes((data[0] ^ 1,)) + data[1:]


@pytest.mark.parametrize("name", MAPS)
def test_what_others_write_in_the_maps_is_noticed(sockets: Sockets, name: str) -> None:
    """An entry deleted, one exchanged, one added: each by the map's number alone, as bpftool does it."""
    backend, run = sockets.backend, sockets.world.run
    wanted = {"d/web": sockets.service(0, 1, protocol="udp")}
    for way in ("delete", "exchange", "add"):
        run(backend.replace(wanted))
        assert not run(backend.damaged())
        form = next(form for form in Layout(FAMILIES[sockets.family]).maps() if form.name == name)
        with _map(f"sampan_{name}"[:14], sockets.family) as descriptor:
            key, value = next(kernel.content(descriptor, form))
            if way == "delete":
                kernel.delete(descriptor, key)
            else:
                kernel.put(descriptor, key if way == "exchange" else _other(key), _other(value))
        assert run(backend.damaged()), f"{name}: {way}"
    run(backend.replace(wanted))
    sockets.world.command("nft", "delete", "table", FAMILIES[sockets.family].table, "sampan-proxy")
    with sockets.client(socket.SOCK_DGRAM) as client:
        assert sockets.send(client) in {"a", "b"}


def _attached() -> list[str]:
    return [name for _, name in _programs()]


def _programs() -> Iterator[tuple[int, str]]:
    cgroup = os.open(kernel.cgroup_root(), os.O_RDONLY)
    for hook in HOOKS:
        for kind in hook.types.values():
            for identifier in kernel.attached(cgroup, kind):
                program = kernel.program_by_id(identifier)
                name = kernel.program_info(program)[1]
                os.close(program)
                if name.startswith("sampan_"):
                    yield kind, name
    os.close(cgroup)


@contextlib.contextmanager
def _map(name: str, family: str) -> Iterator[int]:
    """The map of a running program, found without asking who made it."""
    cgroup = os.open(kernel.cgroup_root(), os.O_RDONLY)
    program = kernel.program_by_id(kernel.attached(cgroup, HOOKS[1].types[Layout(FAMILIES[family]).digit])[0])
    found = dict(kernel.maps_by_name(kernel.program_info(program)[2]))
    try:
        yield next(descriptor for one, descriptor in found.items() if one.startswith(name))
    finally:
        for each in (cgroup, program, *found.values()):
            os.close(each)


def _detach(kind: int) -> None:
    cgroup = os.open(kernel.cgroup_root(), os.O_RDONLY)
    for identifier in kernel.attached(cgroup, kind):
        program = kernel.program_by_id(identifier)
        kernel.detach(cgroup, program, kind)
        os.close(program)
    os.close(cgroup)
