"""Network policies over real pods on three nodes, as tables of who reaches whom: what is allowed, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..cluster.harness import until
from ..cluster.manifests import script, service
from .pairs import Pods, Try, known, table
from .world import World

HERE, THERE = "policed", "elsewhere"
PODS = ((HERE, "web", 3), (HERE, "friend", 1), (HERE, "stranger", 3), (THERE, "guest", 2), (THERE, "foreigner", 1))
NAMES = tuple(name for _, name, _ in PODS)
CLIENTS = ("friend", "stranger", "guest", "foreigner")
HTTP, MORE, DATA = 8080, 9090, 5300
DATA_PROTOCOLS = [protocol for protocol in ("UDP", "SCTP") if known(protocol)]
EVERYWHERE = [
    *table(NAMES, [("web", HTTP), ("web", MORE), ("friend", MORE), ("guest", MORE)]),
    *(each for protocol in DATA_PROTOCOLS for each in table(CLIENTS, [("web", DATA)], protocol)),
]
THEIRS = {"matchLabels": {"kubernetes.io/metadata.name": THERE}}
GUESTS = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["guest"]}]}
WEB = {"matchLabels": {"app": "web"}}
FRIEND = {"podSelector": {"matchLabels": {"app": "friend"}}}


@pytest.fixture(scope="module")
def pods(world: World) -> Iterator[Pods]:
    """The pods, two ports open on all that are asked, one more for datagrams and one for SCTP."""
    for namespace in (HERE, THERE):
        world.kubectl("create", "namespace", namespace)
    for namespace, name, number in PODS:
        manifest = world.pod(name, number)
        manifest["metadata"]["namespace"] = namespace
        world.apply(manifest)
    running = Pods(world, [(namespace, name) for namespace, name, _ in PODS])
    try:
        for name in ("web", "friend", "guest"):
            running.serve(name, MORE)
        for protocol in DATA_PROTOCOLS:
            running.serve("web", DATA, protocol)
        until(lambda: running.reached(EVERYWHERE) == set(EVERYWHERE), "without policies all reach all")
        yield running
    finally:
        running.close()
    world.kubectl("delete", "namespace", HERE, THERE, "--wait=false")


def policy(**spec: Any) -> dict[str, Any]:
    metadata = {"name": "tested", "namespace": HERE}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def to_web(each: Try) -> bool:
    return each.target == "web"


# What is asked for -> which of all tries come through nevertheless.
CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "nobody gets in": (
        {"podSelector": {}, "policyTypes": ["Ingress"]},
        lambda t: t.target == "guest",
    ),
    "nobody gets out": (
        {"podSelector": {}, "policyTypes": ["Egress"]},
        lambda t: t.source in ("guest", "foreigner"),
    ),
    "pods of this namespace, by label": (
        {"podSelector": WEB, "ingress": [{"from": [FRIEND]}]},
        lambda t: not to_web(t) or t.source == "friend",
    ),
    "a port by number": (
        {"podSelector": WEB, "ingress": [{"ports": [{"port": HTTP}]}]},
        lambda t: not to_web(t) or (t.port, t.protocol) == (HTTP, "TCP"),
    ),
    "a port by name, and datagrams": (
        {"podSelector": WEB, "ingress": [{"ports": [{"port": "http"}, {"port": DATA, "protocol": "UDP"}]}]},
        lambda t: not to_web(t) or (t.port, t.protocol) in ((HTTP, "TCP"), (DATA, "UDP")),
    ),
    "a range of ports, and SCTP": (
        {
            "podSelector": WEB,
            "ingress": [{"ports": [{"port": 9000, "endPort": 9100}, {"port": DATA, "protocol": "SCTP"}]}],
        },
        lambda t: not to_web(t) or (t.port, t.protocol) in ((MORE, "TCP"), (DATA, "SCTP")),
    ),
    "another namespace, and only one of its pods": (
        {"podSelector": WEB, "ingress": [{"from": [{"namespaceSelector": THEIRS, "podSelector": GUESTS}]}]},
        lambda t: not to_web(t) or t.source == "guest",
    ),
    "out to one pod by a named port": (
        {
            "podSelector": {"matchLabels": {"app": "friend"}},
            "policyTypes": ["Egress"],
            "egress": [{"to": [{"podSelector": WEB}], "ports": [{"port": "http"}]}],
        },
        lambda t: t.source != "friend" or (t.target, t.port) == ("web", HTTP),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_who_reaches_whom(world: World, pods: Pods, case: str) -> None:
    spec, allowed = CASES[case]
    wanted = {each for each in EVERYWHERE if allowed(each)}
    world.apply(policy(**spec))
    until(lambda: pods.reached(EVERYWHERE) == wanted, f"{case}: {len(wanted)} of {len(EVERYWHERE)} pairs")
    assert world.fetch(3, f"http://{pods.addresses['web']}:{HTTP}/"), "a pod's own node always reaches it"


def test_blocks_of_addresses_with_holes(world: World, pods: Pods) -> None:
    hole = f"{pods.addresses['guest']}/32"
    blocks = {"ipBlock": {"cidr": "10.244.0.0/16", "except": [hole]}}
    world.apply(policy(podSelector=WEB, ingress=[{"from": [blocks]}]))
    wanted = {each for each in EVERYWHERE if not (to_web(each) and each.source == "guest")}
    until(lambda: pods.reached(EVERYWHERE) == wanted, "all but the guest get in")


def test_a_pod_in_its_nodes_network_is_the_node(world: World, pods: Pods) -> None:
    """It is held to no policy, and let in elsewhere by the node's address, not by labels."""
    manifest = world.pod("hosted", 2, hostNetwork=True)
    manifest["metadata"]["namespace"] = HERE
    world.apply(manifest, policy(podSelector={}, policyTypes=["Ingress", "Egress"]))
    node = world.address("hosted", "-n", HERE)
    asked = [t for t in EVERYWHERE if to_web(t) and t.port == HTTP]
    until(lambda: pods.reached(asked) == set(), "nobody gets in")

    def gets(name: str) -> bool:
        try:
            return bool(world.asks("hosted", f"http://{pods.addresses[name]}:{HTTP}/", "-n", HERE, seconds=1))
        except AssertionError:
            return False

    assert gets("guest") and pods.reached([Try("foreigner", node, HTTP)])
    assert not gets("web")
    world.apply(
        policy(podSelector=WEB, ingress=[{"from": [{"podSelector": {"matchLabels": {"app": "hosted"}}}, FRIEND]}])
    )
    until(lambda: {each.source for each in pods.reached(asked)} == {"friend"}, "the friend gets in")
    assert not gets("web")
    world.apply(policy(podSelector=WEB, ingress=[{"from": [{"ipBlock": {"cidr": f"{node}/32"}}]}]))
    until(lambda: gets("web"), "the node's address is let in")
    world.kubectl("delete", "pod", "hosted", "-n", HERE, "--wait=false")


