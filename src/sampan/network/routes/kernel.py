"""The kernel's tables made to hold what they should, an entry at a time; and this node's end of the tunnels."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from typing import Any

from sampan.network.netlink import link, neighbour, route
from sampan.network.netlink.channel import Channel
from sampan.network.netlink.link import Link, Vxlan
from sampan.network.routes import vxlan
from sampan.network.routes.entries import Entry, Forward, Neighbour, Route

GONE = (errno.ESRCH, errno.ENOENT)
FAMILIES = (socket.AF_INET, socket.AF_INET6)
DEFAULT_MTU = 1500


class Kernel:
    """Of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._channel = Channel()
        self._devices: dict[str, int] = {}

    def close(self) -> None:
        self._channel.close()

    def held(self) -> set[Entry]:
        """What is there of ours."""
        self._devices = {each.name: each.number for each in link.links(self._channel) if each.name == vxlan.DEVICE}
        names = {index: name for name, index in self._devices.items()}
        found: set[Entry] = set()
        for family in FAMILIES:
            for way in route.ours(self._channel, family):
                found.add(Route(way.destination, way.gateway, names.get(way.device, "")))
        for name, index in self._devices.items():
            found |= {Forward(f.hardware, f.remote, name) for f in neighbour.forwards(self._channel, index)}
            for family in FAMILIES:
                near = neighbour.neighbours(self._channel, family, index)
                found |= {Neighbour(n.address, n.hardware, name) for n in near}
        return found

    def add(self, entry: Entry) -> None:
        """Replaces what is there for the same destination. Raises OSError."""
        self._tell(ADD[type(entry)], entry)

    def delete(self, entry: Entry) -> None:
        """One that is gone is no error."""
        try:
            self._tell(DELETE[type(entry)], entry)
        except OSError as error:
            if error.errno not in GONE:
                raise

    def near(self, address: str) -> bool:
        """Whether that node is on a network that this one is on."""
        try:
            return not route.way(self._channel, address).gateway
        except OSError:
            return False

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
        link.set_up(self._channel, found.number, wanted.mtu)
        for address in addresses:
            link.add_address(self._channel, found.number, address)
        self._devices[wanted.name] = found.number

    def discard(self, name: str) -> None:
        """Removes an interface of ours, with all that hangs on it; none there is no error."""
        self._devices.pop(name, None)
        if (found := self._link(name)) is not None:
            link.delete(self._channel, found.number)

    def _link(self, name: str) -> Link | None:
        return next((each for each in link.links(self._channel) if each.name == name), None)

    def _tell(self, say: Callable[[Channel, Any], None], entry: Entry) -> None:
        say(self._channel, self._numbered(entry))

    def _numbered(self, entry: Entry) -> Any:
        """The same by the interface's number; raises OSError when there is no such interface."""
        if entry.device and entry.device not in self._devices:
            raise OSError(errno.ENODEV, f"there is no interface {entry.device}")
        index = self._devices.get(entry.device, 0)
        if isinstance(entry, Route):
            return route.Route(entry.destination, entry.gateway, index, on_link=bool(index))
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


def remove() -> None:
    """Deletes all routes and tunnels of ours."""
    kernel = Kernel()
    try:
        for entry in kernel.held():
            if isinstance(entry, Route):
                kernel.delete(entry)
        kernel.discard(vxlan.DEVICE)
    finally:
        kernel.close()
