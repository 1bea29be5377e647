"""A NetworkPolicy as nft rules over named sets. No I/O.

Each rule ends in `return`, out of the chain of a pod, whose last rule drops. A rule of the policy is the product of its
peers and its ports; a peer that is a group of pods, or a port that has a name, exists once for each address family.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sampan.api.selectors import EVERYTHING, from_label_selector
from sampan.network.policy.groups import EVERYBODY, Group, Members, NamedPort, group

FAMILIES = {"4": "ip", "6": "ip6"}
COMMENT_LENGTH = 100
INGRESS, EGRESS = "Ingress", "Egress"
PROTOCOLS = ("TCP", "UDP", "SCTP")
HIGHEST_PORT = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """`rules`: for each direction in which it isolates its subjects what it allows."""

    key: str
    subjects: Group
    rules: dict[str, tuple[str, ...]]
    members: frozenset[Members]


class Match(NamedTuple):
    """A part of a rule: its nft text, the address family it is for ("" for both), the sets it looks into."""

    text: str
    version: str = ""
    members: tuple[Members, ...] = ()


class Peer(NamedTuple):
    matches: Sequence[Match]
    group: Group
    """The pods whose named ports are meant where the peer is the destination."""


def compiled(policy: Any) -> Policy:
    """What cannot be read is left out, so that it allows nothing; the API server lets none of that through."""
    spec, namespace = policy.spec, policy.metadata.namespace
    key = f"{namespace}/{policy.metadata.name}"
    selector = spec.podSelector if spec else None
    subjects = Group(namespace, None, from_label_selector(selector) if selector is not None else EVERYTHING)
    rules, members = {}, set()
    for direction in directions(spec):
        found = list(_rules(spec, direction, subjects))
        rules[direction] = tuple(f'{match.text} return comment "{key[:COMMENT_LENGTH]}"'.strip() for match in found)
        members |= {each for match in found for each in match.members}
    return Policy(key=key, subjects=subjects, rules=rules, members=frozenset(members))


def directions(spec: Any) -> list[str]:
    """Those in which a policy isolates."""
    if spec is None:
        return [INGRESS]
    return list(spec.policyTypes or ([INGRESS, EGRESS] if spec.egress else [INGRESS]))


def _rules(spec: Any, direction: str, subjects: Group) -> Iterator[Match]:
    ingress = direction == INGRESS
    for rule in ((spec.ingress if ingress else spec.egress) if spec else None) or ():
        side = "saddr" if ingress else "daddr"
        for peer in _peers((rule.from_ if ingress else rule.to) or (), side, subjects.namespace):
            ports = list(_ports(rule.ports or (), subjects if ingress else peer.group))
            yield from _products(peer.matches, ports)


def _products(peers: Sequence[Match], ports: Sequence[Match]) -> Iterator[Match]:
    for peer, port in itertools.product(peers, ports):
        if peer.version and port.version and peer.version != port.version:
            continue
        text = " ".join(part for part in (peer.text, port.text) if part)
        yield Match(text, peer.version or port.version, peer.members + port.members)


def _peers(peers: Sequence[Any], side: str, namespace: str) -> Iterator[Peer]:
    """Without any, everybody is meant."""
    if not peers:
        yield Peer([Match("")], EVERYBODY)
    for peer in peers:
        if peer.ipBlock is not None:
            yield Peer(list(_block(peer.ipBlock, side)), EVERYBODY)
        else:
            yield _group(group(peer, namespace), side)


def _group(found: Group, side: str) -> Peer:
    matches = [Match(f"{f} {side} @{found.set_name}-{v}", v, (found,)) for v, f in FAMILIES.items()]
    return Peer(matches, found)


def _block(block: Any, side: str) -> Iterator[Match]:
    try:
        network: Any = ipaddress.ip_network(block.cidr, strict=False)
        but: list[Any] = [ipaddress.ip_network(text, strict=False) for text in getattr(block, "except_", None) or ()]
    except ValueError:
        return
    version = str(network.version)
    family = FAMILIES[version]
    text = f"{family} {side} {network}"
    holes = list(ipaddress.collapse_addresses(hole for hole in but if hole.version == network.version))
    if holes:
        text += f" {family} {side} != {{ {', '.join(map(str, holes))} }}"
    yield Match(text, version)


def _ports(ports: Sequence[Any], at: Group) -> Iterator[Match]:
    """Without any, all traffic is meant. Numbers of one protocol share a rule."""
    if not ports:
        yield Match("")
    numbers: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for port in ports:
        protocol = port.protocol or "TCP"
        if protocol not in PROTOCOLS:
            continue
        if isinstance(port.port, str):
            yield from _named(NamedPort(at, protocol, port.port))
        elif port.port is None:
            numbers[protocol].append((0, HIGHEST_PORT))
        else:
            numbers[protocol].append((port.port, port.endPort or port.port))
    for protocol, ranges in numbers.items():
        yield Match(_numbers(protocol.lower(), merged(ranges)))


def _named(port: NamedPort) -> Iterator[Match]:
    for version, family in FAMILIES.items():
        yield Match(f"{family} daddr . meta l4proto . th dport @{port.set_name}-{version}", version, (port,))


def _numbers(protocol: str, ranges: Sequence[tuple[int, int]]) -> str:
    if (0, HIGHEST_PORT) in ranges:
        return f"meta l4proto {protocol}"
    return f"{protocol} dport {{ {', '.join(str(a) if a == b else f'{a}-{b}' for a, b in ranges)} }}"


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same numbers in ranges that neither overlap nor touch."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found
