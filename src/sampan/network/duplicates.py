"""IPv6 from a pod's first packet.

Before it uses an address the kernel asks for a second whether somebody else has it (duplicate address detection, RFC
4862, section 5.4), and until then answers nobody who looks for it. At the node's end of a pod's cable there is nobody
who could: there the addresses are taken away and given again as ones to be used at once. The pod's own end the CNI
plugin awaits.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterable

from sampan.aio.clock import Clock
from sampan.network.netlink import link, route
from sampan.network.netlink.channel import Channel

log = logging.getLogger(__name__)
LOOKS, LOOK_SECONDS = 50, 0.002


async def use_at_once(pod: Iterable[str], clock: Clock) -> None:
    """Given a pod's addresses; without IPv6 among them nothing is done. Returns when the kernel has taken the node's
    end's into use, which it does by and by. A failure costs that second."""
    address = next((each for each in pod if ipaddress.ip_address(each).version == 6), None)
    if address is None:
        return
    channel = Channel()
    try:
        index = route.way(channel, address).device
        given = link.tentative(channel, index)
        for each in given:
            link.give_again(channel, index, each)
        await _taken_up(channel, given, clock)
    except OSError as error:
        log.warning("a pod's first packets by IPv6 may be lost address=%s error=%s", address, error)
    finally:
        channel.close()


async def _taken_up(channel: Channel, given: Iterable[str], clock: Clock) -> None:
    """Packets to an address that is not yet the kernel's own would go out again, and be lost."""
    addresses = [address for address in map(ipaddress.ip_interface, given) if not address.is_link_local]
    for _ in range(LOOKS):
        if all(route.is_own(channel, str(address.ip)) for address in addresses):
            return
        await clock.sleep(LOOK_SECONDS)
