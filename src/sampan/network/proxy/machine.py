"""What service rules of every kind need of the machine: a way to service addresses, and a loopback that is routed."""

from __future__ import annotations

from sampan.network import hostroute, sysctl
from sampan.network.proxy.settings import Settings

ROUTE_LOCALNET = "net.ipv4.conf.all.route_localnet"
"""Without it packets of 127.0.0.0/8 are not routed, and node ports on 127.0.0.1 go nowhere."""


async def prepare(settings: Settings) -> None:
    """Once the rules are there, which guard the loopback. Raises OSError with what to do."""
    if settings.opens_loopback:
        sysctl.ensure(ROUTE_LOCALNET, "1")
    await hostroute.ensure(settings.service_cidr)


async def restore(settings: Settings) -> None:
    """Before or after the rules go, for tear-down; not when others take their place."""
    await hostroute.remove()
    if settings.opens_loopback:
        sysctl.ensure(ROUTE_LOCALNET, "0")
