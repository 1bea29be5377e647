"""Pods that ask for an extended resource tolerate the taint that keeps others off its nodes."""

from __future__ import annotations

from typing import ClassVar

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write


class ExtendedResourceToleration(Plugin):
    """The taint is named as the resource. Off by default, as upstream."""

    name = "ExtendedResourceToleration"
    on_by_default = False
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})

    def mutate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is None:
            return
        asked = {
            name
            for container in (*(spec.initContainers or ()), *(spec.containers or ()))
            if container.resources is not None
            for name in container.resources.requests or ()
            if is_extended(name)
        }
        wanted = [core_v1.Toleration(key=name, operator="Exists") for name in sorted(asked)]
        present = spec.tolerations or []
        spec.tolerations = [*present, *(toleration for toleration in wanted if toleration not in present)] or None


def is_extended(name: str) -> bool:
    """A resource with a domain of its own."""
    domain, slash, _ = name.partition("/")
    native = domain == "kubernetes.io" or domain.endswith(".kubernetes.io")
    return bool(slash) and not native and not name.startswith("requests.")
