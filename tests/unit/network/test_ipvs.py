"""What IPVS is told: a model of it takes the requests, as bytes, and refuses what the kernel would.

On a kernel that has IPVS (scripts/test-debian) the tests in tests/e2e/network run with it, too.
"""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.network.errors import Unusable
from sampan.network.proxy.backend import Change, Ports
from sampan.network.proxy.ipvs import messages, netlink
from sampan.network.proxy.ipvs.messages import NEW_DEST, NEW_SERVICE, Held, Real, Request, Virtual
from sampan.network.proxy.ipvs.plan import Found, State
from sampan.network.proxy.ipvs.tuning import Tuning
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
        self.real: dict[tuple[str, int, int], dict[tuple[str, int], int]] = {}
        """With their weights."""

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
                self.real.setdefault(key, {})
            elif command == messages.DEL_SERVICE:
                del self.virtual[key], self.real[key]
            else:
                self._destination(command, key, attributes(parts[2]))

    def _destination(self, command: int, key: tuple[str, int, int], given: dict[int, bytes]) -> None:
        server = (self._address(given[1], struct.unpack("=H", given[11])[0]), struct.unpack(">H", given[2])[0])
        assert (server in self.real[key]) == (command != NEW_DEST)
        if command == messages.DEL_DEST:
            del self.real[key][server]
        else:
            self.real[key][server] = struct.unpack("=I", given[4])[0]

    def found(self, connections: int = 0) -> dict[Held, list[Real]]:
        """As it would tell about itself."""
        return {
            Held(
                Virtual(messages.NAMES[protocol], address, port),
                one["scheduler"].rstrip(b"\0").decode(),  # type: ignore[attr-defined]
                one["seconds"],  # type: ignore[arg-type]
            ): [Real(Endpoint(*server), weight, connections) for server, weight in self.real[key].items()]
            for key, one in self.virtual.items()
            for address, protocol, port in (key,)
        }

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
    state, kernel = State(SETTINGS, Tuning()), Kernel()
    steps = state.replace({"d/dns": (port,)}, Found(NODES, ("10.96.0.9",)))
    kernel.take(steps.requests)
    here = {("10.244.0.2", 53): 1}
    everywhere = here | {("10.244.1.2", 53): 1}
    assert kernel.real == {
        ("10.96.0.5", 17, 80): everywhere,
        ("203.0.113.9", 17, 80): here,
        ("192.0.2.1", 17, 30080): here,
        ("192.0.2.2", 17, 30080): here,
    }
    assert all(one == {"scheduler": b"rr\0", "persistent": True, "seconds": 60} for one in kernel.virtual.values())
    assert (steps.come, steps.gone) == (["10.96.0.5", "203.0.113.9"], ["10.96.0.9"])
    sets = [
        line.removeprefix("add element ip sampan-ipvs ") for line in steps.rules.splitlines() if " element " in line
    ]
    assert [line for line in sets if not line.startswith("served")] == [
        "allowed { 203.0.113.9 . udp . 80 . 198.51.100.0/24 }",
        "bound { 10.96.0.5 }",
        "bound { 203.0.113.9 }",
        "cluster { 10.96.0.5 . udp . 80 }",
        "guarded { 203.0.113.9 . udp . 80 }",
        "hairpin { 10.244.0.2 . 10.244.0.2 }",
    ], "under Local nobody is masqueraded"


