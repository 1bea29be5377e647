"""A way for the node itself to service addresses.

A packet of a local process is routed before it is translated, so on a machine without a default route connecting to a
service fails at once with "network unreachable". Such a machine gets a route for the service network to the loopback
device: translation then routes the packet anew.
"""

from __future__ import annotations

import ipaddress
import logging

from sampan.network.command import Missing, run

log = logging.getLogger(__name__)
PROTOCOL = "83"
"""Marks the route as ours (`ip route show proto 83`)."""


async def ensure(service_cidr: str) -> None:
    """Adds the route when there is none that covers `service_cidr`; a failure is logged, for pods need it not."""
    if not service_cidr:
        return
    try:
        somewhere = str(ipaddress.ip_network(service_cidr)[-2])
        known = await run(("ip", "route", "get", somewhere))
        if known.code:
            added = await run(("ip", "route", "add", service_cidr, "dev", "lo", "proto", PROTOCOL))
            log.info("route for the service network cidr=%s result=%s", service_cidr, added.code or "added")
    except Missing as error:
        log.warning("cannot see whether service addresses have a route error=%s", error)


async def remove() -> None:
    """Deletes the route if we made one."""
    try:
        await run(("ip", "route", "flush", "proto", PROTOCOL))
    except Missing:
        return
