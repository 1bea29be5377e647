"""The kernel's tables made to hold what they should, an entry at a time; and this node's end of the tunnels."""

from __future__ import annotations

import base64
import errno
import socket
from collections.abc import Callable
from typing import Any

from sampan.network.netlink import link, neighbour, route
from sampan.network.netlink.channel import Channel
from sampan.network.netlink.link import Link, Vxlan
from sampan.network.netlink.wireguard import Peer, WireGuard
from sampan.network.routes import vxlan, wireguard
from sampan.network.routes.entries import Encrypted, Entry, Forward, Neighbour, Route
from sampan.network.routes.wireguard import WireGuardEnd

GONE = (errno.ESRCH, errno.ENOENT)
FAMILIES = (socket.AF_INET, socket.AF_INET6)
DEFAULT_MTU = 1500
DEVICES = (vxlan.DEVICE, wireguard.DEVICE)


class Kernel:
    """Of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._channel = Channel()
        self._wireguard = WireGuard()
        self._devices: dict[str, int] = {}

    def close(self) -> None:
        self._channel.close()
        self._wireguard.close()

    def held(self) -> set[Entry]:
        """What is there of ours."""
        self._devices = {each.name: each.number for each in link.links(self._channel) if each.name in DEVICES}
        names = {index: name for name, index in self._devices.items()}
        found: set[Entry] = set()
        for family in FAMILIES:
            for way in route.ours(self._channel, family):
                found.add(Route(way.destination, way.gateway, names.get(way.device, "")))
        if wireguard.DEVICE in self._devices:
            found |= set(map(_encrypted, self._wireguard.peers(wireguard.DEVICE)))
        for name, index in self._devices.items():
            found |= {Forward(f.hardware, f.remote, name) for f in neighbour.forwards(self._channel, index)}
            for family in FAMILIES:
                near = neighbour.neighbours(self._channel, family, index)
                found |= {Neighbour(n.address, n.hardware, name) for n in near}
        return found

    def add(self, entry: Entry) -> None:
        """Replaces what is there for the same destination. Raises OSError."""
        if isinstance(entry, Encrypted):
            self._wireguard.add(entry.device, _peer(entry))
        else:
            ADD[type(entry)](self._channel, self._numbered(entry))

    def delete(self, entry: Entry) -> None:
        """One that is gone is no error."""
        try:
            if isinstance(entry, Encrypted):
                self._wireguard.delete(entry.device, _peer(entry))
            else:
                DELETE[type(entry)](self._channel, self._numbered(entry))
        except OSError as error:
            if error.errno not in GONE:
                raise

    def near(self, address: str) -> bool:
        """Whether that node is on a network that this one is on."""
        try:
            return not route.way(self._channel, address).gateway
        except OSError:
            return False

    def link_local(self, address: str) -> str:
        """This node's link-local address of IPv6 on the network of that address; "" when it has none in use."""
        try:
            device = route.way(self._channel, address).device
            unused = {text.partition("/")[0] for text in link.tentative(self._channel, device)}
            here = [text for text, index in link.addresses(self._channel) if index == device and text not in unused]
        except OSError:
            return ""
        return next((text for text in here if text.startswith("fe80:")), "")

    def underlay_mtu(self, address: str) -> int:
        """Of the interface that has this address of ours."""
        index = link.holder(self._channel, address)
        return next((each.mtu for each in link.links(self._channel) if each.number == index), DEFAULT_MTU)

    def ensure(self, wanted: Vxlan, addresses: list[str]) -> None:
        """Makes the tunnel's end, anew where it is another's or begins elsewhere. Raises OSError."""
        found = self._link(wanted.name)
        if found is not None and (found.kind, found.local, found.hardware) != ("vxlan", wanted.local, wanted.hardware):
            link.delete(self._channel, found.number)
            found = None
        if found is None:
            link.add(self._channel, wanted)
            found = self._link(wanted.name)
        if found is None:
            raise OSError(errno.ENODEV, f"{wanted.name} is gone again")
        self._take_into_use(found.number, wanted, addresses)

    def ensure_encrypted(self, wanted: WireGuardEnd, addresses: list[str]) -> None:
        """The same for WireGuard's end. Raises OSError: 95 (EOPNOTSUPP) where the kernel has none.

        Without an address of this node's range the node's own packets would be no peer's, and dropped over there.
        """
        if self._link(wanted.name) is None:
            link.add_plain(self._channel, wanted.name, "wireguard", wanted.mtu)
        found = self._link(wanted.name)
        if found is None:
            raise OSError(errno.ENODEV, f"{wanted.name} is gone again")
        self._wireguard.configure(wanted.name, wanted.key, wanted.port)
        self._take_into_use(found.number, wanted, addresses)

    def _take_into_use(self, index: int, wanted: Vxlan | WireGuardEnd, addresses: list[str]) -> None:
        link.set_up(self._channel, index, wanted.mtu)
        for address in addresses:
            link.add_address(self._channel, index, address)
        self._devices[wanted.name] = index

    def discard(self, name: str) -> None:
        """Removes an interface of ours, with all that hangs on it; none there is no error."""
        self._devices.pop(name, None)
        if (found := self._link(name)) is not None:
            link.delete(self._channel, found.number)

    def _link(self, name: str) -> Link | None:
        return next((each for each in link.links(self._channel) if each.name == name), None)

    def _numbered(self, entry: Route | Neighbour | Forward) -> Any:
        """The same by the interface's number; raises OSError when there is no such interface."""
        if entry.device and entry.device not in self._devices:
            raise OSError(errno.ENODEV, f"there is no interface {entry.device}")
        index = self._devices.get(entry.device, 0)
        if isinstance(entry, Route):
            return route.Route(entry.destination, entry.gateway, index, on_link=bool(index and entry.gateway))
        if isinstance(entry, Neighbour):
            return neighbour.Neighbour(entry.address, entry.hardware, index)
        return neighbour.Forward(entry.hardware, entry.remote, index)


ADD: dict[type[Entry], Callable[[Channel, Any], None]] = {
    Route: route.add,
    Neighbour: neighbour.add_neighbour,
    Forward: neighbour.add_forward,
}
DELETE: dict[type[Entry], Callable[[Channel, Any], None]] = {
    Route: route.delete,
    Neighbour: neighbour.delete_neighbour,
    Forward: neighbour.delete_forward,
}


def _peer(entry: Encrypted) -> Peer:
    return Peer(base64.b64decode(entry.key), entry.remote, entry.port, entry.allowed)


def _encrypted(peer: Peer) -> Encrypted:
    key = base64.b64encode(peer.key).decode()
    return Encrypted(key, peer.endpoint, peer.port, peer.allowed, wireguard.DEVICE)


def near(address: str) -> bool:
    """Whether that address is on a network that this node is on."""
    kernel = Kernel()
    try:
        return kernel.near(address)
    finally:
        kernel.close()


def link_local(address: str) -> str:
    """This node's link-local address of IPv6 on the network of that address; "" when it has none."""
    kernel = Kernel()
    try:
        return kernel.link_local(address)
    finally:
        kernel.close()


def remove() -> None:
    """Deletes all routes and tunnels of ours."""
    kernel = Kernel()
    try:
        for entry in kernel.held():
            if isinstance(entry, Route):
                kernel.delete(entry)
        for name in DEVICES:
            kernel.discard(name)
    finally:
        kernel.close()
