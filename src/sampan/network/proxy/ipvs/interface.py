"""The interface `kube-ipvs0`, which has the services' addresses, so that the kernel takes their packets in."""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterable

from sampan.network.errors import Unusable
from sampan.network.netlink import link
from sampan.network.netlink.channel import Channel
from sampan.network.proxy.settings import Family, of_family

NAME, KIND, MTU = "kube-ipvs0", "dummy", 1500
LOOPBACK = "lo"


class Interface:
    """In the network namespace of the first question. Raises OSError, Unusable where there can be no such interface."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._opened: Channel | None = None

    def exists(self) -> bool:
        return NAME in self._names().values()

    def ensure(self) -> None:
        if self.exists():
            return
        try:
            link.add_plain(self._channel, NAME, KIND, MTU)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                raise Unusable(
                    f"cannot make the interface {NAME}: modprobe dummy, or use proxy mode nftables"
                ) from None
            raise

    def addresses(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The machine's own addresses that others can use, and the interface's."""
        names, nodes, bound = self._names(), [], []
        for address, index in link.addresses(self._channel):
            name = names.get(index, LOOPBACK)
            if name == NAME:
                bound.append(address)
            elif name != LOOPBACK:
                nodes.append(address)
        return tuple(one for one in self._own(nodes) if not ipaddress.ip_address(one).is_link_local), self._own(bound)

    def bind(self, addresses: Iterable[str]) -> None:
        index = self._index()
        for address in addresses:
            link.add_address(self._channel, index, address)

    def release(self, addresses: Iterable[str]) -> None:
        """One that is gone is no error."""
        index = self._index()
        for address in addresses:
            try:
                link.delete_address(self._channel, index, address)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise

    def remove(self) -> None:
        """With this family's addresses; the other family's keep it."""
        self.release(self.addresses()[1])
        index = self._index()
        if all(holder != index for _, holder in link.addresses(self._channel)):
            link.delete(self._channel, index)

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
        self._opened = None

    @property
    def _channel(self) -> Channel:
        if self._opened is None:
            self._opened = Channel()
        return self._opened

    def _names(self) -> dict[int, str]:
        return {each.number: each.name for each in link.links(self._channel)}

    def _index(self) -> int:
        index = next((number for number, name in self._names().items() if name == NAME), 0)
        if not index:
            raise OSError(errno.ENODEV, f"the interface {NAME} is gone")
        return index

    def _own(self, addresses: list[str]) -> tuple[str, ...]:
        return of_family(self._family, addresses)
