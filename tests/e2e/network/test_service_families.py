"""Both address families, in every mode: what differs is the packet filter's language, and what conntrack is asked."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sampan.network import cni
from sampan.network.proxy import modes
from sampan.network.proxy.backend import Backend, Change, Ports
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.settings import IPV6, Settings

from ..cluster.harness import until
from .world import World

PODS, CLUSTER = "10.244.7.0/24,fd00:244:0:7::/64", "10.244.0.0/16,fd00:244::/48"
VIP, NODE6, OUTSIDE6, EXTERNAL = "fd00:96::5", "fd00:9::1", "fd00:9::2", "fd00:5::1"
SETTINGS = Settings(family=IPV6, cluster_cidr="fd00:244::/48", service_cidr="fd00:96::/112")
AFFINITY = {"iptables": (("ip6tables-save",), "--seconds 300 "), "ipvs": (("ipvsadm", "-Sn"), " -s rr -p 300")}
"""By mode: what shows how long a client is remembered, and what it says."""


class Six(World):
    """Pods, the node and the machine outside have IPv6 addresses, too."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, PODS, CLUSTER)
        for namespace, address in ((self.node, NODE6), (self.outside, OUTSIDE6)):
            self.on(namespace, "ip", "addr", "add", f"{address}/64", "dev", "eth0", "nodad")
        self.on(self.node, "ip", "-6", "route", "add", "default", "via", OUTSIDE6)
        self.on(self.outside, "ip", "route", "add", f"{EXTERNAL}/128", "via", NODE6)
        self.on(self.outside, "ip", "route", "add", "fd00:244::/48", "via", NODE6)

    def on(self, namespace: str, *words: str) -> None:
        subprocess.run(("ip", "netns", "exec", namespace, *words), check=True)

    def populate(self) -> None:
        """Three pods that answer at TCP and UDP."""
        self.pods = [self.pod(name)[0] for name in "abc"]
        for namespace, name in zip(self.pods, "abc", strict=True):
            for protocol in ("tcp", "udp"):
                self.serve(namespace, 8080, name, protocol=protocol, address="::")
        self.six = [self.addresses[namespace][1] for namespace in self.pods]
        for address in self.six:
            # A link's first second goes to finding out whether its addresses are nobody else's.
            until(lambda where=address: self.answers(where), f"{address} answers")

    def answers(self, address: str) -> bool:
        try:
            return bool(self.ask(self.outside, address, 8080, patience=0.3))
        except OSError:
            return False


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Six]:
    """One for all modes, for each takes away what is its."""
    if os.geteuid():
        pytest.skip("needs root: makes network namespaces")
    made = Six(tmp_path_factory.mktemp("six"))
    try:
        made.run(cni.install(made.pod_network))
        made.populate()
        yield made
    finally:
        made.close()


@pytest.fixture
def six_backend(six: Six, mode: str) -> Iterator[Backend]:
    made = modes.BACKENDS[mode](SETTINGS)
    yield made
    six.run(made.remove())


def service(*addresses: str, protocol: str = "tcp", **policy: object) -> Ports:
    frontends = (Frontend("cluster", VIP, 80), Frontend("external", EXTERNAL, 80), Frontend("node", "", 30080))
    endpoints = tuple(Endpoint(address, 8080) for address in addresses)
    given = {"here": endpoints, "hairpin": tuple(sorted(addresses))} | policy
    return (ServicePort(protocol, frontends, endpoints, **given),)  # type: ignore[arg-type]


def test_every_way_in(six: Six, six_backend: Backend) -> None:
    (a, b, _), addresses = six.pods, six.six
    for protocol in ("tcp", "udp"):
        six.run(six_backend.replace({"d/web": service(*addresses, protocol=protocol)}))
        for where, address, port in (
            (a, VIP, 80), (six.node, VIP, 80), (six.node, NODE6, 30080), (b, NODE6, 30080),
            (six.outside, NODE6, 30080), (six.outside, EXTERNAL, 80),
        ):  # fmt: skip
            assert set(six.askers(where, address, port, 30, protocol=protocol)) == set("abc"), (where, address)
    assert six.ask(b, VIP, 80, protocol="udp").client in (addresses[1], cni.gateway(six.pod_network.ranges[1]))


def test_policies_ranges_and_affinity(six: Six, six_backend: Backend, mode: str) -> None:
    (a, _, _), addresses = six.pods, six.six
    here = (Endpoint(addresses[2], 8080),)
    six.run(six_backend.replace({"d/web": service(*addresses, here=here, external_local=True, internal_local=True)}))
    assert set(six.askers(six.outside, NODE6, 30080, 15)) == {"c"}
    assert six.ask(six.outside, NODE6, 30080).client == OUTSIDE6
    assert set(six.askers(a, VIP, 80, 15)) == {"c"}
    sticky = service(*addresses, affinity=600)
    six.run(six_backend.replace({"d/web": sticky}))
    assert len(set(six.askers(a, VIP, 80, 15))) == len(set(six.askers(six.outside, NODE6, 30080, 15))) == 1
    first = six.ask(a, VIP, 80).server
    left = service(*(each for each, name in zip(addresses, "abc", strict=True) if name != first), affinity=300)
    six.run(six_backend.update([Change("d/web", sticky, left)]))
    second = six.ask(a, VIP, 80).server
    assert second != first and set(six.askers(a, VIP, 80, 15)) == {second}
    six.run(six_backend.replace({"d/web": left}))
    assert six.ask(a, VIP, 80).server == second, "a restarted proxy remembers"
    assert not six.run(six_backend.damaged())
    shows, words = AFFINITY.get(mode, (("nft", "list", "ruleset"), "remember-300"))
    assert words in six.command(*shows)
    guarded = service(*addresses, guarded=(EXTERNAL,), source_ranges=("fd00:77::/64",))
    six.run(six_backend.replace({"d/web": guarded}))
    with pytest.raises(OSError):
        six.ask(six.outside, EXTERNAL, 80)
    six.run(six_backend.replace({"d/web": service(*addresses, guarded=(EXTERNAL,), source_ranges=("fd00:9::/64",))}))
    assert six.ask(six.outside, EXTERNAL, 80).server in "abc"


def test_refused_without_endpoints_and_moved_on_from_one_that_went(six: Six, six_backend: Backend) -> None:
    (_, b, _), addresses = six.pods, six.six
    six.run(six_backend.replace({"d/web": service()}))
    for where, address, port in ((b, VIP, 80), (six.node, VIP, 80), (six.outside, NODE6, 30080), (b, VIP, 81)):
        with pytest.raises(ConnectionRefusedError):
            six.ask(where, address, port)
    old, new = service(addresses[0], protocol="udp"), service(addresses[2], protocol="udp")
    six.run(six_backend.update([Change("d/web", service(), old)]))
    assert six.ask(b, VIP, 80, protocol="udp", source_port=4000).server == "a"
    six.run(six_backend.update([Change("d/web", old, new)]))
    assert six.ask(b, VIP, 80, protocol="udp", source_port=4000).server == "c"
