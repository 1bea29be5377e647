"""A running pod is resized only on a node that is known."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write


class NodeDeclaredFeatureValidator(Plugin):
    """Looks up the node of a pod whose containers' resources change."""

    name = "NodeDeclaredFeatureValidator"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"UPDATE"})
    subresources: ClassVar[frozenset[str]] = frozenset({"resize"})

    def validate(self, write: Write) -> None:
        node = write.old.spec.nodeName
        if not node or _resources(write.new) == _resources(write.old):
            return
        if self.server.cache.resource("", "nodes").get(None, node) is None:
            raise forbid(write, f'node "{node}" not found')


def _resources(pod: Any) -> list[Any]:
    return [container.resources for container in pod.spec.containers or ()]
