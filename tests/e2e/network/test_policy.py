"""Policies in the kernel, as tables of who reaches whom, over both address families and all three protocols."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import networking_v1
from sampan.network import cni
from sampan.network.policy.groups import Pod
from sampan.network.policy.packetfilter import PacketFilter
from sampan.network.policy.rules import compiled
from sampan.network.policy.state import PolicyState
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort
from sampan.network.proxy.nftables.backend import NftablesBackend

from . import sctp
from .conftest import SETTINGS
from .world import World, inside

NAMES = ("web", "friend", "stranger")
TCP, MORE, UDP, SCTP = 8080, 9090, 5300, 3868
PORTS = (("http", "TCP", TCP), ("data", "UDP", UDP))
SERVED = (("tcp", TCP), ("tcp", MORE), ("udp", UDP))
Try = tuple[str, str, str, int]
"""Source, target, how ("tcp4", "udp6", "sctp4", ...), port."""
EVERYWHERE: list[Try] = [
    *((s, t, f"{protocol}{v}", port) for protocol, port in SERVED
      for s, t in itertools.permutations(NAMES, 2) for v in (4, 6)),
    *((s, "web", "sctp4", SCTP) for s in NAMES if s != "web"),
]  # fmt: skip
WEB, FRIEND = ({"matchLabels": {"app": name}} for name in ("web", "friend"))
BOTH = ["Ingress", "Egress"]
# What is asked for -> which tries come through nevertheless.
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "nobody in or out": ({"podSelector": {}, "policyTypes": BOTH}, lambda s, t, how, port: False),
    "nobody in or out of one": (
        {"podSelector": WEB, "policyTypes": BOTH},
        lambda s, t, how, port: "web" not in (s, t),
    ),
    "one in, by named ports of both protocols": (
        {
            "podSelector": WEB,
            "ingress": [
                {
                    "from": [{"podSelector": FRIEND}],
                    "ports": [{"port": "http"}, {"port": "data", "protocol": "UDP"}],
                }
            ],
        },
        lambda s, t, how, port: t != "web" or (s == "friend" and port in (TCP, UDP)),
    ),
    "a range of ports, and SCTP": (
        {
            "podSelector": WEB,
            "ingress": [{"ports": [{"port": 9000, "endPort": 9100}, {"port": SCTP, "protocol": "SCTP"}]}],
        },
        lambda s, t, how, port: t != "web" or port in (MORE, SCTP),
    ),
    "one family's addresses": (
        {"podSelector": WEB, "ingress": [{"from": [{"ipBlock": {"cidr": "fd00:244::/32"}}]}]},
        lambda s, t, how, port: t != "web" or how.endswith("6"),
    ),
}


class Policed:
    """Three pods with addresses of both families, and the policies' keeper's parts."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.where = {name: world.pod(name)[0] for name in NAMES}
        self.state, self.filter = PolicyState("n1"), PacketFilter()
        self.state.set_namespace("d", {})
        self.absent = True
        self.source_ports = itertools.count(30000)
        for name, namespace in self.where.items():
            addresses = tuple(world.addresses[namespace])
            made = Pod(
                namespace="d", name=name, labels={"app": name}, addresses=addresses, node="n1", ports=PORTS
            )  # fmt: skip
            self.state.set_pod(made.key, made)
            for address, (protocol, port) in itertools.product(addresses, SERVED):
                world.serve(namespace, port, name, protocol=protocol, address=address)
        sctp.serve(world, self.where["web"], SCTP, 1)

    def apply(self, name: str, spec: dict[str, Any] | None) -> None:
        document = {"metadata": {"name": name, "namespace": "d"}, "spec": spec}
        made = compiled(msgspec.convert(document, networking_v1.NetworkPolicy)) if spec else None
        self.state.set_policy(f"d/{name}", made)
        anew = self.absent or self.state.empty
        self.world.run(self.filter.apply(self.state.replace() if anew else self.state.update()))
        self.absent = self.state.empty

    def settles(self, wanted: set[Try]) -> set[Try]:
        """What is reached at last: neighbours may have to be found first, and a loaded machine answers late."""
        found: set[Try] = set()
        for _ in range(8):
            if (found := self.all_reached()) == wanted:
                break
        return found

    def all_reached(self) -> set[Try]:
        """Those of all tries that come through, tried at once."""
        with ThreadPoolExecutor(len(EVERYWHERE)) as pool:
            return {each for each, came in zip(EVERYWHERE, pool.map(self.reached, EVERYWHERE), strict=True) if came}

    def reached(self, each: Try) -> bool:
        source, target, how, port = each
        address = self.world.addresses[self.where[target]][how.endswith("6")]
        if how == "sctp4":
            return sctp.ask(self.where[source], address, port, next(self.source_ports)) is not None
        try:
            self.world.ask(self.where[source], address, port, protocol=how[:3], patience=0.7)
        except OSError:
            return False
        return True


@pytest.fixture(scope="module")
def policed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Policed]:
    world = World(tmp_path_factory.mktemp("w"), "10.244.7.0/24,fd00:244:0:7::/64", "10.244.0.0/16,fd00:244::/48")
    try:
        world.run(cni.install(world.pod_network))
        policed = Policed(world)
        yield policed
        policed.filter.close()
    finally:
        world.close()


@pytest.mark.parametrize("case", CASES)
def test_who_reaches_whom(policed: Policed, case: str) -> None:
    spec, allowed = CASES[case]
    if case == next(iter(CASES)):
        assert policed.settles(set(EVERYWHERE)) == set(EVERYWHERE), "without policies all reach all"
    policed.apply("tested", spec)
    wanted = {each for each in EVERYWHERE if allowed(*each)}
    assert policed.settles(wanted) == wanted
    web = policed.world.addresses[policed.where["web"]]
    for address in web:
        assert policed.world.ask(policed.world.node, address, TCP).server == "web", "a pod's own node reaches it"


def test_what_is_open_when_a_policy_comes_goes_on(policed: Policed) -> None:
    policed.apply("tested", None)
    address = policed.world.addresses[policed.where["web"]][0]
    with inside(policed.where["friend"]):
        client = socket.create_connection((address, TCP), timeout=5)
    with client:
        policed.apply("tested", {"podSelector": WEB, "policyTypes": BOTH})
        assert not policed.reached(("friend", "web", "tcp4", TCP)), "new ones are refused"
        client.sendall(b"?")
        assert client.recv(100).startswith(b"web ")


def test_services_lead_out_to_pods_that_are_allowed(policed: Policed) -> None:
    backend = NftablesBackend(SETTINGS)
    targets = {"10.96.1.1": "web", "10.96.1.2": "stranger"}
    services = {
        f"d/{name}": (
            ServicePort(
                "tcp",
                (Frontend("cluster", vip, 80),),
                (Endpoint(policed.world.addresses[policed.where[name]][0], TCP),),
                (),
            ),
        )
        for vip, name in targets.items()
    }
    to_web = [{"to": [{"podSelector": WEB}]}]
    policed.apply("tested", {"podSelector": FRIEND, "policyTypes": ["Egress"], "egress": to_web})
    try:
        policed.world.run(backend.replace(services))
        assert policed.world.ask(policed.where["friend"], "10.96.1.1", 80).server == "web"
        with pytest.raises(TimeoutError):
            policed.world.ask(policed.where["friend"], "10.96.1.2", 80)
        assert policed.world.ask(policed.where["web"], "10.96.1.2", 80).server == "stranger"
    finally:
        policed.world.run(backend.remove())
