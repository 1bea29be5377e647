"""Stands in for the scheduler in tests of other things: each pod goes to the emptiest node that will have it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.kinds import core_v1
from sampan.client.informer import Informer
from sampan.client.interface import Client
from sampan.testing.nodes.lifecycle import is_ready

NOWHERE_SECONDS = 1.0


class Binder:
    """`note` tells it of every change of a pod."""

    def __init__(self, client: Client, names: Sequence[str], nodes: Informer[Any]) -> None:
        self._client = client
        self._names = names
        self._nodes = nodes
        self._load = dict.fromkeys(names, 0)

    def note(self, old: Any, new: Any) -> None:
        for pod, change in ((old, -1), (new, 1)):
            if pod is not None and pod.spec.nodeName in self._load:
                self._load[pod.spec.nodeName] += change

    async def bind(self, pod: Any) -> float | None:
        """Binds the pod; seconds to wait when no node will have it. Raises ApiError, ClientError."""
        usable = [name for name in self._names if will_have(self._nodes.get(name), pod)]
        if not usable:
            return NOWHERE_SECONDS
        chosen = min(usable, key=lambda name: self._load[name])
        self._load[chosen] += 1
        meta = pod.metadata
        target = {"kind": "Node", "name": chosen}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": meta.name}, "target": target}
        try:
            await self._client.create_subresource(core_v1.Pod, meta.name, meta.namespace, "binding", binding)
        finally:
            self._load[chosen] -= 1
        return None


def will_have(node: Any, pod: Any) -> bool:
    """Whether the node is ready, untainted, and the one the pod is pinned to if it is."""
    if node is None or not is_ready(node) or (node.spec and (node.spec.unschedulable or node.spec.taints)):
        return False
    affinity = pod.spec.affinity.nodeAffinity if pod.spec.affinity else None
    required = affinity.requiredDuringSchedulingIgnoredDuringExecution if affinity else None
    wanted = [
        value
        for term in (required.nodeSelectorTerms if required else None) or ()
        for field in term.matchFields or ()
        for value in field.values or ()
    ]
    return not wanted or node.metadata.name in wanted
