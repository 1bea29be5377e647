"""A claim may only grow if its storage class says that volumes can."""

from __future__ import annotations

from typing import Any, ClassVar

from sampan.api import quantity
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
WHY = "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"


class PersistentVolumeClaimResize(Plugin):
    """https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#persistentvolumeclaimresize"""

    name = "PersistentVolumeClaimResize"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "persistentvolumeclaims")})
    operations: ClassVar[frozenset[str]] = frozenset({"UPDATE"})

    def validate(self, write: Write) -> None:
        new, old = _asked(write.new), _asked(write.old)
        if new <= old:
            return
        status = write.old.status
        if status is None or status.phase != "Bound":
            raise forbid(write, "Only bound persistent volume claims can be expanded")
        if not self._expandable(write.old):
            raise forbid(write, WHY)

    def _expandable(self, claim: Any) -> bool:
        name = (claim.metadata.annotations or {}).get(CLASS_ANNOTATION) or claim.spec.storageClassName
        entry = self.server.cache.resource("storage.k8s.io", "storageclasses").get(None, name) if name else None
        return entry is not None and self.server.decoded(entry).allowVolumeExpansion is True


def _asked(claim: Any) -> quantity.Quantity:
    resources = claim.spec.resources if claim.spec is not None else None
    return quantity.parse(((resources.requests if resources is not None else None) or {}).get("storage", "0"))
