"""What is asked of whom, as the shell script of a pod that asks; and its output read. No I/O.

Each address family that pods have is asked by itself: one may work where the other does not.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

POD_PORT, NODE_PORT = 8080, 10298
LARGE_BYTES = 20_000
SECONDS = 3
POD, NODE, SERVICE, NAMES, OUTSIDE = "pod", "node", "service", "DNS", "outside"


class Place(NamedTuple):
    """Somebody who is asked or asks: a pod, or the node itself (`kind`), on that node."""

    kind: str
    node: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.node}".strip()


class Answer(NamedTuple):
    """`small` and `large`: whether a small and a large answer came through."""

    small: bool
    large: bool

    @property
    def fine(self) -> bool:
        return self.small and self.large


@dataclass(frozen=True, kw_only=True)
class Member:
    """A node that takes part: `pod` and `address` are those of its answering pod and of itself, `ranges` its pods'.
    All are of one family; `address` is "" where the node has none of it."""

    node: str
    address: str
    pod: str
    ranges: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """In one family. `service`: the address of a Service of all answering pods; `name`: what is to be resolved, and
    `server`: by whom, "" for whom pods are told; `outside`: host:port, "" for nobody."""

    members: tuple[Member, ...]
    service: str
    name: str
    outside: str
    server: str = ""
    version: int = 4

    @property
    def family(self) -> str:
        return f"IPv{self.version}"


@dataclass
class Told:
    """What came of it. `facts`: by node, what was found there."""

    answers: dict[tuple[Place, Place], Answer] = field(default_factory=dict)
    facts: dict[str, dict[str, str]] = field(default_factory=dict)


SERVE = (
    f"mkdir -p /tmp/www && echo fine >/tmp/www/small && head -c {LARGE_BYTES} /dev/zero >/tmp/www/large && "
    'exec httpd -f -p "$PORT" -h /tmp/www'
)
"""What an answering pod runs."""

DROPS = (
    'chroot /host nft -t list ruleset | awk \'/^table/ {t = $2 " " $3} /^\tchain/ {c = $2} '
    '/ (drop|reject)/ && !/policy/ && t !~ /sampan-/ && c !~ /^KUBE-/ {print t "|" c "|" $0}\' | head -n 100'
)
"""Rules of others that drop something, as `family table|chain|rule`."""

FACTS = {
    "forwarding4": "cd /proc/sys/net/ipv4/conf; grep -l 0 */forwarding",
    "forwarding6": "cd /proc/sys/net/ipv6/conf 2>/dev/null && grep -l 0 all/forwarding",
    "routes4": "chroot /host ip -o route",
    "routes6": "chroot /host ip -o -6 route",
    "chains": "chroot /host nft list chains",
    "drops": DROPS,
    "iptables4": "chroot /host iptables -w -S FORWARD",
    "iptables6": "chroot /host ip6tables -w -S FORWARD",
    "agent": f"timeout {SECONDS} wget -qO- http://127.0.0.1:10249/statusz; echo",
}


def targets(asked: Asked) -> dict[Place, str]:
    """Who is asked -> at which host and port; the outside and the names have ways of their own."""
    found = {Place(POD, each.node): f"{_host(each.pod)}:{POD_PORT}" for each in asked.members}
    found |= {Place(NODE, each.node): f"{_host(each.address)}:{NODE_PORT}" for each in asked.members if each.address}
    return found | {Place(SERVICE): f"{_host(asked.service)}:80"}


def script(views: Sequence[Asked], kind: str) -> str:
    """What a pod that asks runs: all questions at once, then a node's facts, a line for each."""
    lines = [line for asked in views for line in _questions(asked)] + ["wait"]
    if kind == NODE:
        lines += [f"({command}) 2>&1 | sed 's/^/fact {name} /'" for name, command in FACTS.items()]
    return "\n".join([*lines, "echo end"])


def _questions(asked: Asked) -> Iterator[str]:
    for number, at in enumerate(targets(asked).values()):
        for size in ("small", "large"):
            yield _line(f"{asked.version}/{number}/{size}", f"wget -qO- http://{at}/{size}")
    yield _line(f"{asked.version}/names", f"nslookup {shlex.quote(asked.name)} {asked.server}".rstrip())
    if asked.outside:
        host, _, port = asked.outside.rpartition(":")
        there = f"{shlex.quote(host.strip('[]'))} {shlex.quote(port)}"
        yield _line(f"{asked.version}/outside", f"nc -w {SECONDS} {there} </dev/null")


def family_of(outside: str) -> int | None:
    """Of a host:port; None for a name."""
    try:
        return ipaddress.ip_address(outside.rpartition(":")[0].strip("[]")).version
    except ValueError:
        return None


def read(asked: Asked, source: Place, output: str, told: Told) -> None:
    """Notes what a pod has printed about one family."""
    lines = [line.split(" ", 2) for line in output.splitlines()]
    own = f"{asked.version}/"
    good = {line[1][len(own) :] for line in lines if line[0] == "good" and len(line) > 1 and line[1].startswith(own)}
    for number, target in enumerate(targets(asked)):
        told.answers[source, target] = Answer(f"{number}/small" in good, f"{number}/large" in good)
    told.answers[source, Place(NAMES)] = Answer("names" in good, True)
    if asked.outside:
        told.answers[source, Place(OUTSIDE)] = Answer("outside" in good, True)
    if source.kind == NODE:
        told.facts[source.node] = {name: "\n".join(_fact(lines, name)) for name in FACTS}


def sources(members: Iterable[Member]) -> list[Place]:
    return [Place(kind, each.node) for kind in (POD, NODE) for each in members]


def _fact(lines: Sequence[Sequence[str]], name: str) -> list[str]:
    return [line[2] if len(line) > 2 else "" for line in lines if line[:2] == ["fact", name]]


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _line(name: str, command: str) -> str:
    """Twice: a Service or a name is as new as this check."""
    once = f"timeout {SECONDS} {command} >/dev/null 2>&1"
    return f"({once} || {{ sleep 1; {once}; }} && echo good {name}) &"
