"""Services as clients meet them: from a pod, from the node itself and from outside."""

from __future__ import annotations

import itertools
import subprocess
import threading
import time
from collections import Counter
from dataclasses import replace

import pytest

from sampan.network import cni
from sampan.network.netfilter import RuleSet
from sampan.network.proxy import modes
from sampan.network.proxy.backend import Backend, Change, Ports
from sampan.network.proxy.config import ProxyConfig
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort

from . import sctp
from .conftest import RUNNABLE, SETTINGS
from .world import CLUSTER, NODE, OUTSIDE, SERVICES, World, inside

VIP = "10.96.3.4"


def service(*addresses: str, protocol: str = "tcp", **policy: object) -> Ports:
    """A service on VIP:80, external 203.0.113.9:80 and node port 30080, with endpoints on port 8080."""
    frontends = (Frontend("cluster", VIP, 80), Frontend("external", "203.0.113.9", 80), Frontend("node", "", 30080))
    endpoints = tuple(Endpoint(address, 8080) for address in addresses)
    given = {"here": endpoints, "hairpin": tuple(sorted(addresses))} | policy
    return (ServicePort(protocol, frontends, endpoints, **given),)  # type: ignore[arg-type]


def three_pods(world: World, protocol: str = "tcp") -> tuple[list[str], list[str]]:
    pods = [world.pod(name) for name in "abc"]
    for (namespace, _), name in zip(pods, "abc", strict=True):
        world.serve(namespace, 8080, name, protocol=protocol)
    return [namespace for namespace, _ in pods], [address for _, address in pods]


def on_loopback(world: World, mode: str) -> list[tuple[str, str]]:
    """Node ports at 127.0.0.1, which IPVS has not."""
    return [] if mode == "ipvs" else [(world.node, "127.0.0.1")]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_all_endpoints_answer_evenly(world: World, backend: Backend, mode: str, protocol: str) -> None:
    pods, addresses = three_pods(world, protocol)
    world.run(backend.replace({"d/web": service(*addresses, protocol=protocol)}))
    for where in (pods[0], world.node):
        counts = Counter(world.askers(where, VIP, 80, 90, protocol=protocol))
        assert set(counts) == set("abc")
        assert min(counts.values()) > 10
    for where, address in (*on_loopback(world, mode), (world.node, NODE), (world.outside, NODE), (pods[1], NODE)):
        assert set(world.askers(where, address, 30080, 60, protocol=protocol)) == set("abc")


def test_sources(world: World, backend: Backend, mode: str) -> None:
    """Pods appear as themselves, but for a pod that meets itself by way of the node; all others as the node."""
    (a, b, _), addresses = three_pods(world)
    world.run(backend.replace({"d/web": service(addresses[0])}))
    gateway = cni.gateway(world.pod_network.ranges[0])
    assert world.ask(b, VIP, 80).client == addresses[1]
    assert world.ask(a, VIP, 80) == ("a", addresses[0] if mode == "ebpf" else gateway)
    assert world.ask(world.node, VIP, 80).client == gateway
    assert world.ask(world.outside, NODE, 30080).client == gateway
    assert world.ask(b, NODE, 30080).client == gateway


def test_external_traffic_policy_local(world: World, backend: Backend, mode: str) -> None:
    (a, _, _), addresses = three_pods(world)
    here = (Endpoint(addresses[2], 8080),)
    world.run(backend.replace({"d/web": service(*addresses, here=here, external_local=True)}))
    assert set(world.askers(world.outside, NODE, 30080, 20)) == {"c"}
    assert world.ask(world.outside, NODE, 30080).client == OUTSIDE
    assert set(world.askers(a, NODE, 30080, 60)) == ({"c"} if mode == "ipvs" else set("abc"))
    world.run(backend.replace({"d/web": service(*addresses, here=(), external_local=True)}))
    with pytest.raises(ConnectionRefusedError if mode == "ipvs" else TimeoutError):
        world.ask(world.outside, NODE, 30080)


