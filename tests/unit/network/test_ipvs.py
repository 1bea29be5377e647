"""What IPVS is told. This kernel has none: a model of it takes the requests, as bytes, and refuses what it would."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.errors import Unusable
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ipvs import messages, netlink
from sampan.network.proxy.ipvs.messages import NEW_DEST, NEW_SERVICE, Request, Virtual
from sampan.network.proxy.ipvs.plan import State
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV4, IPV6, Settings

from .test_table import ports, services

SETTINGS = Settings(cluster_cidr="10.244.0.0/16")
NODES = ("192.0.2.1", "192.0.2.2")


def attributes(data: bytes) -> dict[int, bytes]:
    found, offset = {}, 0
    while offset < len(data):
        length, kind = struct.unpack_from("=HH", data, offset)
        found[kind & 0x3FFF] = data[offset + 4 : offset + length]
        offset += (length + 3) & ~3
    return found


class Kernel:
    """Virtual servers with their scheduler, persistence and real servers."""

    def __init__(self) -> None:
        self.virtual: dict[tuple[str, int, int], dict[str, object]] = {}
        self.real: dict[tuple[str, int, int], set[tuple[str, int]]] = {}

    def take(self, requests: list[Request]) -> None:
        for command, payload in requests:
            parts = attributes(payload)
            given = attributes(parts[1])
            family, protocol = (struct.unpack("=H", given[kind])[0] for kind in (1, 2))
            key = (self._address(given[3], family), protocol, struct.unpack(">H", given[4])[0])
            if command in (messages.NEW_SERVICE, messages.SET_SERVICE):
                assert (key in self.virtual) == (command == messages.SET_SERVICE)
                flags, mask = struct.unpack("=II", given[7])
                seconds = struct.unpack("=I", given[8])[0]
                self.virtual[key] = {"scheduler": given[6], "persistent": bool(flags & mask & 1), "seconds": seconds}
                self.real.setdefault(key, set())
            elif command == messages.DEL_SERVICE:
                del self.virtual[key], self.real[key]
            else:
                self._destination(command, key, attributes(parts[2]))

    def _destination(self, command: int, key: tuple[str, int, int], given: dict[int, bytes]) -> None:
        server = (self._address(given[1], struct.unpack("=H", given[11])[0]), struct.unpack(">H", given[2])[0])
        assert (server in self.real[key]) == (command == messages.DEL_DEST)
        self.real[key] ^= {server}

    @staticmethod
    def _address(data: bytes, family: int) -> str:
        assert len(data) == 16
        return socket.inet_ntop(family, data[: 16 if family == socket.AF_INET6 else 4])


def test_bytes() -> None:
    """pyroute2 0.9.7 reads these as the virtual server 10.96.0.5:80, persistent for 60 s, and its endpoint."""
    web = Virtual("tcp", "10.96.0.5", 80)
    command, payload = messages.service(NEW_SERVICE, web, "rr", 60)
    identity = "06000100 02000000 06000200 06000000 14000300 0a600005 00000000 00000000 00000000 06000400 00500000"
    rest = "07000600 72720000 0c000700 01000000 ffffffff 08000800 3c000000 08000900 ffffffff"
    assert (command, payload) == (1, bytes.fromhex(f"54000180 {identity} {rest}"))
    _, payload = messages.destination(NEW_DEST, web, Endpoint("10.244.0.2", 8080))
    server = "14000100 0af40002 00000000 00000000 00000000 06000200 1f900000 08000300 00000000 08000400 01000000"
    limits = "08000500 00000000 08000600 00000000 06000b00 02000000"
    assert payload == bytes.fromhex(f"30000180 {identity} 48000280 {server} {limits}")
    whole = netlink.message(0x1C, Request(5, b"abcd"), 5)
    assert whole == bytes.fromhex("18000000 1c00 0500 01000000 00000000 05010000 61626364")


def test_a_service() -> None:
    frontends = (
        Frontend("cluster", "10.96.0.5", 80),
        Frontend("external", "203.0.113.9", 80),
        Frontend("node", "", 30080),
    )
    port = ServicePort(
        "udp", frontends, (Endpoint("10.244.0.2", 53), Endpoint("10.244.1.2", 53)), (Endpoint("10.244.0.2", 53),),
        external_local=True, affinity=60, source_ranges=("198.51.100.0/24",), guarded=("203.0.113.9",),
        hairpin=("10.244.0.2",),
    )  # fmt: skip
    state, kernel = State(SETTINGS, "kube-ipvs0", "rr"), Kernel()
    steps = state.replace({"d/dns": (port,)}, NODES, ["10.96.0.9"])
    kernel.take(steps.requests)
    everywhere = {("10.244.0.2", 53), ("10.244.1.2", 53)}
    assert kernel.real == {
        ("10.96.0.5", 17, 80): everywhere,
        ("203.0.113.9", 17, 80): {("10.244.0.2", 53)},
        ("192.0.2.1", 17, 30080): {("10.244.0.2", 53)},
        ("192.0.2.2", 17, 30080): {("10.244.0.2", 53)},
    }
    assert all(one == {"scheduler": b"rr\0", "persistent": True, "seconds": 60} for one in kernel.virtual.values())
    assert steps.addresses.splitlines() == [
        "addr add 10.96.0.5/32 dev kube-ipvs0",
        "addr add 203.0.113.9/32 dev kube-ipvs0",
        "addr del 10.96.0.9/32 dev kube-ipvs0",
    ]
    assert [line for line in steps.rules.splitlines() if line.startswith("add element")] == [
        "add element ip sampan-ipvs allowed { 203.0.113.9 . udp . 80 . 198.51.100.0/24 }",
        "add element ip sampan-ipvs cluster { 10.96.0.5 . udp . 80 }",
        "add element ip sampan-ipvs guarded { 203.0.113.9 . udp . 80 }",
        "add element ip sampan-ipvs hairpin { 10.244.0.2 . 10.244.0.2 }",
    ], "under Local nobody is masqueraded"


@given(st.lists(st.tuples(services, st.lists(ports, max_size=1).map(tuple)), max_size=8))
def test_updates_end_where_nothing_is_left(steps: list[tuple[str, Ports]]) -> None:
    state, kernel, applied = State(SETTINGS, "kube-ipvs0", "rr"), Kernel(), dict[str, Ports]()
    state.replace({}, NODES, ())
    bound: set[str] = set()
    for service, new in [*steps, ("d/a", ()), ("d/b", ())]:
        found = state.update([Change(service, applied.get(service, ()), new)])
        applied[service] = new
        kernel.take(found.requests)
        for line in found.addresses.splitlines():
            (bound.add if line.startswith("addr add") else bound.remove)(line.split()[2])
        assert len(kernel.virtual) == state.servers()
    assert (kernel.virtual, bound) == ({}, set())


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_addresses_of_both_families(family: object) -> None:
    six = family is IPV6
    address, endpoint = ("fd00:96::5", "fd01::2") if six else ("10.96.0.5", "10.244.0.2")
    port = ServicePort("sctp", (Frontend("cluster", address, 80),), (Endpoint(endpoint, 8080),), ())
    kernel = Kernel()
    kernel.take(State(Settings(family=family), "kube-ipvs0", "sh").replace({"d/x": (port,)}, (), ()).requests)  # type: ignore[arg-type]
    assert kernel.real == {(address, socket.IPPROTO_SCTP, 80): {(endpoint, 8080)}}


def test_a_kernel_without_ipvs_is_told() -> None:
    ipvs = netlink.Ipvs()
    try:
        ipvs.count()
    except Unusable as error:
        assert "modprobe ip_vs" in str(error)
    finally:
        ipvs.close()
