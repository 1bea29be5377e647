"""The networks that service addresses come from: those configured, and every ServiceCIDR that is ready (KEP-1880)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
KIND = ("networking.k8s.io", "servicecidrs")
LEAST_PREFIX = {4: 12, 6: 64}
"""Of a configured network, as upstream has it."""


def parse(text: str) -> tuple[Network, ...]:
    """The networks of `--service-cluster-ip-range`: one, or one of each family with a comma, the services' own first.
    Raises ValueError in upstream's words."""
    found = tuple(ipaddress.ip_network(each.strip()) for each in text.split(","))
    if len(found) > 2:
        raise ValueError("must not contain more than two entries")
    if len({network.version for network in found}) < len(found):
        raise ValueError("the two networks must be of different IP families")
    for network in found:
        least = LEAST_PREFIX[network.version]
        if network.prefixlen < least:
            bits = network.max_prefixlen
            raise ValueError(f"{network} is too large; for {bits}-bit addresses, the mask must be >= {least}")
    return found


class Networks:
    """Reads the ServiceCIDRs from the watch cache; those of families that the cluster has not are left aside."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._configured = {f"IPv{network.version}": network for network in server.config.service_networks}
        self.families = tuple(self._configured)
        """Those that services may be of, the default first."""

    def usable(self, family: str) -> list[Network]:
        """Where addresses of a family may be given out now, the configured network first."""
        configured = self._configured[family]
        found = [configured]
        for entry in self._server.cache.resource(*KIND).list(None):
            cidr = self._server.decoded(entry)
            if cidr.metadata.deletionTimestamp is None and _is_ready(cidr):
                found += [one for one in _networks(cidr, configured.version) if one not in found]
        return found

    def holding(self, address: Any) -> bool:
        """Whether an address may be asked for by name."""
        usable = self.usable(f"IPv{address.version}")
        return any(address in network and _is_host(network, int(address)) for network in usable)


def _is_ready(cidr: Any) -> bool:
    conditions = (cidr.status and cidr.status.conditions) or ()
    return any(one.type == "Ready" and one.status == "True" for one in conditions)


def _networks(cidr: Any, version: int) -> list[Network]:
    made = [ipaddress.ip_network(text, strict=False) for text in cidr.spec.cidrs or ()]
    return [network for network in made if network.version == version]


def _is_host(network: Network, number: int) -> bool:
    """Neither the network's own address nor, for IPv4, its broadcast address."""
    last = int(network.broadcast_address)
    return int(network.network_address) < number and (number < last or network.version == 6)
