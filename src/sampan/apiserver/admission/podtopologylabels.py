"""A pod that gets a node gets the node's zone and region as labels, so that it can read them by the downward API.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#podtopologylabels (KEP-4742)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

LABELS = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(Plugin):
    """For pods made with a node, and for bindings, whose labels their pod takes over. Labels that are there stay."""

    name = "PodTopologyLabels"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods"), ("", "bindings")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "binding"})

    def mutate(self, write: Write) -> None:
        node = _bound(write.new) if write.kind.kind == "Binding" else _placed(write.new)
        if node:
            _add(write.new.metadata, of_node(self.server, node))


def _placed(pod: Any) -> str | None:
    return pod.spec.nodeName if pod.spec is not None else None


def _bound(binding: Any) -> str | None:
    target = binding.target
    return target.name if target is not None and target.kind == "Node" else None


def of_node(server: ApiServer, name: str) -> dict[str, str]:
    """A node's zone and region; none of a node that is not known."""
    entry = server.cache.resource("", "nodes").get(None, name)
    labels = (server.decoded(entry).metadata.labels or {}) if entry is not None else {}
    return {label: labels[label] for label in LABELS if label in labels}


def _add(meta: Any, labels: dict[str, str]) -> None:
    if labels:
        meta.labels = {**labels, **(meta.labels or {})}
