"""A VolumeAttributesClass being deleted stays while a claim or a volume has it (KEP-3751)."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, storage_v1
from sampan.controllers.context import Context
from sampan.controllers.protection.finalizer import ProtectionController
from sampan.controllers.protection.uses import classes_of

USERS = (core_v1.PersistentVolumeClaim, core_v1.PersistentVolume)


class AttributesClassProtectionController(ProtectionController):
    name = "volumeattributesclass-protection"
    component = "volumeattributesclass-protection-controller"
    kind = storage_v1.VolumeAttributesClass
    finalizer = "kubernetes.io/vac-protection"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.users = [self.informer(kind, attributesclass=lambda obj: list(set(classes_of(obj)))) for kind in USERS]
        for informer in self.users:
            informer.add_handler(self._user_changed)

    def _user_changed(self, old: Any, new: Any) -> None:
        kept = set(classes_of(new)) if new is not None else set()
        for name in set(classes_of(old)) - kept if old is not None else ():
            self.enqueue(name)

    def used(self, obj: Any) -> bool:
        return any(informer.index("attributesclass", obj.metadata.name) for informer in self.users)

    async def certainly_unused(self, obj: Any) -> bool:
        found = [await self.client.list(kind) for kind in USERS]
        return not any(obj.metadata.name in classes_of(one) for users in found for one in users.items)
