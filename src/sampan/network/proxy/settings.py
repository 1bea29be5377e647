"""What every backend is told: whose packets are ours, and how they are to be treated."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

FamilyName = Literal["IPv4", "IPv6"]


class Family(NamedTuple):
    """An address family, and what differs between the two in the packet filters' languages."""

    name: FamilyName
    table: str
    address: str
    loopback: str


IPV4 = Family("IPv4", "ip", "ipv4_addr", "127.0.0.0/8")
IPV6 = Family("IPv6", "ip6", "ipv6_addr", "::1/128")
FAMILIES: dict[str, Family] = {"IPv4": IPV4, "IPv6": IPV6}


@dataclass(frozen=True, slots=True)
class Settings:
    """`cluster_cidr`: where pods are, "" if unknown; `local_interface`: the interface that this node's pods come in
    by, instead of the former (`br0`, or `veth*` for all that begin so); `service_cidr`: addresses there that no
    service has are dropped, "" to leave them alone; `skip`: addresses whose traffic is not ours;
    `nodeport_addresses`: networks whose addresses of this node answer node ports, none for all;
    `localhost_nodeports`: on 127.0.0.1 too; `masquerade_all`: every client of a cluster address appears as the node;
    `cgroup`: below which processes connect straight to endpoints (mode ebpf), from the hierarchy's root, "" for all."""

    family: Family = IPV4
    cluster_cidr: str = ""
    service_cidr: str = ""
    skip: tuple[str, ...] = ()
    nodeport_addresses: tuple[str, ...] = ()
    localhost_nodeports: bool = True
    masquerade_all: bool = False
    local_interface: str = ""
    cgroup: str = ""

    @property
    def opens_loopback(self) -> bool:
        """Whether packets of 127.0.0.0/8 have to be routed, for node ports there."""
        if self.family is not IPV4 or not self.localhost_nodeports:
            return False
        loopback = ipaddress.ip_network(IPV4.loopback)
        return not self.nodeport_addresses or any(
            loopback.overlaps(ipaddress.ip_network(one, strict=False)) for one in self.nodeport_addresses
        )


def family_of(address: str) -> str:
    """Which of "IPv4" and "IPv6" the text is an address or a network of; "" when it is none."""
    family, number = ("IPv6", socket.AF_INET6) if ":" in address else ("IPv4", socket.AF_INET)
    try:
        # Asked of every endpoint at every change: the C library is ten times as fast as `ipaddress`.
        if "/" in address:
            ipaddress.ip_interface(address)
        else:
            socket.inet_pton(number, address)
    except (OSError, ValueError):
        return ""
    return family


def of_family(family: Family, addresses: Iterable[str]) -> tuple[str, ...]:
    """Those of the addresses and networks that belong to it."""
    return tuple(address for address in addresses if family_of(address) == family.name)
