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
    """For pods made with a node; `complete` is for bindings. Labels that are there stay."""

    name = "PodTopologyLabels"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is not None and spec.nodeName:
            _add(write.new.metadata, of_node(self.server, spec.nodeName))


def complete(server: ApiServer, binding: Any) -> None:
    """Give a binding the labels that its pod is to take over."""
    target = binding.target
    if PodTopologyLabels.name in server.admission.names and target is not None and target.kind == "Node":
        _add(binding.metadata, of_node(server, target.name or ""))


def of_node(server: ApiServer, name: str) -> dict[str, str]:
    """A node's zone and region; none of a node that is not known."""
    entry = server.cache.resource("", "nodes").get(None, name)
    labels = (server.decoded(entry).metadata.labels or {}) if entry is not None else {}
    return {label: labels[label] for label in LABELS if label in labels}


def _add(meta: Any, labels: dict[str, str]) -> None:
    if labels:
        meta.labels = {**labels, **(meta.labels or {})}
