"""The packet filter's verdict on a packet, and what the API's words say of it: two readings that must agree."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, NamedTuple

from sampan.api.selectors import EVERYTHING, from_label_selector
from sampan.network.policy.groups import Pod

from .filter import FakeFilter

PART = re.compile(
    r"(?P<concat>ip6? daddr \. meta l4proto \. th dport @(?P<ports>\S+))"
    r"|ip6? (?P<side>[sd]addr) (?P<unlike>!= )?(?:@(?P<set>\S+)|\{ (?P<list>[^}]*) \}|(?P<one>\S+))"
    r"|(?P<protocol>tcp|udp|sctp) dport \{ (?P<numbers>[^}]*) \}"
    r"|meta l4proto (?P<any>\S+)"
)


class Packet(NamedTuple):
    """The first of a connection, from one address to another's port."""

    source: str
    target: str
    protocol: str
    port: int


def passes(filter: FakeFilter, packet: Packet) -> bool:
    """As the kernel would decide in the forward hook, the rule set being `filter`'s."""
    sets = filter.sets
    if sets is None or packet.source == packet.target:
        return True
    for name, address in (("egress-4", packet.source), ("ingress-4", packet.target)):
        verdict = sets[name].get(address)
        allowing = filter.chains[verdict.removeprefix("jump ")][:-1] if verdict else []
        if verdict and not any(matches(rule, packet, sets) for rule in allowing):
            return False
    return True


def matches(rule: str, packet: Packet, sets: dict[str, dict[str, str]]) -> bool:
    text = rule.partition("return")[0]
    if "ip6 " in text:
        return False
    return all(_part(found, packet, sets) for found in PART.finditer(text))


def _part(found: re.Match[str], packet: Packet, sets: dict[str, dict[str, str]]) -> bool:
    if found["concat"]:
        return f"{packet.target} . {packet.protocol.lower()} . {packet.port}" in sets[found["ports"]]
    if found["side"]:
        address = packet.source if found["side"] == "saddr" else packet.target
        if found["set"]:
            return address in sets[found["set"]]
        networks = (found["list"] or found["one"]).split(", ")
        return any(ipaddress.ip_address(address) in ipaddress.ip_network(n) for n in networks) != bool(found["unlike"])
    if found["protocol"]:
        ranges = [[int(n) for n in text.split("-")] for text in found["numbers"].split(", ")]
        return packet.protocol.lower() == found["protocol"] and any(r[0] <= packet.port <= r[-1] for r in ranges)
    return packet.protocol.lower() == found["any"]


def allowed(policies: list[Any], pods: list[Pod], namespaces: dict[str, dict[str, str]], packet: Packet) -> bool:
    """As the API reference's words on NetworkPolicySpec have it; every pod is on the node that guards."""
    if packet.source == packet.target:
        return True
    return all(_side(policies, pods, namespaces, packet, direction) for direction in ("Egress", "Ingress"))


def _side(policies: list[Any], pods: list[Pod], namespaces: Any, packet: Packet, direction: str) -> bool:
    own, other = (packet.source, packet.target) if direction == "Egress" else (packet.target, packet.source)
    subject = _at(pods, own)
    if subject is None:
        return True
    chosen = [p for p in policies if direction in _types(p.spec) and _selects(p, subject)]
    return not chosen or any(
        _peers(policy, rule.to if direction == "Egress" else rule.from_, _at(pods, other), other, namespaces)
        and (not rule.ports or any(_port(port, _at(pods, packet.target), packet) for port in rule.ports))
        for policy in chosen
        for rule in (policy.spec.egress if direction == "Egress" else policy.spec.ingress) or ()
    )


def _peers(policy: Any, peers: Any, other: Pod | None, address: str, namespaces: Any) -> bool:
    return not peers or any(_peer(policy, peer, other, address, namespaces) for peer in peers)


def _peer(policy: Any, peer: Any, other: Pod | None, address: str, namespaces: Any) -> bool:
    if peer.ipBlock is not None:
        here = ipaddress.ip_address(address)
        return here in ipaddress.ip_network(peer.ipBlock.cidr) and not any(
            here in ipaddress.ip_network(hole) for hole in peer.ipBlock.except_ or ()
        )
    if other is None:
        return False
    if peer.namespaceSelector is None:
        near = other.namespace == policy.metadata.namespace
    else:
        near = from_label_selector(peer.namespaceSelector).matches(namespaces.get(other.namespace, {}))
    selector = EVERYTHING if peer.podSelector is None else from_label_selector(peer.podSelector)
    return near and selector.matches(other.labels)


def _port(port: Any, target: Pod | None, packet: Packet) -> bool:
    if (port.protocol or "TCP") != packet.protocol:
        return False
    if port.port is None:
        return True
    if isinstance(port.port, str):
        return target is not None and (port.port, packet.protocol, packet.port) in target.ports
    return bool(port.port <= packet.port <= (port.endPort or port.port))


def _types(spec: Any) -> list[str]:
    return list(spec.policyTypes or (["Ingress", "Egress"] if spec.egress else ["Ingress"]))


def _selects(policy: Any, pod: Pod) -> bool:
    selector = from_label_selector(policy.spec.podSelector)
    return policy.metadata.namespace == pod.namespace and selector.matches(pod.labels)


def _at(pods: list[Pod], address: str) -> Pod | None:
    return next((pod for pod in pods if address in pod.addresses), None)
