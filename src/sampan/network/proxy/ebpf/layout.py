"""How the maps' keys and values lie in memory, for the programs and for who fills the maps. Pure.

An address has 4 or 16 bytes, in network order, and so has a port its two.

    services   address, port, protocol, 0          -> number of endpoints, identifier    (4 bytes each)
    endpoints  identifier, number                  -> address, port, 0 (2 bytes)
    members    services' key, endpoints' value     -> 1      that endpoint belongs to that service (UDP)
    flows      socket cookie (8), services' key    -> endpoints' value     where a socket's datagrams go
    reverse    socket cookie (8), endpoints' value -> services' key        whom its answers seem to come from
"""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from typing import NamedTuple

from sampan.network.proxy.model import Endpoint
from sampan.network.proxy.settings import IPV6, Family

HASH, LRU_HASH = 1, 9
NOT_PREALLOCATED = 1
PROTOCOLS = {"tcp": socket.IPPROTO_TCP, "udp": socket.IPPROTO_UDP}


class MapForm(NamedTuple):
    """A map as it is made."""

    name: str
    kind: int
    key: int
    value: int
    capacity: int
    flags: int


@dataclass(frozen=True, slots=True)
class Layout:
    """What differs between the families: bytes of an address, where it is in the programs' context, attach types."""

    family: Family

    @property
    def address(self) -> int:
        return 16 if self.family is IPV6 else 4

    @property
    def place(self) -> int:
        """Bytes of an address with its port and two more."""
        return self.address + 4

    @property
    def digit(self) -> str:
        return "6" if self.family is IPV6 else "4"

    def maps(self) -> tuple[MapForm, ...]:
        place, many = self.place, 1 << 20
        return (
            MapForm("services", HASH, place, 8, 1 << 18, NOT_PREALLOCATED),
            MapForm("endpoints", HASH, 8, place, many, NOT_PREALLOCATED),
            MapForm("members", HASH, 2 * place, 4, many, NOT_PREALLOCATED),
            MapForm("flows", LRU_HASH, 8 + place, place, 1 << 15, 0),
            MapForm("reverse", LRU_HASH, 8 + place, place, 1 << 15, 0),
        )

    def service_key(self, address: str, port: int, protocol: str) -> bytes:
        return self._packed(address) + struct.pack(">HBB", port, PROTOCOLS[protocol], 0)

    def endpoint_value(self, endpoint: Endpoint) -> bytes:
        return self._packed(endpoint.address) + struct.pack(">HH", endpoint.port, 0)

    def _packed(self, address: str) -> bytes:
        return socket.inet_pton(socket.AF_INET6 if self.family is IPV6 else socket.AF_INET, address)


KEPT = ("flows", "reverse")
"""The maps that the kernel fills, which a new proxy takes over."""
