"""The further nodes' network: the bridge, a namespace for each, and their way out of this machine.

A further node is on one network with this machine, whatever address this machine has as a node: a route says so. What
nodes send to the outside goes as this machine's; nothing else is translated.
"""

from __future__ import annotations

from sampan.cluster.nodes.plan import BRIDGE, Plan
from sampan.cluster.options import Options
from sampan.cluster.switch import interface, ip
from sampan.network import forwarding, nft

TABLE = "ip sampan-nodes"


async def ensure(plan: Plan) -> None:
    """Makes what is missing. Raises ClusterError, RefusedByKernel, Unusable and OSError."""
    if not plan.places and plan.options.node_ip != plan.switch.gateway:
        return
    plan.switch.ensure(place.outlet for place in plan)
    for place in plan:
        ip("-n", place.outlet.namespace, "route", "replace", plan.options.node_ip, "dev", "eth0")
    await nft.apply(masquerade_text(plan.options))
    await forwarding.allow(plan.options.node_cidr)


async def remove(plan: Plan) -> None:
    """Takes all of it away; nothing there is no error."""
    if not interface(BRIDGE):
        return
    plan.switch.remove(place.outlet for place in (*plan, *plan.superfluous()))
    await nft.apply(f"add table {TABLE}\ndelete table {TABLE}\n")
    await forwarding.withdraw(plan.options.node_cidr)


def masquerade_text(options: Options) -> str:
    """nft text for the table that hides further nodes behind this machine outside the cluster."""
    networks = (options.node_cidr, *(cidr for _, cidr in options.networks), options.server_cidr)
    inside = ", ".join(cidr for cidr in dict.fromkeys(networks) if ":" not in cidr)
    return (
        f"table {TABLE} {{\n"
        "  chain postrouting { type nat hook postrouting priority srcnat + 5; policy accept; }\n}\n"
        f"flush table {TABLE}\n"
        f"table {TABLE} {{\n  chain postrouting {{\n"
        f'    ip saddr {options.node_cidr} oifname != "{BRIDGE}" ip daddr != {{ {inside} }} masquerade fully-random\n'
        "  }\n}\n"
    )
