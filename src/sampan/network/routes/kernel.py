"""The kernel's routes made to hold what they should, an entry at a time."""

from __future__ import annotations

import errno
import socket

from sampan.network.netlink import route
from sampan.network.netlink.channel import Channel
from sampan.network.netlink.route import Route

GONE = (errno.ESRCH, errno.ENOENT)


class Kernel:
    """Of the network namespace in which it was made."""

    def __init__(self) -> None:
        self._channel = Channel()

    def close(self) -> None:
        self._channel.close()

    def held(self) -> set[Route]:
        """What is there of ours, the device left open."""
        families = (socket.AF_INET, socket.AF_INET6)
        found = (entry for family in families for entry in route.ours(self._channel, family))
        return {entry._replace(device=0, on_link=False) for entry in found}

    def add(self, entry: Route) -> None:
        """Raises OSError."""
        route.add(self._channel, entry)

    def delete(self, entry: Route) -> None:
        """One that is gone is no error."""
        try:
            route.delete(self._channel, entry)
        except OSError as error:
            if error.errno not in GONE:
                raise


def remove() -> None:
    """Deletes all routes of ours."""
    kernel = Kernel()
    try:
        for entry in kernel.held():
            kernel.delete(entry)
    finally:
        kernel.close()