def test_internal_traffic_policy_local(world: World, backend: Backend) -> None:
    (a, _, _), addresses = three_pods(world)
    here = (Endpoint(addresses[1], 8080),)
    world.run(backend.replace({"d/web": service(*addresses, here=here, internal_local=True)}))
    assert set(world.askers(a, VIP, 80, 20)) == {"b"}


def test_without_endpoints_refused_at_once(world: World, backend: Backend) -> None:
    (a, _, _), _ = three_pods(world)
    world.run(backend.replace({"d/web": service(), "d/dns": service(protocol="udp")}))
    for where, address, port in ((a, VIP, 80), (world.node, VIP, 80), (world.outside, NODE, 30080), (a, VIP, 81)):
        with pytest.raises(ConnectionRefusedError):
            world.ask(where, address, port)
        # The kernel tells a local sender of a refused datagram by EPERM.
        with pytest.raises((ConnectionRefusedError, PermissionError)):
            world.ask(where, address, port, protocol="udp")


def test_session_affinity_sticks_until_the_endpoint_goes(world: World, backend: Backend) -> None:
    (a, b, _), addresses = three_pods(world)
    sticky = service(*addresses, affinity=600)
    world.run(backend.replace({"d/web": sticky}))
    first = world.ask(a, VIP, 80).server
    assert set(world.askers(a, VIP, 80, 30)) == {first}
    assert set(world.askers(world.outside, NODE, 30080, 30)) == {world.ask(world.outside, NODE, 30080).server}
    left = service(*(address for address, name in zip(addresses, "abc", strict=True) if name != first), affinity=600)
    world.run(backend.update([Change("d/web", sticky, left)]))
    second = world.ask(a, VIP, 80).server
    assert second != first
    assert set(world.askers(a, VIP, 80, 30)) == {second}
    world.run(backend.replace({"d/web": sticky}))
    assert set(world.askers(a, VIP, 80, 30)) == {second}, "a restarted proxy remembers"
    assert world.ask(b, VIP, 80).server in "abc"


def test_session_affinity_ends_with_its_timeout(world: World, backend: Backend, mode: str) -> None:
    """By the kernel's clock: asked every second and more, the kernel soon chooses anew."""
    if mode == "ipvs":
        pytest.skip("IPVS remembers a client for as long as it knows a connection of its, two minutes after the last")
    (a, _, _), addresses = three_pods(world)
    world.run(backend.replace({"d/web": service(*addresses, affinity=1)}))
    seen, pause = set(), threading.Event()
    for _ in range(12):
        began = time.monotonic()
        servers = set(world.askers(a, VIP, 80, 4))
        assert len(servers) == 1 or time.monotonic() - began > 0.8, "within the timeout"
        seen |= servers
        if len(seen) > 1:
            return
        pause.wait(1.3)
    raise AssertionError(f"{seen} is remembered for ever")


def test_what_others_do_is_told_apart(world: World, nftables: Backend) -> None:
    _, addresses = three_pods(world)
    guarded = {"guarded": ("203.0.113.9",), "source_ranges": ("198.51.100.0/24", "192.0.2.0/28")}
    old = service(*addresses, affinity=60, external_local=True, **guarded)
    new = service(*addresses[:2], affinity=90, **guarded)
    world.run(nftables.replace({"d/web": old, "d/dns": service(protocol="udp")}))
    world.run(nftables.update([Change("d/web", old, new)]))
    assert not world.run(nftables.damaged())
    world.command("nft", "add", "table", "ip", "foreign")
    assert not world.run(nftables.damaged())
    world.command("nft", "flush", "chain", "ip", "sampan-proxy", "dispatch")
    assert world.run(nftables.damaged())
    world.run(nftables.replace({"d/web": new}))
    assert not world.run(nftables.damaged())
    world.command("nft", "flush", "map", "ip", "sampan-proxy", "services")
    assert world.run(nftables.damaged())


