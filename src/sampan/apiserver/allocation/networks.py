"""The networks that service addresses come from: the configured one, and every ServiceCIDR that is ready (KEP-1880)."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
KIND = ("networking.k8s.io", "servicecidrs")


class Networks:
    """Reads the ServiceCIDRs from the watch cache; those of another family than the cluster's are left aside."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.configured: Network = server.config.service_network

    def usable(self) -> list[Network]:
        """Where addresses may be given out now, the configured network first."""
        found = [self.configured]
        for entry in self._server.cache.resource(*KIND).list(None):
            cidr = self._server.decoded(entry)
            if cidr.metadata.deletionTimestamp is None and _is_ready(cidr):
                found += [one for one in _networks(cidr, self.configured.version) if one not in found]
        return found

    def holding(self, address: Any) -> bool:
        """Whether an address may be asked for by name."""
        return any(address in network and _is_host(network, int(address)) for network in self.usable())


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
