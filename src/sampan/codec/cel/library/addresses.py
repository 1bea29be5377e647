"""`ip()` and `cidr()`: addresses and networks. Zones, and IPv4 addresses written as IPv6, are refused."""

from __future__ import annotations

import ipaddress
from functools import cache
from typing import Any

from sampan.codec.cel.library.function import Function, asked
from sampan.codec.cel.messages import Messages

IP, CIDR = "net.IP", "net.CIDR"
TYPES = {"IP": {"text": "string"}, "CIDR": {"text": "string"}}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface = ipaddress.IPv4Interface | ipaddress.IPv6Interface
BROADCAST = ipaddress.ip_address("255.255.255.255")
LOCAL_GROUPS = ipaddress.ip_network("224.0.0.0/24")


@cache
def values() -> Messages:
    """Makes values of these types."""
    return Messages("net", TYPES)


def address(text: str) -> Address:
    found = ipaddress.ip_address(text)
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id is not None or found.ipv4_mapped is not None):
        raise ValueError("an address with a zone, or an IPv4 address written as IPv6, is not allowed")
    return found


def interface(text: str) -> Interface:
    host, slash, length = text.partition("/")
    address(host)
    if not slash or not length.isdigit() or (length.startswith("0") and length != "0"):
        raise ValueError("want an address, a slash and the length of the prefix")
    return ipaddress.ip_interface(text)


def ip(text: str) -> Any:
    return values().build("IP", {"text": str(address(text))})


def cidr(text: str) -> Any:
    return values().build("CIDR", {"text": str(interface(text))})


def is_canonical(text: str) -> bool:
    return str(address(text)) == text


def is_global_unicast(given: Any) -> bool:
    """As Go's: private addresses are."""
    found = address(given.text)
    other = found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local
    return not other and found != BROADCAST


def is_link_local_multicast(given: Any) -> bool:
    found = address(given.text)
    if isinstance(found, ipaddress.IPv4Address):
        return found in LOCAL_GROUPS
    return found.packed[0] == 0xFF and found.packed[1] & 0x0F == 0x02


def contains_ip(given: Any, other: Any) -> bool:
    return address(_text(other)) in interface(given.text).network


def contains_cidr(given: Any, other: Any) -> bool:
    network, inner = interface(given.text).network, interface(_text(other)).network
    return network.version == inner.version and inner.subnet_of(network)  # type: ignore[arg-type]


def _text(other: Any) -> str:
    return other if isinstance(other, str) else str(other.text)


FUNCTIONS = (
    Function("ip", IP, ("string",), ip, member=False),
    Function("isIP", "bool", ("string",), asked(address), member=False),
    Function("ip.isCanonical", "bool", ("string",), is_canonical, member=False),
    Function("string", "string", (IP,), _text, member=False, also=True),
    Function("family", "int", (IP,), lambda given: address(given.text).version),
    Function("isUnspecified", "bool", (IP,), lambda given: address(given.text).is_unspecified),
    Function("isLoopback", "bool", (IP,), lambda given: address(given.text).is_loopback),
    Function("isLinkLocalMulticast", "bool", (IP,), is_link_local_multicast),
    Function("isLinkLocalUnicast", "bool", (IP,), lambda given: address(given.text).is_link_local),
    Function("isGlobalUnicast", "bool", (IP,), is_global_unicast),
    Function("cidr", CIDR, ("string",), cidr, member=False),
    Function("isCIDR", "bool", ("string",), asked(interface), member=False),
    Function("containsIP", "bool", (CIDR, IP), contains_ip),
    Function("containsIP", "bool", (CIDR, "string"), contains_ip),
    Function("containsCIDR", "bool", (CIDR, CIDR), contains_cidr),
    Function("containsCIDR", "bool", (CIDR, "string"), contains_cidr),
    Function("ip", IP, (CIDR,), lambda given: ip(given.text.partition("/")[0])),
    Function("masked", CIDR, (CIDR,), lambda given: cidr(str(interface(given.text).network))),
    Function("prefixLength", "int", (CIDR,), lambda given: interface(given.text).network.prefixlen),
)