@given(st.lists(st.tuples(services, st.lists(ports, max_size=1).map(tuple)), max_size=8))
def test_updates_end_where_nothing_is_left(steps: list[tuple[str, Ports]]) -> None:
    state, kernel, applied = State(SETTINGS, Tuning()), Kernel(), dict[str, Ports]()
    state.replace({}, Found(NODES))
    bound: set[str] = set()
    for service, new in [*steps, ("d/a", ()), ("d/b", ())]:
        found = state.update([Change(service, applied.get(service, ()), new)])
        applied[service] = new
        kernel.take(found.requests)
        assert not bound & {*found.come} and bound >= {*found.gone}
        bound = (bound | {*found.come}) - {*found.gone}
        assert (len(kernel.virtual), bound) == (len(state.servers()), state.bound())
        held = Found(NODES, tuple(bound), servers=kernel.found())
        again = State(SETTINGS, Tuning()).replace({key: value for key, value in applied.items() if value}, held)
        made_or_gone = {request.command for request in again.requests} & {NEW_SERVICE, messages.DEL_SERVICE}
        assert (again.come, again.gone, made_or_gone) == ([], [], set()), "another proxy finds them in their places"
    assert (kernel.virtual, bound) == ({}, set())


@pytest.mark.parametrize("family", [IPV4, IPV6])
def test_addresses_of_both_families(family: object) -> None:
    six = family is IPV6
    address, endpoint = ("fd00:96::5", "fd01::2") if six else ("10.96.0.5", "10.244.0.2")
    port = ServicePort("sctp", (Frontend("cluster", address, 80),), (Endpoint(endpoint, 8080),), ())
    kernel = Kernel()
    kernel.take(State(Settings(family=family), Tuning(scheduler="sh")).replace({"d/x": (port,)}, Found()).requests)  # type: ignore[arg-type]
    assert kernel.real == {(address, socket.IPPROTO_SCTP, 80): {(endpoint, 8080): 1}}


WEB = Virtual("tcp", "10.96.0.5", 80)
FIRST, SECOND = Endpoint("10.244.0.2", 80), Endpoint("10.244.0.3", 80)


def web(*endpoints: Endpoint, protocol: str = "tcp") -> Ports:
    return (ServicePort(protocol, (Frontend("cluster", WEB.address, WEB.port),), endpoints, ()),)


def test_an_endpoint_that_goes_finishes_what_it_has() -> None:
    state, kernel = State(SETTINGS, Tuning()), Kernel()
    kernel.take(state.replace({"d/web": web(FIRST, SECOND)}, Found()).requests)
    kernel.take(state.update([Change("d/web", (), web(SECOND))]).requests)
    assert kernel.real == {("10.96.0.5", 6, 80): {FIRST: 0, SECOND: 1}}
    assert state.draining() == [WEB]
    (reals,) = kernel.found(connections=3).values()
    assert state.reaped(WEB, reals) == []
    kernel.take(state.update([Change("d/web", (), web(FIRST, SECOND))]).requests)
    assert (kernel.real, state.draining()) == ({("10.96.0.5", 6, 80): {FIRST: 1, SECOND: 1}}, [])
    kernel.take(state.update([Change("d/web", (), web(SECOND))]).requests)
    state = State(SETTINGS, Tuning())
    assert state.replace({"d/web": web(SECOND)}, Found(servers=kernel.found())).requests == []
    (reals,) = kernel.found().values()
    kernel.take(state.reaped(WEB, reals))
    assert (kernel.real, state.draining()) == ({("10.96.0.5", 6, 80): {SECOND: 1}}, [])


def test_datagrams_do_not_wait() -> None:
    state, kernel = State(SETTINGS, Tuning()), Kernel()
    kernel.take(state.replace({"d/web": web(FIRST, protocol="udp")}, Found()).requests)
    kernel.take(state.update([Change("d/web", (), web(protocol="udp"))]).requests)
    assert kernel.real == {("10.96.0.5", 17, 80): {}}


