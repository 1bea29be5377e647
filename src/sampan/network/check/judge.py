"""What is wrong, worst first, each with the next step: facts about nodes before what follows from who reaches whom."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from sampan.network.check.plan import NAMES, NODE, OUTSIDE, POD, SERVICE, Answer, Asked, Member, Place, Told

BASE_CHAIN = re.compile(r"type filter hook (forward|input) priority [^;]*; policy drop;")
TABLE = re.compile(r"table (\S+ \S+) \{")
CHAIN = re.compile(r"chain (\S+) \{")
OWN_COMMENT = "sampan pods"
MOST_RULES = 5
HARMLESS = ("counter packets 0 ", "ct state invalid")
"""In rules that dropped nothing that was asked here."""


def findings(asked: Asked, told: Told, cluster_cidr: str) -> list[str]:
    """In one family, whose pods are in `cluster_cidr`; [] when all is well."""
    found: list[str] = []
    for member in asked.members:
        facts = told.facts.get(member.node, {})
        for look in LOOKS:
            found += look(member, facts, asked, cluster_cidr)
    if any(not answer.fine for (_, target), answer in told.answers.items() if target.kind != OUTSIDE):
        for member in asked.members:
            found += _suspects(member, told.facts.get(member.node, {}), asked, cluster_cidr)
        found += _unreached(asked, told)
    return found + list(_outside(asked, told))


def _forwarding(member: Member, facts: dict[str, str], asked: Asked, cidr: str) -> Iterator[str]:
    told = facts.get(f"forwarding{asked.version}", "")
    off = {line.removesuffix("/forwarding") for line in told.split()} - {"lo", "default"}
    for name in ["all"] if "all" in off else sorted(off):
        switch = f"net.{asked.family.lower()}.conf.{name}.forwarding"
        yield (
            f"node {member.node} does not forward packets from {name}: `sysctl -w {switch}=1` there, and look in "
            "/etc/sysctl.d for who turned it off"
        )


def _agent(member: Member, facts: dict[str, str], asked: Asked, cidr: str) -> Iterator[str]:
    """What its agent could not do: ways to other nodes' pods, for want of a module, a network, a port."""
    for problem in _no_way(facts).values():
        yield f"node {member.node}: {problem}"


