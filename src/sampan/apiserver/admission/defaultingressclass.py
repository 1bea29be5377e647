"""An ingress that names no class gets the default one, where there is one."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
LEGACY = "kubernetes.io/ingress.class"
GROUP = "networking.k8s.io"


class DefaultIngressClass(Plugin):
    """Of several defaults the newest counts, then the first by name."""

    name = "DefaultIngressClass"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({(GROUP, "ingresses")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        ingress = write.new
        if (
            ingress.spec is None
            or ingress.spec.ingressClassName is not None
            or LEGACY in (ingress.metadata.annotations or {})
        ):
            return
        classes = map(self.server.decoded, self.server.cache.resource(GROUP, "ingressclasses").list())
        defaults = [c for c in classes if (c.metadata.annotations or {}).get(ANNOTATION) == "true"]
        if defaults:
            newest = max(c.metadata.creationTimestamp for c in defaults)
            ingress.spec.ingressClassName = min(
                c.metadata.name for c in defaults if c.metadata.creationTimestamp == newest
            )