def test_only_what_is_ours_goes() -> None:
    """Others' virtual servers stay; one that we want, too, is made as we want it."""
    settings = Settings(service_cidr="10.96.0.0/16")
    ours = [("10.96.7.7", 80), ("203.0.113.9", 80), ("192.0.2.1", 31000)]
    others = [("192.0.2.1", 8080), ("198.51.100.7", 80)]
    kernel = Kernel()
    for address, port in (*ours, *others, WEB[1:]):
        kernel.take([messages.service(NEW_SERVICE, Virtual("tcp", address, port), "wlc", 0)])
    found = Found(("192.0.2.1",), ("203.0.113.9",), frozenset({"192.0.2.1 . tcp . 31000"}), kernel.found())
    kernel.take(State(settings, Tuning()).replace({"d/web": web(FIRST)}, found).requests)
    left = {(address, port): one["scheduler"] for (address, _, port), one in kernel.virtual.items()}
    assert left == {**dict.fromkeys(others, b"wlc\0"), WEB[1:]: b"rr\0"}


def test_the_nodes_own_addresses_are_not_bound_again() -> None:
    """A load balancer at the node's address (as ServiceLB has it) must not make the node refuse all else there."""
    settings = Settings(nodeport_addresses=("192.0.2.0/31",))
    port = ServicePort("tcp", (Frontend("external", NODES[0], 80), Frontend("node", "", 30080)), (FIRST,), ())
    state = State(settings, Tuning())
    assert state.replace({"d/web": (port,)}, Found(NODES)).come == []
    assert state.servers() == {Virtual("tcp", NODES[0], 80), Virtual("tcp", NODES[0], 30080)}


def test_what_the_kernel_tells_is_read() -> None:
    told = messages.service(NEW_SERVICE, WEB, "rr", 60).payload
    assert messages.read_service(told) == Held(WEB, "rr", 60)
    assert messages.read_service(
        messages.service(NEW_SERVICE, WEB._replace(address="fd00::5"), "mh", 0).payload
    ) == Held(WEB._replace(address="fd00::5"), "mh", 0)
    assert messages.read_service(bytes.fromhex("0c00018006000100020000000800050007000000")) is None, "a firewall mark"


def test_a_kernel_without_ipvs_is_told() -> None:
    ipvs = netlink.Ipvs()
    try:
        ipvs.servers()
    except Unusable as error:
        assert "modprobe ip_vs" in str(error)
    finally:
        ipvs.close()


def test_timeouts_are_told_as_the_kernel_reads_them() -> None:
    """IPVS_CMD_SET_CONFIG with those that are chosen: the kernel keeps what is not said."""
    told = messages.timeouts(Tuning(tcp_seconds=900, udp_seconds=30))
    assert told is not None
    assert told.command == 12
    assert attributes(told.payload) == {4: struct.pack("=I", 900), 6: struct.pack("=I", 30)}
    assert messages.timeouts(Tuning()) is None


def test_servers_of_excluded_networks_stay() -> None:
    """Even ones that look like ours: at the services' network, at the interface, or once made by us."""
    settings = Settings(cluster_cidr="10.244.0.0/16", service_cidr="10.96.0.0/16")
    servers = [Held(Virtual("tcp", address, 80), "rr", 0) for address in ("10.96.0.7", "10.96.1.7", "192.0.2.9")]
    found = Found(NODES, bound=("192.0.2.9",), servers={held: [] for held in servers})
    for exclude, gone in (((), 3), (("10.96.1.0/24",), 2), (("10.96.0.0/16", "192.0.2.8/29"), 0)):
        requests = State(settings, Tuning(exclude=exclude)).replace({}, found).requests
        assert [request.command for request in requests] == [messages.DEL_SERVICE] * gone


def test_the_chosen_scheduler_replaces_the_former_one() -> None:
    port = ServicePort("tcp", (Frontend("cluster", "10.96.0.5", 80),), (Endpoint("10.244.0.2", 80),), ())
    kernel = Kernel()
    kernel.take(State(SETTINGS, Tuning()).replace({"d/x": (port,)}, Found()).requests)
    found = Found(NODES, ("10.96.0.5",), servers=kernel.found())
    kernel.take(State(SETTINGS, Tuning(scheduler="lc")).replace({"d/x": (port,)}, found).requests)
    assert [one["scheduler"] for one in kernel.virtual.values()] == [b"lc\0"]
