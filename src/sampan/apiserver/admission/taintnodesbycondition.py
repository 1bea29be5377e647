"""A new node is tainted as not ready, so that nothing is scheduled to it before its conditions are known."""

from __future__ import annotations

from typing import ClassVar

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

TAINT = "node.kubernetes.io/not-ready"


class TaintNodesByCondition(Plugin):
    """Adds the taint with effect NoSchedule when a node is created."""

    name = "TaintNodesByCondition"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "nodes")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        node = write.new
        if node.spec is None:
            node.spec = core_v1.NodeSpec()
        taints = node.spec.taints or []
        if not any(taint.key == TAINT and taint.effect == "NoSchedule" for taint in taints):
            node.spec.taints = [*taints, core_v1.Taint(key=TAINT, effect="NoSchedule")]
