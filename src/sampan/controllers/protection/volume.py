"""A PersistentVolume being deleted stays while it is bound to a claim."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.controllers.protection.finalizer import ProtectionController


class VolumeProtectionController(ProtectionController):
    name = "persistentvolume-protection"
    component = "persistentvolume-protection-controller"
    kind = core_v1.PersistentVolume
    finalizer = "kubernetes.io/pv-protection"

    def used(self, obj: Any) -> bool:
        return obj.status is not None and obj.status.phase == "Bound"
