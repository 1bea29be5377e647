"""The rule that notes where a client of IPv6 was sent, as the kernel takes it.

libnftables cannot say it: up to 1.0.6 (Debian 12's), a map's key of more than 16 bytes in an `update` makes it abort,
and this process with it. So the chain is made by nft's text, and its one rule is told to the kernel directly.

The kernel's registers have four bytes each. The key takes ten of the sixteen: client, the address that it asked for,
protocol, the port that it asked for; the value five: the endpoint's address and port.
Source: linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import errno
import os
import struct

from sampan.network.errors import RefusedByKernel
from sampan.network.netlink.channel import NETFILTER, Channel
from sampan.network.netlink.message import APPEND, CREATE, attribute, nested, text

SUBSYSTEM, NEW_RULE = 10, 6
FAMILY = 10
TABLE, CHAIN, EXPRESSIONS = 1, 2, 4
ELEMENT, NAME, DATA = 1, 1, 2
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2
SOURCE, DESTINATION, ADDRESS_BYTES = 8, 24, 16
"""Where an IPv6 header has its addresses."""
META_PROTOCOL, CT_PORT, CT_ADDRESS, CT_ORIGINAL = 16, 12, 22, 0
SET, OPERATION, KEY, VALUE, TIMEOUT = 1, 3, 4, 5, 6
UPDATE = 1
CLIENT, ASKED, PROTOCOL, PORT, ENDPOINT, ENDPOINT_PORT = 8, 12, 16, 17, 18, 22
"""Registers."""


def rule(table: str, chain: str, map_name: str, seconds: int) -> bytes:
    """The request's body. Pure."""
    expressions = (
        _payload(CLIENT, NETWORK_HEADER, SOURCE, ADDRESS_BYTES),
        _expression("ct", _number(1, ASKED), _number(2, CT_ADDRESS), attribute(3, bytes([CT_ORIGINAL]))),
        _expression("meta", _number(1, PROTOCOL), _number(2, META_PROTOCOL)),
        _expression("ct", _number(1, PORT), _number(2, CT_PORT), attribute(3, bytes([CT_ORIGINAL]))),
        _payload(ENDPOINT, NETWORK_HEADER, DESTINATION, ADDRESS_BYTES),
        _payload(ENDPOINT_PORT, TRANSPORT_HEADER, 2, 2),
        _expression(
            "dynset",
            text(SET, map_name),
            _number(OPERATION, UPDATE),
            _number(KEY, CLIENT),
            _number(VALUE, ENDPOINT),
            attribute(TIMEOUT, struct.pack(">Q", seconds * 1000)),
        ),
    )
    head = struct.pack("=BBH", FAMILY, 0, 0)
    return head + text(TABLE, table) + text(CHAIN, chain) + nested(EXPRESSIONS, *expressions)


class Rememberer:
    """Adds such rules, in the network namespace of the first."""

    def __init__(self) -> None:
        self._opened: Channel | None = None

    def add(self, table: str, chain: str, map_name: str, seconds: int) -> None:
        """To a chain that is there and empty; raises RefusedByKernel."""
        if self._opened is None:
            self._opened = Channel(NETFILTER)
        try:
            self._opened.tell_batch(SUBSYSTEM, NEW_RULE, rule(table, chain, map_name, seconds), CREATE | APPEND)
        except OSError as error:
            reason = os.strerror(error.errno or errno.EIO)
            raise RefusedByKernel(f"clients of {chain} will not be remembered: {reason}") from None

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None


def _payload(register: int, header: int, offset: int, size: int) -> bytes:
    return _expression("payload", _number(1, register), _number(2, header), _number(3, offset), _number(4, size))


def _expression(name: str, *values: bytes) -> bytes:
    return nested(ELEMENT, text(NAME, name), nested(DATA, *values))


def _number(kind: int, value: int) -> bytes:
    """In network order, as all of netfilter's."""
    return attribute(kind, struct.pack(">I", value))