def test_elements_are_counted_where_the_kernel_does_not_tell(world: World, nftables: Backend) -> None:
    """Before Linux 6.16: they are read, as many packets as it takes."""
    wanted = {f"d/s{number}": service(f"10.244.{number // 250}.{number % 250}") for number in range(1, 1500)}
    for number, (key, (port,)) in enumerate(wanted.items()):
        wanted[key] = (replace(port, frontends=(Frontend("cluster", f"10.96.{number // 250}.{number % 250}", 80),)),)
    world.run(nftables.replace(wanted))
    rules = RuleSet()
    with inside(world.node):
        assert rules.elements("ip", "sampan-proxy", "services") == 1499
        assert rules.element_counts("ip", "sampan-proxy", ["services", "nodeports", "none"]) == {
            "services": 1499,
            "nodeports": 0,
        }
    rules.close()


DAMAGE = {
    "ebpf": ("nft", "delete", "table", "ip", "sampan-proxy"),
    "nftables": ("nft", "delete", "table", "ip", "sampan-proxy"),
    "iptables": ("iptables", "-t", "nat", "-F", "KUBE-SERVICES"),
    "ipvs": ("ip", "link", "delete", "kube-ipvs0"),
}


def test_deleted_rules_are_missed_and_written_again(world: World, backend: Backend, mode: str) -> None:
    (a, _, _), addresses = three_pods(world)
    wanted = {"d/web": service(*addresses, affinity=60)}
    world.run(backend.replace(wanted))
    world.run(backend.update([Change("d/web", wanted["d/web"], service(addresses[0], affinity=60))]))
    assert not world.run(backend.damaged())
    world.command(*DAMAGE[mode])
    assert world.run(backend.damaged())
    world.run(backend.replace(wanted))
    assert not world.run(backend.damaged())
    assert world.ask(a, VIP, 80).server in "abc"


def test_a_change_of_mode_leaves_nothing_of_the_old_one(world: World, backend: Backend, mode: str) -> None:
    (a, _, _), addresses = three_pods(world)
    before = _rules(world.everything()["rules"])
    config = ProxyConfig(mode=mode, cluster_cidrs=(CLUSTER,), service_cidrs=(SERVICES,))
    wanted = {"d/web": service(*addresses)}
    world.run(backend.replace(wanted))
    alone = _rules(world.everything()["rules"])
    for other in {*RUNNABLE} - {mode}:
        former = modes.BACKENDS[other](SETTINGS)
        world.run(former.replace(wanted))
        world.run(backend.replace(wanted))
        for part in modes.former(config):
            world.run(part.remove())
        former.close()
        assert not world.run(backend.damaged())
        assert _rules(world.everything()["rules"]) == alone
        assert world.ask(a, VIP, 80).server in "abc"
        for where, address in (*on_loopback(world, mode), (world.outside, NODE)):
            assert world.ask(where, address, 30080).server in "abc"
    world.run(backend.remove())
    assert _rules(world.everything()["rules"]) == before


def test_source_ranges(world: World, backend: Backend) -> None:
    _, addresses = three_pods(world)
    with_route = ("ip", "route", "add", "203.0.113.0/24", "via", NODE)
    _in(world.outside, *with_route)
    guarded = {"guarded": ("203.0.113.9",)}
    world.run(backend.replace({"d/web": service(*addresses, source_ranges=("198.51.100.0/24",), **guarded)}))
    assert world.ask(world.outside, "203.0.113.9", 80).server in "abc"
    world.run(backend.replace({"d/web": service(*addresses, source_ranges=("192.0.2.0/24",), **guarded)}))
    with pytest.raises(OSError):  # nftables drops it before routing, the others when it is to be passed on
        world.ask(world.outside, "203.0.113.9", 80)


