"""The nftables table beside IPVS: whom it masquerades, whom it keeps out, and which virtual servers are ours.

IPVS takes packets where they come into the machine, after the `input` chains: what reaches a service's address but none
of its ports is refused there, lest a program of the node's own answer it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sampan.network.proxy.settings import Settings

TABLE = "sampan-ipvs"
MASQUERADE = 0x4000
BALANCED = "meta l4proto { tcp, udp, sctp }"


def table_text(settings: Settings) -> str:
    """The table with its sets empty, whatever it held."""
    family, address = settings.family.table, settings.family.address
    service = f"type {address} . inet_proto . inet_service;"
    sets = {
        **dict.fromkeys(("served", "cluster", "external", "guarded"), service),
        "bound": f"type {address};",
        "allowed": f"type {address} . inet_proto . inet_service . {address}; flags interval;",
        "hairpin": f"type {address} . {address};",
    }
    name = f"{family} {TABLE}"
    lines = [f"add table {name}", f"delete table {name}", f"table {name} {{"]
    lines += [f"  set {one} {{ {form} }}" for one, form in sets.items()]
    for chain, (hook, rules) in _chains(settings).items():
        lines += [f"  chain {chain} {{", f"    {hook}", *(f"    {rule}" for rule in rules), "  }"]
    return "\n".join([*lines, "}", ""])


def _chains(settings: Settings) -> dict[str, tuple[str, list[str]]]:
    family = settings.family.table
    key = f"{family} daddr . meta l4proto . th dport"
    marking = f"meta mark set meta mark | {MASQUERADE:#x}"
    guard = [f"{key} @guarded {key} . {family} saddr != @allowed drop", f"{key} @external {marking}"]
    arriving = [f"{key} @cluster {who}{marking}" for who in _strangers(settings)]
    refusal = f"{BALANCED} ct state new {family} daddr @bound {key} != @served"
    unmarked = 0xFFFFFFFF ^ MASQUERADE
    # Another mode may have left the loopback routed: without its guard a neighbour would reach it (CVE-2020-8558).
    loopback = f'iifname != "lo" {family} daddr {settings.family.loopback} drop'
    return {
        "prerouting": ("type filter hook prerouting priority mangle;", guard + arriving),
        # A local program's packet comes from the service's own address, to which no answer would come.
        "output": ("type route hook output priority mangle;", [*guard, f"{key} @cluster {marking}"]),
        "input": (
            "type filter hook input priority filter;",
            [loopback, f"{refusal} meta l4proto tcp reject with tcp reset", f"{refusal} reject"],
        ),
        "postrouting": (
            "type nat hook postrouting priority srcnat;",
            [
                f"meta mark & {MASQUERADE:#x} == {MASQUERADE:#x} meta mark set meta mark & {unmarked:#x} "
                "masquerade fully-random",
                f"{family} saddr . {family} daddr @hairpin masquerade fully-random",
            ],
        ),
    }


def _strangers(settings: Settings) -> Iterator[str]:
    """What tells clients of cluster addresses that are to appear as the node; nothing when that is unknown."""
    if settings.masquerade_all:
        yield ""
    elif settings.local_interface:
        yield f'iifname != "{settings.local_interface}" '
    elif settings.cluster_cidr:
        yield f"{settings.family.table} saddr != {settings.cluster_cidr} "
