"""Whether a node still has the address by which the others know it: a lease may end, a person may take it away."""

from __future__ import annotations

from collections.abc import Callable

from sampan.network.netlink import link
from sampan.network.netlink.channel import Channel

GONE = (
    "this machine has no longer the address {address}, by which others know it, so that they reach none of its pods: "
    "give it back, or take the node out (`sampan down`) and in again with --node-ip and one of those that `ip address` "
    "shows"
)
AGAIN_LOOKS = 12
"""After so many looks it is said again: the API may have been out of reach, being asked from the address that went."""
BACK = "this machine has the address {address} again, by which others know it"


def is_here(address: str) -> bool:
    """Raises OSError."""
    channel = Channel()
    try:
        return bool(link.holder(channel, address))
    finally:
        channel.close()


class OwnAddress:
    """`here` tells whether this machine has an address."""

    def __init__(self, address: str, here: Callable[[str], bool] = is_here) -> None:
        self._address = address
        self._here = here
        self._held = True
        self._silent = 0

    def look(self) -> tuple[bool, str] | None:
        """Whether it is there and what to say of it, None for nothing new. Raises OSError."""
        held = self._here(self._address)
        self._silent += 1
        if held == self._held and (held or self._silent < AGAIN_LOOKS):
            return None
        self._held, self._silent = held, 0
        return held, (BACK if held else GONE).format(address=self._address)
