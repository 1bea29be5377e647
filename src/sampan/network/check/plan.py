"""What is asked of whom, as the shell script of a pod that asks; and its output read. No I/O."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
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
    """A node that takes part: `pod` and `address` are those of its answering pod and of itself, `ranges` its pods'."""

    node: str
    address: str
    pod: str
    ranges: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """`service`: the address of a Service of all answering pods; `name`: what is to be resolved; `outside`:
    host:port."""

    members: tuple[Member, ...]
    service: str
    name: str
    outside: str


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

FACTS = {
    "forwarding": "cd /proc/sys/net/ipv4/conf; grep -l 0 */forwarding",
    "routes": "chroot /host ip -o route",
    "chains": "chroot /host nft list chains",
    "iptables": "chroot /host iptables -w -S FORWARD",
    "agent": f"timeout {SECONDS} wget -qO- http://127.0.0.1:10249/statusz; echo",
}


def targets(asked: Asked) -> dict[Place, str]:
    """Who is asked -> at which host and port; the outside and the names have ways of their own."""
    found = {Place(POD, each.node): f"{each.pod}:{POD_PORT}" for each in asked.members}
    found |= {Place(NODE, each.node): f"{each.address}:{NODE_PORT}" for each in asked.members}
    return found | {Place(SERVICE): f"{asked.service}:80"}


def script(asked: Asked, kind: str) -> str:
    """What a pod that asks runs: all questions at once, then a node's facts, a line for each."""
    lines = [_http(number, at) for number, at in enumerate(targets(asked).values())]
    lines.append(_line("names", f"nslookup {shlex.quote(asked.name)}"))
    if asked.outside:
        host, _, port = asked.outside.rpartition(":")
        lines.append(_line("outside", f"nc -w {SECONDS} {shlex.quote(host)} {shlex.quote(port)} </dev/null"))
    lines.append("wait")
    if kind == NODE:
        lines += [f"({command}) 2>&1 | sed 's/^/fact {name} /'" for name, command in FACTS.items()]
    return "\n".join([*lines, "echo end"])


def read(asked: Asked, source: Place, output: str, told: Told) -> None:
    """Notes what a pod has printed."""
    lines = [line.split(" ", 2) for line in output.splitlines()]
    good = {line[1] for line in lines if line[0] == "good" and len(line) > 1}
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


def _http(number: int, at: str) -> str:
    return "\n".join(_line(f"{number}/{size}", f"wget -qO- http://{at}/{size}") for size in ("small", "large"))


def _line(name: str, command: str) -> str:
    """Twice: a Service or a name is as new as this check."""
    once = f"timeout {SECONDS} {command} >/dev/null 2>&1"
    return f"({once} || {{ sleep 1; {once}; }} && echo good {name}) &"