def _no_way(facts: dict[str, str]) -> dict[str, str]:
    """By the other node, as the agent tells it; {} when it tells nothing that can be read."""
    try:
        return {str(name): str(why) for name, why in json.loads(facts.get("agent", ""))["routes"]["problems"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _routes(member: Member, facts: dict[str, str], asked: Asked, cidr: str) -> Iterator[str]:
    routes = facts.get(f"routes{asked.version}", "")
    for other in (each for each in asked.members if each.node not in _no_way(facts)):
        for text in other.ranges:
            missing = not re.search(rf"^{re.escape(text)} ", routes, re.M)
            if other.node != member.node and missing and routes:
                yield (
                    f"node {member.node} has no route to the pods of node {other.node} ({text}): start the agent "
                    "there anew, and look who takes routes away"
                )


def _firewall(member: Member, facts: dict[str, str], asked: Asked, cidr: str) -> Iterator[str]:
    ours, other = ("ip", "ip6") if asked.version == 4 else ("ip6", "ip")
    for table, chain, hook in dropping(facts.get("chains", "")):
        if table.startswith(f"{other} "):
            continue
        made_room = OWN_COMMENT in facts.get(f"iptables{asked.version}", "")
        if (table, chain) == (f"{ours} filter", "FORWARD") and made_room:
            continue
        use = "what pods send" if hook == "forward" else "what comes to the node, DNS and the API among it"
        yield (
            f"firewall: chain {chain} of table {table} on node {member.node} drops {use}: accept {cidr} and the nodes' "
            f"addresses there, for example `nft insert rule {table} {chain} {ours} saddr {cidr} accept`"
        )


def _suspects(member: Member, facts: dict[str, str], asked: Asked, cidr: str) -> Iterator[str]:
    """Rules that drop something: told only where something is lost. One that has counted no packet is none."""
    ours, other = ("ip", "ip6") if asked.version == 4 else ("ip6", "ip")
    lines = [line for line in facts.get("drops", "").splitlines() if line.count("|") > 1]
    for line in lines[:MOST_RULES]:
        table, chain, rule = (part.strip() for part in line.split("|", 2))
        if table.startswith(f"{other} ") or any(part in rule for part in HARMLESS):
            continue
        yield (
            f"firewall: a rule in chain {chain} of table {table} on node {member.node} may drop it: `{rule}`: take it "
            f"out, or accept {ours} addresses of {cidr} and of the nodes before it"
        )


LOOKS: tuple[Callable[[Member, dict[str, str], Asked, str], Iterator[str]], ...] = (
    _forwarding,
    _agent,
    _routes,
    _firewall,
)


def dropping(listing: str) -> Iterator[tuple[str, str, str]]:
    """(table, chain, hook) of the chains in `nft list chains` that drop by default."""
    table = chain = ""
    for line in listing.splitlines():
        if found := TABLE.search(line):
            table = found[1]
        elif found := CHAIN.search(line):
            chain = found[1]
        elif found := BASE_CHAIN.search(line):
            yield table, chain, found[1]


def _unreached(asked: Asked, told: Told) -> Iterator[str]:
    """One for each pair of nodes rather than one for each pair of addresses; the lowest layer that fails is told."""
    for source in asked.members:
        for target in asked.members:
            if text := _pair(source, target, told):
                yield text
        yield from _shared(source, told)


def _pair(source: Member, target: Member, told: Told) -> str:
    between = {
        (one, other): told.answers.get((Place(one, source.node), Place(other, target.node)), Answer(True, True))
        for one in (NODE, POD)
        for other in (NODE, POD)
    }
    names = f"{source.node} to {target.node}"
    if source.node != target.node and not between[NODE, NODE].small:
        return (
            f"nothing gets from node {names} ({target.address}): look at the cable, the nodes' addresses, and "
            "firewalls between them"
        )
    if not between[POD, POD].small:
        return (
            f"pods on node {names}: no packet gets through although the nodes reach each other: a firewall between "
            "them may drop pods' addresses; `--pod-network vxlan` hides these in UDP port 4789"
        )
    if any(answer.small and not answer.large for answer in between.values()):
        return (
            f"large packets from node {target.node} to {source.node} get lost, small ones do not: the network between "
            "them carries less than its interfaces say; set these to the MTU that it carries, and make the pods anew"
        )
    if not between[NODE, POD].small:
        return f"node {names}: the node does not reach the pods there, though pods do: see the firewall's output chains"
    return ""


def _shared(source: Member, told: Told) -> Iterator[str]:
    asker, fine = Place(POD, source.node), Answer(True, True)
    from_pod = {place: told.answers.get((asker, Place(place)), fine) for place in (SERVICE, NAMES)}
    if not from_pod[SERVICE].small:
        yield (
            f"pods on node {source.node} do not reach a Service, though pods reach each other: the service proxy there "
            "does not run, or its rules are gone; see the agent's log there"
        )
    if not from_pod[NAMES].small:
        yield (
            f"pods on node {source.node} get no answer from the cluster's DNS: see the agent's log there, and whether "
            "a firewall's input chain drops port 53"
        )


def _outside(asked: Asked, told: Told) -> Iterator[str]:
    """A node without a way out is no fault of the pod network's; a pod without its node's way is."""
    for member in asked.members:
        from_node = told.answers.get((Place(NODE, member.node), Place(OUTSIDE)))
        from_pod = told.answers.get((Place(POD, member.node), Place(OUTSIDE)))
        if from_node and from_pod and from_node.small and not from_pod.small:
            yield (
                f"node {member.node} reaches {asked.outside}, its pods do not: the table ip sampan-cni that hides them "
                "behind the node is gone, or a firewall drops what they send; start the agent there anew"
            )
