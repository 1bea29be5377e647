"""A claim that names no storage class gets the default one, where there is one."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

ANNOTATIONS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
GROUP = "storage.k8s.io"


class DefaultStorageClass(Plugin):
    """Of several defaults the newest counts, then the first by name."""

    name = "DefaultStorageClass"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "persistentvolumeclaims")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        claim = write.new
        if claim.spec is None or claim.spec.storageClassName is not None:
            return
        if "volume.beta.kubernetes.io/storage-class" in (claim.metadata.annotations or {}):
            return
        classes = map(self.server.decoded, self.server.cache.resource(GROUP, "storageclasses").list())
        defaults = [c for c in classes if any((c.metadata.annotations or {}).get(a) == "true" for a in ANNOTATIONS)]
        if defaults:
            newest = max(c.metadata.creationTimestamp for c in defaults)
            claim.spec.storageClassName = min(
                c.metadata.name for c in defaults if c.metadata.creationTimestamp == newest
            )
