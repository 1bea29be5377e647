"""How fast pods may be driven off failing nodes. Pure.

One node lost is a broken node; many lost at once is more likely a broken network, and driving all their pods off would
make it worse. So each zone gives out NoExecute taints at a rate that falls when much of the zone is not ready, and when
every zone is wholly lost nothing is evicted at all: then it is probably this process that is cut off. A node labelled
`node.kubernetes.io/exclude-disruption` says nothing about its zone. Rules: "Nodes", section "Rate limits on eviction".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sampan.controllers.context import Config
from sampan.controllers.node.health import ready_status

EXCLUDED = "node.kubernetes.io/exclude-disruption"
LABELS = ("topology.kubernetes.io/region", "topology.kubernetes.io/zone")


def zone_of(node: Any) -> str:
    labels = node.metadata.labels or {}
    return ":".join(labels.get(label, "") for label in LABELS)


@dataclass
class Zone:
    """Which nodes are in it, which of those are not ready, which do not count, and when the next may be tainted."""

    nodes: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)
    next_at: float = 0.0

    @property
    def lost(self) -> bool:
        return bool(self.nodes) and len(self.failing) == len(self.nodes)

    def rate(self, config: Config) -> float:
        """Nodes per second that may be tainted."""
        disrupted = len(self.failing) > 2 and len(self.failing) >= config.unhealthy_zone_share * len(self.nodes)
        if not disrupted or self.lost:
            return config.node_eviction_rate
        return config.secondary_node_eviction_rate if len(self.nodes) > config.large_zone else 0.0


class Zones:
    """All zones, kept up to date node by node."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._zones: dict[str, Zone] = {}
        self._of: dict[str, str] = {}

    def update(self, node: Any) -> None:
        name, zone = node.metadata.name, zone_of(node)
        entry = self._zones.get(zone) or Zone()
        if name not in entry.nodes or EXCLUDED in (node.metadata.labels or {}):
            self.remove(name)
        self._of[name] = zone
        self._zones[zone] = entry
        if EXCLUDED in (node.metadata.labels or {}):
            entry.excluded.add(name)
            return
        entry.nodes.add(name)
        (entry.failing.discard if ready_status(node) == "True" else entry.failing.add)(name)

    def remove(self, name: str) -> None:
        zone = self._of.pop(name, None)
        entry = self._zones.get(zone) if zone is not None else None
        if entry is None:
            return
        for names in (entry.nodes, entry.failing, entry.excluded):
            names.discard(name)
        if not entry.nodes and not entry.excluded:
            del self._zones[zone or ""]

    @property
    def all_lost(self) -> bool:
        """Nothing anywhere is ready."""
        counted = [zone for zone in self._zones.values() if zone.nodes]
        return bool(counted) and all(zone.lost for zone in counted)

    def failing(self) -> Iterable[str]:
        """Nodes that are, or may be, not ready."""
        return [name for zone in self._zones.values() for name in zone.failing | zone.excluded]

    def may_taint_in(self, name: str, now: float) -> float | None:
        """Seconds until that node may get its NoExecute taint, 0 for now (which is then used up); None: not while
        things stand as they do."""
        zone = self._zones[self._of[name]]
        rate = 0.0 if self.all_lost else zone.rate(self._config)
        if not rate:
            return None
        if now < zone.next_at:
            return zone.next_at - now
        zone.next_at = now + 1 / rate
        return 0.0