def test_labels_decide_as_they_change(world: World, pods: Pods) -> None:
    world.apply(policy(podSelector=WEB, ingress=[{"from": [{"namespaceSelector": {"matchLabels": {"team": "ours"}}}]}]))
    asked = [t for t in EVERYWHERE if to_web(t) and t.port == HTTP]
    until(lambda: pods.reached(asked) == set(), "nobody is of the team")
    world.kubectl("label", "namespace", THERE, "team=ours")
    wanted = {each for each in asked if each.source in ("guest", "foreigner")}
    until(lambda: pods.reached(asked) == wanted, "a namespace has joined the team")


def test_a_service_leads_to_what_the_pod_behind_it_allows(world: World, pods: Pods) -> None:
    manifest = service("web", type="ClusterIP")
    manifest["metadata"]["namespace"] = HERE
    world.apply(manifest, policy(podSelector=WEB, ingress=[{"from": [FRIEND]}]))
    address = world.get("service", "web", "-n", HERE)["spec"]["clusterIP"]
    asked = [Try(source, address, 80) for source in CLIENTS]
    until(lambda: pods.reached(asked) == {Try("friend", address, 80)}, "only the friend, by the service's address too")


def test_a_pods_first_packet_is_guarded(world: World, pods: Pods) -> None:
    world.apply(policy(podSelector={"matchLabels": {"app": "hasty"}}, policyTypes=["Egress"]))
    target = f"http://{pods.addresses['guest']}:{HTTP}/"
    until(lambda: world.asks("friend", target, "-n", HERE), "others still get out")
    for number in (1, 2):
        manifest = script(f"hasty-{number}", f"timeout 1 wget -qO- {target} && echo through || echo refused")
        manifest["metadata"] |= {"namespace": HERE, "labels": {"app": "hasty"}}
        manifest["spec"]["nodeName"] = world.names[number]
        world.apply(manifest)
    for number in (1, 2):
        where = ("-n", HERE, f"hasty-{number}")
        phase = "jsonpath={.status.phase}=Succeeded"
        world.kubectl("wait", "pod", *where, f"--for={phase}", "--timeout=60s")
        lines = world.kubectl("logs", *where).stdout.splitlines()
        assert "refused" in lines and "through" not in lines


def test_a_node_that_was_cut_off_learns_what_it_missed(world: World, pods: Pods) -> None:
    world.kubectl("delete", "networkpolicy", "tested", "-n", HERE, "--ignore-not-found")
    asked = [t for t in EVERYWHERE if to_web(t) and t.port == HTTP]
    until(lambda: pods.reached(asked) == set(asked), "without a policy all get in")
    with world.cut_off(3):
        world.apply(policy(podSelector=WEB, ingress=[]))
        assert pods.reached(asked) == {t for t in asked if t.source == "stranger"}, "those on its own node"
    until(lambda: pods.reached(asked) == set(), "the node has heard of the policy")


def test_rules_that_somebody_removed_come_back_and_foreign_ones_stay(world: World, pods: Pods) -> None:
    world.apply(policy(podSelector=WEB, ingress=[]))
    asked = [t for t in EVERYWHERE if to_web(t) and t.port == HTTP]
    until(lambda: pods.reached(asked) == set(), "nobody gets in")
    world.on(3, "nft", "add table inet foreign")
    world.on(3, "nft", "flush chain inet sampan-policy forward")
    until(lambda: pods.reached(asked) == set(asked), "the rules are gone")
    until(lambda: pods.reached(asked) == set(), "they are back")
    world.kubectl("delete", "networkpolicy", "tested", "-n", HERE)
    until(lambda: pods.reached(asked) == set(asked), "without a policy all get in")
    tables = world.on(3, "nft", "list", "tables").stdout
    assert "inet foreign" in tables and "sampan-policy" not in tables
    world.on(3, "nft", "delete table inet foreign")
