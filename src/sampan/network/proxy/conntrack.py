"""Deletes stale flows through the `conntrack` program. Without it, rules still work and this says so once."""

from __future__ import annotations

import logging

from sampan.network.command import Missing, run
from sampan.network.proxy import flows

log = logging.getLogger(__name__)


async def forget_unanswered(addresses: set[str]) -> None:
    """Deletes the TCP connections that were sent to `addresses` and not answered yet: the client's kernel, which asks
    again after a second, is then led to another endpoint."""
    try:
        listing = await run(("conntrack", "-L", "-p", "tcp", "--state", "SYN_SENT"))
        lost = [flow for flow in flows.parse(listing.output) if flow.answerer in addresses]
        for flow in lost:
            await run(("conntrack", *flows.delete_arguments(flow, "tcp")))
    except Missing as error:
        log.warning("connections on their way to unreachable nodes stay error=%s", error)
        return
    log.info("connections on their way to unreachable nodes begin anew count=%d", len(lost))


class FlowCleaner:
    def __init__(self) -> None:
        self._missing = False
        self._deleted = 0

    async def clean(self, frontends: flows.Frontends) -> None:
        """Deletes the UDP flows through `frontends` that end at none of their endpoints."""
        if not frontends or self._missing:
            return
        try:
            listing = await run(("conntrack", "-L", "-p", "udp"))
            stale = flows.stale(flows.parse(listing.output), frontends, await self._local_addresses(frontends))
            for flow in stale:
                await run(("conntrack", *flows.delete_arguments(flow)))
        except Missing as error:
            self._missing = True
            log.warning("stale UDP flows will not be cleaned error=%s", error)
            return
        self._deleted += len(stale)
        if stale:
            log.info("deleted stale UDP flows count=%d", len(stale))

    def statistics(self) -> dict[str, int]:
        return {"deletedFlows": self._deleted}

    async def _local_addresses(self, frontends: flows.Frontends) -> set[str]:
        if not any(address == "" for address, _ in frontends):
            return set()
        listing = await run(("ip", "-o", "addr", "show"))
        return {line.split()[3].partition("/")[0] for line in listing.output.splitlines()}
