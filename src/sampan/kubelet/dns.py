"""A pod's resolv.conf: `dnsPolicy` and `dnsConfig` ("DNS for Services and Pods")."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

MOST_SERVERS = 3
MOST_SEARCHES = 32
CLUSTER_OPTIONS = ("ndots:5",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """The three lists of a resolv.conf; `omitted` says what was left out of them because there is too much."""

    servers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    omitted: tuple[str, ...] = ()


def parse(text: str) -> Resolver:
    """A resolv.conf as resolv.conf(5) has it; the last search line counts."""
    servers: list[str] = []
    searches: tuple[str, ...] = ()
    options: list[str] = []
    for words in (line.split() for line in text.splitlines()):
        if len(words) > 1 and words[0] == "nameserver":
            servers.append(words[1])
        elif len(words) > 1 and words[0] in ("search", "domain"):
            searches = tuple(word.rstrip(".") or "." for word in words[1:])
        elif len(words) > 1 and words[0] == "options":
            options += words[1:]
    return Resolver(servers=tuple(servers), searches=searches, options=tuple(options))


def resolver_for(pod: Any, *, node: Resolver, cluster_servers: Sequence[str], domain: str) -> Resolver:
    """What the pod's containers shall use; `node` is the node's own resolv.conf."""
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    if policy == "ClusterFirst" and pod.spec.hostNetwork:
        policy = "Default"
    if policy == "None":
        base = Resolver()
    elif policy == "Default" or not cluster_servers:
        base = node
    else:
        zones = (f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain)
        base = Resolver(
            servers=tuple(cluster_servers), searches=unique([*zones, *node.searches]), options=CLUSTER_OPTIONS
        )
    return with_config(base, pod.spec.dnsConfig)


def with_config(base: Resolver, config: Any) -> Resolver:
    """The pod's own servers and searches go behind those of its policy; its options replace those of the same name."""
    given = config.options or () if config else ()
    own = {o.name: f"{o.name}:{o.value}" if o.value is not None else o.name for o in given}
    kept = [option for option in base.options if option.partition(":")[0] not in own]
    servers = unique([*base.servers, *((config.nameservers or ()) if config else ())])
    searches = unique([*base.searches, *((config.searches or ()) if config else ())])
    return Resolver(
        servers=servers[:MOST_SERVERS],
        searches=searches[:MOST_SEARCHES],
        options=(*kept, *own.values()),
        omitted=(
            *left_out("Nameserver", "nameservers", "nameserver", servers, MOST_SERVERS),
            *left_out("Search Line", "search paths", "search", searches, MOST_SEARCHES),
        ),
    )


def left_out(what: str, things: str, line: str, given: Sequence[str], most: int) -> list[str]:
    """In upstream's words."""
    if len(given) <= most:
        return []
    applied = " ".join(given[:most])
    return [f"{what} limits were exceeded, some {things} have been omitted, the applied {line} line is: {applied}"]


def unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))
