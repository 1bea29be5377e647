"""A pod's runtime class sets its overhead and where it can be scheduled.

https://kubernetes.io/docs/concepts/containers/runtime-class/
"""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

GROUP = "node.k8s.io"


class RuntimeClass(Plugin):
    """Resolves the class from the watch cache when a pod is created."""

    name = "RuntimeClass"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None or not spec.runtimeClassName:
            return
        class_ = self._class(write)
        if class_.overhead is not None and class_.overhead.podFixed:
            if spec.overhead and spec.overhead != class_.overhead.podFixed:
                raise forbid(write, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")
            spec.overhead = dict(class_.overhead.podFixed)
        if class_.scheduling is not None:
            self._schedule(write, class_.scheduling)

    def validate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None or not spec.overhead:
            return
        class_ = self._class(write) if spec.runtimeClassName else None
        if class_ is None or class_.overhead is None:
            raise forbid(write, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead")

    def _class(self, write: Write) -> Any:
        name = write.new.spec.runtimeClassName
        entry = self.server.cache.resource(GROUP, "runtimeclasses").get(None, name)
        if entry is None:
            raise forbid(write, f'pod rejected: RuntimeClass "{name}" not found')
        return self.server.decoded(entry)

    @staticmethod
    def _schedule(write: Write, scheduling: Any) -> None:
        spec = write.new.spec
        selector = dict(spec.nodeSelector or {})
        for key, value in (scheduling.nodeSelector or {}).items():
            if selector.setdefault(key, value) != value:
                classes, pods = "runtimeClass.scheduling.nodeSelector", "pod.spec.nodeSelector"
                raise forbid(write, f"conflict: {classes}[{key}] = {value}; {pods}[{key}] = {selector[key]}")
        spec.nodeSelector = selector or None
        present = spec.tolerations or []
        spec.tolerations = [*present, *(t for t in scheduling.tolerations or () if t not in present)] or None
