"""Room for pods' packets in a foreign firewall that drops what it is asked to forward (Docker's policy, for one).

An accepting rule in a table of ours cannot help: a packet has to pass every table. So where iptables' FORWARD chain has
the policy DROP, two rules with our comment are put first in it, and taken out again on tear-down. Other firewalls are
left as they are and reported.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from sampan.network.command import run
from sampan.network.netfilter import Chain, RuleSet

COMMENT = "sampan pods"
FAMILIES = {False: ("iptables", "ip"), True: ("ip6tables", "ip6")}
"""Whether addresses have colons -> the program for them, and nft's word for their family."""


async def allow(cluster_cidr: str) -> list[str]:
    """Makes room where it is needed; returns remarks about what was found, one line each."""
    remarks = await make_room(cluster_cidr)
    _, family = FAMILIES[":" in cluster_cidr]
    rule_set = RuleSet()
    chains = rule_set.chains()
    rule_set.close()
    for chain in dropping_chains(chains, "forward", family):
        if chain != (family, "filter", "FORWARD"):
            remarks.append(f"nftables chain {' '.join(chain)} drops what is forwarded: accept {cluster_cidr} there")
    for chain in dropping_chains(chains, "input", family):
        remarks.append(f"chain {' '.join(chain)} drops what comes in: accept {cluster_cidr} there, for DNS and the API")
    return remarks


async def make_room(cluster_cidr: str) -> list[str]:
    """In iptables' chain, if it drops; gives a remark where there was none yet."""
    program, _ = FAMILIES[":" in cluster_cidr]
    if not await _iptables_drops(program):
        return []
    missing = [rule for rule in _rules(cluster_cidr) if (await run((program, "-w", "-C", "FORWARD", *rule))).code]
    for rule in missing:
        await run((program, "-w", "-I", "FORWARD", "1", *rule))
    remark = f"{program}' FORWARD chain drops by default: rules for {cluster_cidr} put before that"
    return [remark] if missing else []


async def withdraw(cluster_cidr: str) -> None:
    """Takes our rules out again."""
    program, _ = FAMILIES[":" in cluster_cidr]
    if shutil.which(program) is None:
        return
    for rule in _rules(cluster_cidr):
        while (await run((program, "-w", "-D", "FORWARD", *rule))).code == 0:
            pass


def dropping_chains(chains: Iterable[Chain], hook: str, family: str = "ip") -> list[tuple[str, str, str]]:
    """(family, table, name) of those on a hook ("forward", "input") that drop packets of that family by default."""
    return [
        (chain.family, chain.table, chain.name)
        for chain in chains
        if chain.hook == hook and chain.drops and chain.family in (family, "inet")
    ]


async def _iptables_drops(program: str) -> bool:
    if shutil.which(program) is None:
        return False
    listing = await run((program, "-w", "-S", "FORWARD"))
    return listing.output.startswith("-P FORWARD DROP")


def _rules(cluster_cidr: str) -> list[tuple[str, ...]]:
    comment = ("-m", "comment", "--comment", COMMENT, "-j", "ACCEPT")
    return [("-s", cluster_cidr, *comment), ("-d", cluster_cidr, *comment)]
