"""The table's words: what is always there, and how its parts are declared, filled and removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

FAMILY, NAME = "inet", "sampan-policy"
TABLE = f"{FAMILY} {NAME}"
ADDRESSES = {"4": "ipv4_addr", "6": "ipv6_addr"}
PRIORITY = "filter - 5"
"""Ahead of iptables' filter, so that what it counts as forwarded has passed here."""
DROP = f"add table {TABLE}\ndelete table {TABLE}"
CREATE = f"add table {TABLE}"

FORWARD = (
    "ct state established,related accept",
    "ip saddr . ip daddr @itself-4 accept",
    "ip6 saddr . ip6 daddr @itself-6 accept",
    "ip saddr vmap @egress-4",
    "ip6 saddr vmap @egress-6",
    "ip daddr vmap @ingress-4",
    "ip6 daddr vmap @ingress-6",
)
OUTPUT = ("ct state established,related accept", "fib saddr type local accept", *FORWARD[1:])
"""The node's own packets pass here, and what IPVS sends on, which has its sender's address."""
BASE_RULES = {"forward": len(FORWARD), "output": len(OUTPUT)}
MAPS = {
    f"{name}-{version}": text.replace("ADDRESS", address)
    for version, address in ADDRESSES.items()
    for name, text in {
        "itself": "type ADDRESS . ADDRESS;",
        "ingress": "type ADDRESS : verdict;",
        "egress": "type ADDRESS : verdict;",
    }.items()
}


def chain(name: str, rules: Sequence[str], hook: str = "") -> str:
    body = "".join(f"    {rule}\n" for rule in ((hook,) if hook else ()) + tuple(rules))
    return f"table {TABLE} {{\n  chain {name} {{\n{body}  }}\n}}"


SKELETON = "\n".join(
    (
        *(f"add {'map' if ':' in kind else 'set'} {TABLE} {name} {{ {kind} }}" for name, kind in MAPS.items()),
        chain("forward", FORWARD, f"type filter hook forward priority {PRIORITY}; policy accept;"),
        chain("output", OUTPUT, f"type filter hook output priority {PRIORITY}; policy accept;"),
    )
)


def sets(names: Iterable[str]) -> list[str]:
    """Declared, empty."""
    return [f"add set {TABLE} {name} {{ {_type(name)} }}" for name in sorted(names)]


def _type(name: str) -> str:
    address = ADDRESSES[name[-1]]
    kind = address if name.startswith("pods-") else f"{address} . inet_proto . inet_service"
    return f"type {kind};"


def elements(verb: str, name: str, keys: Sequence[str]) -> str:
    return f"{verb} element {TABLE} {name} {{ {', '.join(keys)} }}"


def removals(kind: str, names: Iterable[str]) -> list[str]:
    return [f"delete {kind} {TABLE} {name}" for name in sorted(names)]
