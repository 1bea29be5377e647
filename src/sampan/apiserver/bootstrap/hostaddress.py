"""The address to tell others, when the one listened on is of no use to them."""

from __future__ import annotations

import ipaddress
import socket


def advertised(wanted: str, bound: str) -> str:
    """What was asked for, else the address listened on, else, where no other machine can reach that, the one that this
    machine would send from (as upstream's `--advertise-address`). May still be a loopback address.
    """
    if wanted:
        return wanted
    address = ipaddress.ip_address(bound)
    if not (address.is_loopback or address.is_unspecified):
        return bound
    return outgoing() or "127.0.0.1"


def outgoing() -> str:
    """The source address of this machine's default route, "" when it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])
