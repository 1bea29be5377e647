"""Pods' packets go to the other node encrypted, each node by a key of its own (WireGuard).

A node's public key is in an annotation of its Node, which only its kubelet may change (NodeRestriction); the private
one is in a file that only root may read, and never leaves the machine.
"""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from sampan.network.netlink.wireguard import KEY_BYTES
from sampan.network.routes.entries import Encrypted, Entry, Route
from sampan.network.routes.peers import Peer

DEVICE = "sampan-wg"
PORT = 51821
OVERHEAD = {4: 60, 6: 80}
"""Bytes that each packet grows by, by the version of the nodes' addresses."""


class WireGuardEnd(NamedTuple):
    """This node's end of the tunnels."""

    name: str
    key: bytes
    port: int
    mtu: int


def entries(peer: Peer) -> frozenset[Entry]:
    """None for a node that has told no key yet."""
    if not peer.key:
        return frozenset()
    routes = {Route(cidr, "", DEVICE) for cidr in peer.ranges}
    return frozenset({Encrypted(peer.key, peer.addresses[0], PORT, tuple(sorted(peer.ranges)), DEVICE), *routes})


def end(key: bytes, mtu: int) -> WireGuardEnd:
    return WireGuardEnd(name=DEVICE, key=key, port=PORT, mtu=mtu)


def private_key(file: Path) -> bytes:
    """What is in the file, made where there is none. Raises OSError and ValueError."""
    try:
        with file.open("rb") as known:
            return checked(known.read())
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = X25519PrivateKey.generate().private_bytes_raw()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
            new.write(base64.b64encode(made))
        return made


def public_key(private: bytes) -> str:
    """As the annotation has it: base64."""
    return base64.b64encode(X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()).decode()


def checked(text: bytes) -> bytes:
    key = base64.b64decode(text.strip(), validate=True)
    if len(key) != KEY_BYTES:
        raise ValueError(f"a WireGuard key has {KEY_BYTES} bytes, not {len(key)}")
    return key
