"""A PersistentVolumeClaim being deleted stays while a pod on a node names it."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1
from sampan.controllers.context import Context
from sampan.controllers.protection.finalizer import ProtectionController
from sampan.controllers.protection.uses import claims_of, uses_claim


class ClaimProtectionController(ProtectionController):
    name = "persistentvolumeclaim-protection"
    component = "persistentvolumeclaim-protection-controller"
    kind = core_v1.PersistentVolumeClaim
    finalizer = "kubernetes.io/pvc-protection"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods = self.informer(core_v1.Pod, claim=lambda pod: list(claims_of(pod)))
        self.pods.add_handler(self._pod_changed)

    def _pod_changed(self, old: Any, new: Any) -> None:
        kept = set(claims_of(new)) if new is not None else set()
        for key in set(claims_of(old)) - kept if old is not None else ():
            self.enqueue(key)

    def used(self, obj: Any) -> bool:
        pods = self.pods.index("claim", f"{obj.metadata.namespace}/{obj.metadata.name}")
        return any(uses_claim(pod, obj) for pod in pods)

    async def certainly_unused(self, obj: Any) -> bool:
        pods = await self.client.list(core_v1.Pod, obj.metadata.namespace)
        return not any(uses_claim(pod, obj) for pod in pods.items)
