"""Where a proxied request may go at all: global unicast addresses, so neither the server's own machine by its loopback
nor link-local services such as a cloud's metadata.
Pure; `resolver` holds names against it when they are resolved.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sampan.api.errors import BadRequest

NOT_ALLOWED = "address not allowed"
BROADCAST = ipaddress.ip_address("255.255.255.255")


def is_allowed(text: str) -> bool:
    """Whether `text` is an address (IPv4, IPv6) that may be proxied to. An IPv4 address within IPv6 counts as such."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    refused = address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
    return not refused and address != BROADCAST


def is_literal(host: str) -> bool:
    """Whether a host is an address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def check(host: str) -> None:
    """Raises BadRequest for an address that is not allowed; names are looked at when they are resolved."""
    if not host or (is_literal(host) and not is_allowed(host)):
        raise BadRequest(NOT_ALLOWED)


def checked(host: Any) -> str:
    """The host as text, after `check`."""
    check(host or "")
    return str(host)
