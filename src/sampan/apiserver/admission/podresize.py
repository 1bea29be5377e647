"""A running pod may not grow beyond what its node can ever give.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ (PodResizeValidator, since v1.36)
"""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.api import quantity
from sampan.api.errors import Forbidden
from sampan.api.quota import usage
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

OS_LABEL = "kubernetes.io/os"
MEASURED = ("cpu", "memory")


class PodResizeValidator(Plugin):
    """Holds the new requests against the node's allocatable amounts."""

    name = "PodResizeValidator"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"UPDATE"})
    subresources: ClassVar[frozenset[str]] = frozenset({"resize"})

    def validate(self, write: Write) -> None:
        pod = write.new
        if not pod.spec.nodeName or pod.metadata.generation == write.old.metadata.generation:
            return
        entry = self.server.cache.resource("", "nodes").get(None, pod.spec.nodeName)
        if entry is None:
            raise forbid(write, f'node "{pod.spec.nodeName}" not found')
        node = self.server.decoded(entry)
        if too_large := beyond(pod, node):
            raise caused(write, f"Node didn't have enough allocatable resources: {too_large}", "NodeCapacity")
        system = (node.metadata.labels or {}).get(OS_LABEL, "")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{entry.name}" is "{system}"'
            raise caused(write, why, "UnsupportedPlatform")


def beyond(pod: Any, node: Any) -> str:
    """What the pod asks for beyond the node's allocatable amounts, in upstream's words; "" for nothing."""
    allocatable = (node.status.allocatable if node.status is not None else None) or {}
    asked = usage.requests(pod, "requests")
    told = []
    for name in MEASURED:
        wanted, there = asked.get(name, usage.ZERO), quantity.parse(allocatable.get(name, "0"))
        if wanted > there:
            scale = 1000 if name == "cpu" else 1
            told.append(f"{name}, requested: {int(wanted.value * scale)}, allocatable: {int(there.value * scale)}")
    return "; ".join(told)


def caused(write: Write, why: str, cause: str) -> Forbidden:
    """403 with a cause that autoscalers look for."""
    error = forbid(write, why)
    error.details = (error.details or {}) | {"causes": [{"reason": cause}]}
    return error
