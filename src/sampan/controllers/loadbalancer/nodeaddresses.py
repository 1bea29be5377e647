"""Services answered on the nodes' own addresses, in the manner of k3s's ServiceLB. Pure.

A service gets the address of every node on which all its ports are free: the external address of a node that has one,
else the internal one. Who came first keeps its ports; a service for which no node is left waits. With
externalTrafficPolicy Local only nodes that have a ready endpoint answer. The nodes' service proxies do the rest: they
take packets to a load balancer's address for the service.

As with k3s, once any node is labelled `svccontroller.k3s.cattle.io/enablelb=true` only nodes so labelled balance, and
a service with the label `svccontroller.k3s.cattle.io/lbpool` keeps to the nodes with the same
(https://docs.k3s.io/networking/networking-services). `node.kubernetes.io/exclude-from-external-load-balancers` takes a
node out in any case.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sampan.client.cache import key_of
from sampan.controllers.loadbalancer.provider import View

ENABLED = "svccontroller.k3s.cattle.io/enablelb"
POOL = "svccontroller.k3s.cattle.io/lbpool"
EXCLUDED = "node.kubernetes.io/exclude-from-external-load-balancers"
PREFERRED = ("ExternalIP", "InternalIP")
Port = tuple[str, int]


class NodeAddresses:
    """`LoadBalancers` without a machine of its own."""

    load_balancer_class = "sampan.dev/node-addresses"

    async def answer(self, view: View) -> Mapping[str, Sequence[str]]:
        return assigned(view)


def assigned(view: View) -> dict[str, list[str]]:
    """Addresses by service key, in the order of the nodes' names."""
    usable = eligible(view.nodes)
    taken: dict[str, set[Port]] = {node.metadata.name: set() for node in usable}
    answers = {}
    for service in view.services:
        key = key_of(service)
        wanted = {(port.protocol or "TCP", port.port) for port in service.spec.ports or ()}
        found: list[str] = []
        for node in usable:
            name = node.metadata.name
            if not _may(service, node, view.serving.get(key, frozenset())) or taken[name] & wanted:
                continue
            addresses = list(addresses_of(node, service.spec.ipFamilies or ["IPv4"]))
            if addresses:
                taken[name] |= wanted
                found += [address for address in addresses if address not in found]
        answers[key] = found
    return answers


def eligible(nodes: Sequence[Any]) -> list[Any]:
    """The nodes that balance at all, by name."""
    ready = [node for node in nodes if _is_ready(node) and EXCLUDED not in _labels(node)]
    chosen = [node for node in ready if _labels(node).get(ENABLED) == "true"]
    anywhere = any(_labels(node).get(ENABLED) == "true" for node in nodes)
    return sorted(chosen if anywhere else ready, key=lambda node: node.metadata.name)


def addresses_of(node: Any, families: Sequence[str]) -> Iterator[str]:
    """One address for each family, external before internal."""
    given = (node.status and node.status.addresses) or ()
    for family in families:
        for kind in PREFERRED:
            fitting = [one.address for one in given if one.type == kind and _family(one.address) == family]
            if fitting:
                yield fitting[0]
                break


def _may(service: Any, node: Any, serving: frozenset[str]) -> bool:
    pool = (service.metadata.labels or {}).get(POOL)
    if pool is not None and _labels(node).get(POOL) != pool:
        return False
    return service.spec.externalTrafficPolicy != "Local" or node.metadata.name in serving


def _family(address: str) -> str:
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def _labels(node: Any) -> Mapping[str, str]:
    return node.metadata.labels or {}


def _is_ready(node: Any) -> bool:
    conditions = (node.status and node.status.conditions) or ()
    ready = any(one.type == "Ready" and one.status == "True" for one in conditions)
    return ready and node.metadata.deletionTimestamp is None
