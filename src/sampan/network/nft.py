"""nftables, asked and told: transactions through `nft -f -`, and the generation number of the kernel's rule set.

The generation grows with every transaction of anybody. Reading it is one netlink message, so that whether somebody
else has been at the rules can be asked every second at no cost.
Source: linux/netfilter/nf_tables.h (NFT_MSG_GETGEN), nft(8).
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

from sampan.network.command import Missing, run
from sampan.network.errors import RefusedByKernel, Unusable

NETLINK_NETFILTER = 12
GETGEN = 10 << 8 | 16
NLM_F_REQUEST = 1
GENERATION_ATTRIBUTE = 1


async def apply(text: str) -> None:
    """One atomic transaction. Raises RefusedByKernel with nft's words, Unusable when the machine cannot at all."""
    result = await _nft("-f", "-", text=text)
    if result.code:
        if "Operation not permitted" in result.errors:
            raise Unusable("nft may not change firewall rules: run as root (CAP_NET_ADMIN)")
        if "Operation not supported" in result.errors or "Protocol not supported" in result.errors:
            raise Unusable(f"this kernel lacks a part of nf_tables: {result.complaint}")
        raise RefusedByKernel(result.complaint)


async def listing(*what: str) -> list[dict[str, Any]]:
    """`nft -t -j list ...`, elements left out unless a map is asked for; [] when there is no such thing."""
    terse = () if what[0] == "map" else ("-t",)
    result = await _nft(*terse, "-j", "list", *what)
    return json.loads(result.output)["nftables"] if result.code == 0 and result.output else []


def generation() -> int:
    """The number of the current rule set of this network namespace; raises OSError."""
    header = struct.pack("=IHHII", 20, GETGEN, NLM_F_REQUEST, 1, 0) + struct.pack("=BBH", socket.AF_UNSPEC, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.settimeout(1.0)
        netlink.send(header)
        return _generation_in(netlink.recv(4096))


def _generation_in(message: bytes) -> int:
    length = min(struct.unpack_from("=I", message)[0], len(message))
    offset = 20
    while offset + 4 <= length:
        size, kind = struct.unpack_from("=HH", message, offset)
        if kind & 0x3FFF == GENERATION_ATTRIBUTE:
            return int(struct.unpack_from(">I", message, offset + 4)[0])
        offset += max((size + 3) & ~3, 4)
    raise OSError("the kernel did not tell its rule set's generation")


async def _nft(*arguments: str, text: str = "") -> Any:
    try:
        return await run(("nft", *arguments), text)
    except Missing as error:
        raise Unusable(str(error)) from None
