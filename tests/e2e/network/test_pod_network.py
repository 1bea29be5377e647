"""The pod network's coming and going."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.api.kinds import core_v1, meta_v1
from sampan.network import bandwidth, cni, duplicates
from sampan.network.proxy import machine, modes
from sampan.network.proxy.config import ProxyConfig
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.nftables.backend import NftablesBackend
from sampan.network.upkeep import Upkeep

from . import sctp
from .conftest import RUNNABLE, SETTINGS
from .world import CLUSTER, NODE, OUTSIDE, SERVICES, HostPort, World, inside


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[World]:
    """A node on which nothing is installed yet."""
    world = World(tmp_path)
    try:
        yield world
    finally:
        world.close()


def test_tear_down_leaves_nothing(bare: World) -> None:
    before = bare.everything()
    assert bare.run(cni.install(bare.pod_network)) == []
    pod, _ = bare.pod("a", host_ports=[HostPort(8088, 8080)])
    bare.serve(pod, 8080, "a")
    assert bare.ask(bare.outside, NODE, 8088).server == "a"
    backend = NftablesBackend(SETTINGS)
    bare.run(backend.replace({}))
    assert bare.everything() != before
    bare.remove_pod(pod)
    bare.pod("orphan")
    bare.run(backend.remove())
    bare.run(machine.restore(SETTINGS))
    bare.run(cni.remove(bare.pod_network))
    after = bare.everything()
    assert after["links"] == before["links"]
    assert after["routes"] == before["routes"]
    assert "sampan" not in after["rules"]
    assert "CNI" not in after["rules"]
    assert not bare.pod_network.state.exists()
    assert not list(bare.pod_network.configuration.iterdir())
    bare.run(cni.remove(bare.pod_network))


def test_installing_twice_changes_nothing(bare: World) -> None:
    bare.run(cni.install(bare.pod_network))
    first = bare.everything()
    bare.run(cni.install(bare.pod_network))
    assert bare.everything() == first


def test_a_firewall_that_drops_what_is_forwarded(bare: World) -> None:
    """As Docker leaves it: room is made in it, said so, and given back."""
    bare.command("iptables", "-P", "FORWARD", "DROP")
    bare.command("iptables", "-A", "FORWARD", "-s", "172.17.0.0/16", "-j", "ACCEPT")
    before = bare.command("iptables", "-S")
    remarks = bare.run(cni.install(bare.pod_network))
    assert len(remarks) == 1
    assert "FORWARD chain drops by default" in remarks[0]
    (a, _), (b, address) = bare.pod("a"), bare.pod("b")
    bare.serve(b, 8080, "b")
    assert bare.ask(a, address, 8080).server == "b"
    bare.run(cni.install(bare.pod_network))
    bare.run(cni.remove(bare.pod_network))
    assert bare.command("iptables", "-S") == before


def test_what_others_take_away_or_bring_later_is_mended(bare: World) -> None:
    """As `systemctl restart nftables` and a Docker that is started after the agent."""
    bare.run(cni.install(bare.pod_network))
    upkeep = Upkeep(bare.pod_network)
    (a, _), (b, address) = bare.pod("a"), bare.pod("b")
    bare.serve(b, 8080, "b")
    bare.serve(bare.outside, 8081, "outside")
    assert bare.run(upkeep.mend()) == []
    bare.command("nft", "flush", "ruleset")
    assert "sampan-cni away" in bare.run(upkeep.mend())[0]
    assert bare.ask(a, OUTSIDE, 8081) == ("outside", NODE)
    bare.command("iptables", "-P", "FORWARD", "DROP")
    (remark,) = bare.run(upkeep.mend())
    assert "FORWARD chain drops by default" in remark
    assert bare.ask(a, address, 8080).server == "b"
    bare.command("nft", "add", "table", "ip", "foreign")
    assert bare.run(upkeep.mend()) == [], "nothing is said twice"
    bare.run(cni.install(replace(bare.pod_network, unhidden=f"{OUTSIDE}/32")))
    bare.command("ip", "-n", bare.outside, "route", "add", CLUSTER, "via", NODE)
    assert bare.ask(a, OUTSIDE, 8081).client == bare.addresses[a][0], "under its own address"
    upkeep.close()


def test_a_configuration_that_comes_first_is_told(bare: World) -> None:
    bare.pod_network.configuration.mkdir(parents=True)
    (bare.pod_network.configuration / "05-other.conflist").write_text("{}")
    assert "05-other.conflist comes before" in bare.run(cni.install(bare.pod_network))[0]


def test_host_ports(world: World) -> None:
    other = "198.51.100.7"
    world.command("ip", "addr", "add", f"{other}/24", "dev", "eth0")
    ports = [HostPort(8088, 8080), HostPort(5300, 53, "udp"), HostPort(8089, 8080, address=other)]
    pod, _ = world.pod("a", host_ports=ports)
    neighbour, _ = world.pod("b")
    world.serve(pod, 8080, "a")
    world.serve(pod, 53, "a-udp", protocol="udp")
    assert world.ask(world.outside, NODE, 8088) == ("a", OUTSIDE), "clients from outside appear as themselves"
    assert world.ask(world.outside, NODE, 5300, protocol="udp") == ("a-udp", OUTSIDE)
    for where in (neighbour, pod, world.node):
        assert world.ask(where, NODE, 8088).server == "a"
    assert world.ask(world.node, "127.0.0.1", 8088).server == "a"
    assert world.ask(world.outside, other, 8089).server == "a"
    for address, port in ((NODE, 8089), (NODE, 53)):
        with pytest.raises(ConnectionRefusedError):
            world.ask(world.outside, address, port)
    world.remove_pod(pod)
    with pytest.raises(ConnectionRefusedError):
        world.ask(world.outside, NODE, 8088)


def test_host_ports_that_somebody_flushed_are_made_again(world: World) -> None:
    """Of pods that are there, of no others; and a pod that goes meanwhile leaves none behind."""
    (pod, _), (going, _) = (world.pod(name, [HostPort(port, 8080)]) for name, port in (("a", 8088), ("b", 8089)))
    world.pod("without")
    world.serve(pod, 8080, "a")
    upkeep = Upkeep(world.pod_network, world.cache)
    (world.cache / "sampan-half-eth0").write_text('{"kind": "cniCac')
    assert world.run(upkeep.mend()) == []
    world.command("nft", "flush", "ruleset")
    with pytest.raises(ConnectionRefusedError):
        world.ask(world.outside, NODE, 8088)
    assert "sampan-cni away" in world.run(upkeep.mend())[0]
    world.remove_pod(going)
    (remark,) = world.run(upkeep.mend())
    assert f"the host ports of sampan-{pod}-eth0 away: made anew" in remark
    for where in (world.outside, world.node):
        assert world.ask(where, NODE, 8088) == ("a", OUTSIDE if where == world.outside else NODE)
    assert world.run(upkeep.mend()) == world.run(upkeep.mend()) == []
    assert "8089" not in world.command("iptables", "-t", "nat", "-S")
    world.command("iptables", "-t", "nat", "-F", "CNI-HOSTPORT-DNAT")
    assert [world.run(upkeep.mend()) for _ in range(2)] == [[], [remark]], "also when only a part was taken"
    assert world.ask(world.outside, NODE, 8088).server == "a"
    (world.cache / "sampan-gone-eth0").write_text((world.cache / f"sampan-{pod}-eth0").read_text().replace(pod, "gone"))
    world.command("nft", "flush", "ruleset")
    world.run(upkeep.mend())
    (world.cache / "sampan-gone-eth0").unlink()
    world.remove_pod(pod)
    assert world.run(upkeep.mend()) == []
    assert "8088" not in world.command("iptables", "-t", "nat", "-S")
    upkeep.close()


def test_host_ports_of_sctp_and_of_ipv6(tmp_path: Path) -> None:
    world = World(tmp_path, "10.244.7.0/24,fd00:7::/64", "10.244.0.0/16,fd00::/16")
    try:
        for namespace, address in ((world.node, "fd00:9::1"), (world.outside, "fd00:9::2")):
            world.command("ip", "-n", namespace, "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        world.run(cni.install(world.pod_network))
        pod, _ = world.pod("a", host_ports=[HostPort(9899, 3868, "sctp"), HostPort(8088, 8080)])
        sctp.serve(world, pod, 3868, 7)
        for everywhere in ("0.0.0.0", "::"):
            world.serve(pod, 8080, "a", address=everywhere)
        assert sctp.ask(world.outside, NODE, 9899, 40001) == (NODE, 7)
        world.run(duplicates.use_at_once(world.addresses[pod], SystemClock()))
        began = time.monotonic()
        assert world.ask(world.node, world.addresses[pod][1], 8080).server == "a"
        assert time.monotonic() < began + 0.9, "nobody waits until no duplicate was found"
        for node in ("fd00:9::1", NODE):
            assert world.ask(world.outside, node, 8088).server == "a"
        world.remove_pod(pod)
        world.run(cni.remove(world.pod_network))
        assert "CNI" not in world.everything()["rules"]
    finally:
        world.close()


def test_bandwidth_is_limited_from_the_first_packet(world: World) -> None:
    """8 Mbit in a second, of which the bucket lets a tenth go at once."""
    pod, address = world.pod("slow", bits=8_000_000)
    annotations = {"kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "8M"}
    manifest = core_v1.Pod(metadata=meta_v1.ObjectMeta(name="slow", annotations=annotations))
    world.run(bandwidth.tighten(manifest, [address]))
    free, free_address = world.pod("free")
    assert transfer(world, world.node, pod, address) > 0.4
    assert transfer(world, pod, free, free_address) > 0.4
    assert transfer(world, world.node, free, free_address) < 0.4
    world.run(bandwidth.tighten(manifest, []))
    world.run(bandwidth.tighten(manifest, ["203.0.113.1"]))


def transfer(world: World, source: str, target: str, address: str) -> float:
    """Seconds that 500 kB take from one to the other."""
    with inside(target):
        server = socket.create_server((address, 9000))
    with inside(source):
        client = socket.create_connection((address, 9000), timeout=5)
    with server, client, server.accept()[0] as connection:
        began, left = time.monotonic(), 500_000
        thread = threading.Thread(target=client.sendall, args=(bytes(left),))
        thread.start()
        while left:
            left -= len(connection.recv(1 << 16))
        thread.join()
        return time.monotonic() - began


FOREIGN = """
table inet wall {
  set blocked { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 203.0.113.7 }; }
  map ports { type inet_service : verdict; elements = { 22 : accept, 8123 : drop }; }
  chain guard { type filter hook forward priority filter; policy accept; ip saddr @blocked drop; }
  chain own { type filter hook input priority filter; policy accept; tcp dport vmap @ports; }
  chain translated { type nat hook prerouting priority dstnat; tcp dport 2222 dnat ip to 198.51.100.2:22; }
}
table ip other { chain c { type nat hook postrouting priority srcnat; oifname "tun0" masquerade; }; }
"""
IPTABLES = (
    "-t nat -N MINE",
    "-t nat -A PREROUTING -p tcp --dport 81 -j MINE",
    "-t nat -A MINE -p tcp -j REDIRECT --to-ports 80",
    "-t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE",
    "-N DOCKER-USER",
    "-A FORWARD -j DOCKER-USER",
    "-N GUARD",
    "-A FORWARD -j GUARD",
    "-A GUARD -s 172.17.0.0/16 -j ACCEPT",
    "-A INPUT -m conntrack --ctstate INVALID -j DROP",
)


def foreign(world: World) -> list[str]:
    tables = [world.command("nft", "list", "table", *table) for table in (("inet", "wall"), ("ip", "other"))]
    programs = ("iptables", "iptables-legacy")
    return tables + [world.command(name, "-t", table, "-S") for name in programs for table in ("nat", "filter")]


def test_foreign_rules_stay_as_they_are(bare: World) -> None:
    """Byte for byte, through installing, every mode of the proxy, and tear-down."""
    bare.command("bash", "-c", f"nft -f - <<'END'\n{FOREIGN}END")
    for rule in IPTABLES:
        bare.command("iptables", *rule.split())
        bare.command("iptables-legacy", *rule.split())
    before = foreign(bare)
    bare.run(cni.install(bare.pod_network))
    ports = (ServicePort("tcp", (Frontend("cluster", "10.96.3.4", 80),), (Endpoint("10.244.7.2", 80),), ()),)
    for mode in RUNNABLE:
        config = ProxyConfig(mode=mode, cluster_cidrs=(CLUSTER,), service_cidrs=(SERVICES,))
        backend = modes.BACKENDS[mode](SETTINGS)
        bare.run(backend.replace({"d/web": ports}))
        for part in modes.former(config):
            bare.run(part.remove())
        now = foreign(bare)
        assert now[:2] == before[:2]
        assert mode == "iptables" or now == before
        assert set(before[2].splitlines()) <= set(now[2].splitlines())
        assert now[4:] == before[4:]
        backend.close()
    for part in modes.all_parts(config):
        bare.run(part.remove())
    bare.run(machine.restore(SETTINGS))
    bare.run(cni.remove(bare.pod_network))
    assert foreign(bare) == before


def test_another_configuration_that_comes_first_is_named_and_left(bare: World) -> None:
    theirs = bare.pod_network.configuration / "05-theirs.conflist"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("{ not even JSON")
    (remark,) = bare.run(cni.install(bare.pod_network))
    assert remark == f"{theirs} comes before 10-sampan.conflist and is used instead"
    bare.run(cni.remove(bare.pod_network))
    assert [file.name for file in theirs.parent.iterdir()] == [theirs.name]
    assert theirs.read_text() == "{ not even JSON"