def test_sctp(world: World, backend: Backend) -> None:
    """Translated there and back, for several endpoints, node ports, and refused without endpoints."""
    pods = [world.pod(name) for name in "ab"]
    client, _ = world.pod("client")
    for tag, (namespace, _) in enumerate(pods, 1):
        sctp.serve(world, namespace, 8080, tag)
    world.run(backend.replace({"d/web": service(*(address for _, address in pods), protocol="sctp")}))
    ports = itertools.count(40000)
    for where, address, port in ((client, VIP, 80), (world.outside, NODE, 30080)):
        answers = {sctp.ask(where, address, port, next(ports)) for _ in range(12)}
        assert answers == {sctp.Answer(address, 1), sctp.Answer(address, 2)}
    world.run(backend.replace({"d/web": service(protocol="sctp")}))
    assert sctp.ask(client, VIP, 80, next(ports)) is None


def test_stale_udp_flow_moves_on(world: World, backend: Backend) -> None:
    (_, b, _), addresses = three_pods(world, "udp")
    old, new = service(addresses[0], protocol="udp"), service(addresses[2], protocol="udp")
    world.run(backend.replace({"d/web": old}))
    assert world.ask(b, VIP, 80, protocol="udp", source_port=4000).server == "a"
    world.run(backend.update([Change("d/web", old, new)]))
    assert world.ask(b, VIP, 80, protocol="udp", source_port=4000).server == "c"


def test_pods_reach_outside_behind_the_node(world: World, backend: Backend) -> None:
    (a, _, _), addresses = three_pods(world)
    world.serve(world.outside, 9000, "outside")
    world.run(backend.replace({}))
    assert world.ask(a, OUTSIDE, 9000) == ("outside", NODE)
    assert world.ask(a, addresses[1], 8080) == ("b", addresses[0])


@pytest.mark.parametrize("address", [NODE, "127.0.0.1"])
def test_endpoints_on_the_node_itself(world: World, backend: Backend, mode: str, address: str) -> None:
    """As the API server's own service has; on a machine without a network its endpoint is the loopback address."""
    if mode == "ipvs" and address != NODE:
        pytest.skip("IPVS leads nobody to a loopback address")
    pod, _ = world.pod("a")
    world.serve(world.node, 8080, "node", address=address)
    world.run(backend.replace({"d/api": service(address, hairpin=())}))
    for where in (pod, world.node):
        assert world.ask(where, VIP, 80).server == "node"
    for where, there in (*on_loopback(world, mode), (world.outside, NODE)):
        assert world.ask(where, there, 30080).server == "node"


def test_loopback_is_not_for_neighbours(world: World, backend: Backend) -> None:
    """What listens on 127.0.0.1 stays out of reach though packets of 127.0.0.0/8 are routed (CVE-2020-8558)."""
    pod, _ = world.pod("a")
    world.serve(world.node, 9999, "secret", address="127.0.0.1")
    world.run(backend.replace({}))
    for where, gateway in ((pod, cni.gateway(world.pod_network.ranges[0])), (world.outside, NODE)):
        _in(where, "ip", "link", "set", "lo", "down")
        _in(where, "sysctl", "-qw", "net.ipv4.conf.all.route_localnet=1")
        _in(where, "ip", "addr", "del", "127.0.0.1/8", "dev", "lo")
        _in(where, "ip", "route", "add", "127.0.0.1/32", "via", gateway)
        with pytest.raises(OSError):
            world.ask(where, "127.0.0.1", 9999)


def _in(namespace: str, *words: str) -> None:
    subprocess.run(("ip", "netns", "exec", namespace, *words), check=True)


def _rules(listing: str) -> set[str]:
    """The rules, without the tables and chains that iptables makes and never takes away, and without counters."""
    return {line for line in listing.splitlines() if "counter" not in line and line.startswith("\t\t")} - {
        line for line in listing.splitlines() if " hook " in line
    }
