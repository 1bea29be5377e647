"""Deletes stale flows. The `conntrack` program lists them; without it, rules still work and this says so once.

They are deleted over netlink: the program looks through everything that is tracked for each of them, and a name server
has thousands of clients.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Iterable

from sampan.aio.clock import Clock, SystemClock
from sampan.network.command import Missing, run
from sampan.network.netlink.channel import NETFILTER, Channel
from sampan.network.proxy import flows

log = logging.getLogger(__name__)
DELETE = 1 << 8 | 2
IN_ONE_GO = 200
"""Flows deleted before others get their turn: a few milliseconds."""


async def forget_unanswered(addresses: set[str]) -> None:
    """Deletes the TCP connections that were sent to `addresses` and not answered yet: the client's kernel, which asks
    again after a second, is then led to another endpoint."""
    try:
        listing = await run(("conntrack", "-L", "-p", "tcp", "--state", "SYN_SENT"))
        lost = [flow for flow in flows.parse(listing.output) if flow.answerer in addresses]
        await _delete(lost, "tcp")
    except Missing as error:
        log.warning("connections on their way to unreachable nodes stay error=%s", error)
        return
    log.info("connections on their way to unreachable nodes begin anew count=%d", len(lost))


async def _delete(found: Iterable[flows.Flow], protocol: str) -> None:
    """One that has ended by itself is no error."""
    channel = Channel(NETFILTER)
    try:
        for number, flow in enumerate(found, 1):
            try:
                channel.tell(DELETE, flows.deletion(flow, protocol))
            except OSError as error:
                if error.errno != errno.ENOENT:
                    raise
            if number % IN_ONE_GO == 0:
                await asyncio.sleep(0)
    finally:
        channel.close()


class FlowCleaner:
    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._missing = False
        self._deleted = 0
        self._cleanings = 0
        self._seconds = 0.0

    async def clean(self, frontends: flows.Frontends) -> None:
        """Deletes the UDP flows through `frontends` that end at none of their endpoints."""
        if not frontends or self._missing:
            return
        began = self._clock.monotonic()
        try:
            listing = await run(("conntrack", "-L", "-p", "udp"))
            stale = flows.stale(flows.parse(listing.output), frontends, await self._local_addresses(frontends))
            await _delete(stale, "udp")
        except Missing as error:
            self._missing = True
            log.warning("stale UDP flows will not be cleaned error=%s", error)
            return
        self._deleted += len(stale)
        self._cleanings += 1
        self._seconds = self._clock.monotonic() - began
        if stale:
            log.info("deleted stale UDP flows count=%d", len(stale))

    def statistics(self) -> dict[str, float]:
        """`flowCleaningSeconds`: what the last one took."""
        return {
            "deletedFlows": self._deleted,
            "flowCleanings": self._cleanings,
            "flowCleaningSeconds": round(self._seconds, 6),
        }

    async def _local_addresses(self, frontends: flows.Frontends) -> set[str]:
        if not any(address == "" for address, _ in frontends):
            return set()
        listing = await run(("ip", "-o", "addr", "show"))
        return {line.split()[3].partition("/")[0] for line in listing.output.splitlines()}
