"""What the proxy wants to know of its own node: the zone, for topology hints, and whether the node is to go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.api.kinds import core_v1
from sampan.client.informers import Informers

ZONE_LABEL = "topology.kubernetes.io/zone"
TO_BE_DELETED = "ToBeDeletedByClusterAutoscaler"


class NodeView:
    """Follows the Node of that name; calls `changed` when its zone does."""

    def __init__(self, informers: Informers, node_name: str, changed: Callable[[], None], *, zone: str = "") -> None:
        self.zone = zone
        self.eligible = True
        self._changed = changed
        self.informer = informers.of(core_v1.Node, fields=f"metadata.name={node_name}")

    def follow(self) -> None:
        self.informer.add_handler(self._on_node)

    def _on_node(self, old: Any, new: Any) -> None:
        self.eligible = new is not None and _stays(new)
        zone = (new.metadata.labels or {}).get(ZONE_LABEL, "") if new is not None else self.zone
        if zone != self.zone:
            self.zone = zone
            self._changed()


def _stays(node: Any) -> bool:
    taints = (node.spec.taints if node.spec is not None else None) or ()
    return node.metadata.deletionTimestamp is None and all(taint.key != TO_BE_DELETED for taint in taints)
