"""How large pods' packets may be: as large as the nodes' network carries, less what a tunnel adds.

Where only some ways are tunnels (`auto`) pods are told of the whole: the node itself answers what does not fit into the
tunnel with the size that does (RFC 1191), and no foreign router has to.
"""

from __future__ import annotations

import ipaddress

from sampan.network.routes import direct, vxlan, wireguard
from sampan.network.routes.kernel import Kernel

OVERHEADS = {"vxlan": vxlan.OVERHEAD, "wireguard": wireguard.OVERHEAD}


def pod_mtu(mode: str, node_address: str) -> int:
    """In bytes, on this node."""
    kernel = Kernel()
    try:
        whole = kernel.underlay_mtu(node_address)
    finally:
        kernel.close()
    return reduced(mode, node_address, whole)


def reduced(mode: str, node_address: str, whole: int) -> int:
    """What of `whole` is left. Loopback carries more than any network will: then the least that Ethernet has."""
    version = ipaddress.ip_address(node_address).version
    return min(whole, LARGEST) - OVERHEADS.get(mode, {}).get(version, direct.OVERHEAD)


LARGEST = 9000
