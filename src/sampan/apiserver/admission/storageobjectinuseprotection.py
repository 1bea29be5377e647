"""Claims and volumes in use are not deleted from under their users: a finalizer that a controller takes away."""

from __future__ import annotations

from typing import ClassVar

from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write

FINALIZERS = {
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "persistentvolumes": "kubernetes.io/pv-protection",
    "volumeattributesclasses": "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    """Adds the finalizer when a claim or volume is created."""

    name = "StorageObjectInUseProtection"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset(
        {("", "persistentvolumeclaims"), ("", "persistentvolumes"), ("storage.k8s.io", "volumeattributesclasses")}
    )
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> None:
        finalizer = FINALIZERS[write.kind.plural]
        present = write.new.metadata.finalizers or []
        if finalizer not in present:
            write.new.metadata.finalizers = [*present, finalizer]
