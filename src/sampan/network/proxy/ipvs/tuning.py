"""What may be chosen of IPVS besides the services."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """`strict_arp`: whether other interfaces keep silent about its addresses; `exclude`: networks whose virtual servers
    are left there when all is written anew or taken away; seconds that a connection is remembered, 0 for the kernel's
    own."""

    scheduler: str = "rr"
    strict_arp: bool = False
    exclude: tuple[str, ...] = ()
    tcp_seconds: int = 0
    tcp_fin_seconds: int = 0
    udp_seconds: int = 0

    def excludes(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        return any(found in ipaddress.ip_network(network) for network in self.exclude)


DEFAULT = Tuning()
