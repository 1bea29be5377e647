"""Whoever makes one object the owner of another can have it deleted, or keep its owner from being deleted.

So changing an object's owners needs the right to delete it, and `blockOwnerDeletion` the right to update the owner's
finalizers. https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#ownerreferencespermissionenforcement
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.authorizer import Attributes, allowed
from sampan.apiserver.write import Write


class OwnerReferencesPermissionEnforcement(Plugin):
    name = "OwnerReferencesPermissionEnforcement"
    on_by_default = False
    subresources: ClassVar[frozenset[str]] = frozenset({"*"})

    def handles(self, group: str, plural: str, subresource: str, operation: str) -> bool:
        """All but `pods/status`, whose strategy leaves owners as they are, whatever old kubelets send."""
        return (plural, subresource) != ("pods", "status") and super().handles(group, plural, subresource, operation)

    def validate(self, write: Write) -> Awaitable[None] | None:
        new, old = _owners(write.new), _owners(write.old)
        return self._check(write, new, old) if new != old else None

    async def _check(self, write: Write, new: list[Any], old: list[Any]) -> None:
        kind = write.resource
        if write.old is not None and not await self._may(
            write,
            Attributes("delete", kind.group, kind.version, kind.plural, write.subresource, write.namespace, write.name),
        ):
            raise forbid(write, "cannot set an ownerRef on a resource you can't delete: ")
        blocked = {owner.uid for owner in old if owner.blockOwnerDeletion}
        for owner in new:
            if owner.blockOwnerDeletion and owner.uid not in blocked:
                await self._blocking(write, owner)

    async def _blocking(self, write: Write, owner: Any) -> None:
        try:
            kind = self.server.registry.kind(owner.apiVersion or "", owner.kind or "")
        except KeyError:
            raise forbid(
                write,
                f"cannot set blockOwnerDeletion in this case because cannot find RESTMapping for "
                f"APIVersion {owner.apiVersion} Kind {owner.kind}",
            ) from None
        namespace = write.namespace if kind.namespaced else ""
        asked = Attributes("update", kind.group, kind.version, kind.plural, "finalizers", namespace, owner.name or "")
        if not await self._may(write, asked):
            why = (
                "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: "
            )
            raise forbid(write, why)

    async def _may(self, write: Write, asked: Attributes) -> bool:
        return await allowed(self.server.authorizer, write.request.user, asked)


def _owners(obj: Any) -> list[Any]:
    meta = getattr(obj, "metadata", None)
    return (getattr(meta, "ownerReferences", None) if meta is not None else None) or []
