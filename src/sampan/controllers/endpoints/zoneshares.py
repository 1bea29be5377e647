"""Which zone gets how many endpoints when each shall have as many as it has of the nodes' CPUs. Pure.

A Service asks for it by the annotation `service.kubernetes.io/topology-mode: Auto`. Where an endpoint would get a fifth
more than its share of the load, whatever is done, it is impossible.
Rules: "Topology Aware Routing" concepts page; KEP-2433.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sampan.api import quantity
from sampan.controllers.endpoints.facts import ZONE
from sampan.controllers.node.health import ready_status

ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
"""The first that is there counts."""
OVERLOAD = 0.2
EXCLUDED = frozenset({"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"})
NODES_UNKNOWN = "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"
TOO_FEW = "Insufficient number of endpoints"
TOO_UNEVEN = "Unable to allocate minimum required endpoints to each zone without exceeding overload threshold"


class Impossible(Exception):
    """There can be no hints; the text is upstream's."""


def asked_for(service: Any) -> bool:
    """Whether the Service asks for topology aware hints."""
    annotations = service.metadata.annotations or {}
    mode = next((annotations[name] for name in ANNOTATIONS if name in annotations), "")
    return mode in ("Auto", "auto")


def capacity(node: Any) -> tuple[str, int] | None:
    """The node's zone and millicores, "" and 0 if unknown; None for a node that does not count."""
    labels = node.metadata.labels or {}
    if EXCLUDED & labels.keys() or ready_status(node) != "True":
        return None
    return labels.get(ZONE, ""), quantity.milli((node.status.allocatable or {}).get("cpu"))


def shares(capacities: Iterable[tuple[str, int]]) -> dict[str, float]:
    """Each zone's share of all CPUs; none unless every node tells and there are two zones."""
    by_zone: Counter[str] = Counter()
    for zone, cpu in capacities:
        if not zone or not cpu:
            return {}
        by_zone[zone] += cpu
    total = by_zone.total()
    return {zone: cpu / total for zone, cpu in sorted(by_zone.items())} if len(by_zone) > 1 else {}


@dataclass(frozen=True)
class Allocation:
    """How many endpoints a zone must have, may have, and should have."""

    minimum: int
    maximum: int
    desired: float


def allocations(shares: Mapping[str, float], count: int) -> dict[str, Allocation]:
    """What each zone gets of `count` endpoints; raises Impossible."""
    if not shares:
        raise Impossible(NODES_UNKNOWN)
    numbers = f" ({count} endpoints, {len(shares)} zones)"
    if len(shares) > count:
        raise Impossible(TOO_FEW + numbers)
    minimums = {zone: math.ceil(share * count / (1 + OVERLOAD)) for zone, share in shares.items()}
    spare = count - sum(minimums.values())
    if spare < 0:
        raise Impossible(TOO_UNEVEN + numbers)
    return {
        zone: Allocation(least, least + spare, max(shares[zone] * count, least)) for zone, least in minimums.items()
    }
