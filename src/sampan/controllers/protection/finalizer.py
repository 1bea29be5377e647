"""A finalizer that stays as long as its object is in use."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller


class ProtectionController(Controller):
    """A subclass names the `kind` and its `finalizer` and says whether an object is in use."""

    workers = 2
    kind: ClassVar[Any] = None
    finalizer: ClassVar[str] = ""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.objects = self.informer(self.kind)
        self.objects.add_handler(self.enqueue_self)

    @abstractmethod
    def used(self, obj: Any) -> bool:
        """Whether somebody uses it, by what the caches know."""

    async def certainly_unused(self, obj: Any) -> bool:
        """Whether nobody does, by asking the server: a user that the caches have not heard of counts, too."""
        return True

    async def reconcile(self, key: str) -> float | None:
        obj = self.objects.get(key)
        if obj is None:
            return None
        others = [name for name in obj.metadata.finalizers or () if name != self.finalizer]
        held = len(others) < len(obj.metadata.finalizers or ())
        if obj.metadata.deletionTimestamp is None:
            if not held:
                await self._write(obj, [*others, self.finalizer])
        elif held and not self.used(obj) and await self.certainly_unused(obj):
            await self._write(obj, others)
        return None

    async def _write(self, obj: Any, finalizers: list[str]) -> None:
        """Of that very state: somebody else may have changed the list meanwhile."""
        metadata = {"finalizers": finalizers or None, "resourceVersion": obj.metadata.resourceVersion}
        await self.write.patch(obj, {"metadata": metadata})
