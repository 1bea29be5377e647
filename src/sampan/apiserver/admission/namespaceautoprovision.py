"""NamespaceAutoProvision makes a missing namespace; NamespaceExists refuses what names one. Both off by default."""

from __future__ import annotations

from typing import ClassVar

from sampan.api import errors
from sampan.api.kinds import core_v1, meta_v1
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.write import Write


class NamespaceAutoProvision(Plugin):
    """A create in a namespace that does not exist creates it first."""

    name = "NamespaceAutoProvision"
    on_by_default = False
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    async def mutate(self, write: Write) -> None:
        if write.dry_run or not write.kind.namespaced or self.server.namespaces.get(None, write.namespace) is not None:
            return
        namespace = core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=write.namespace))
        await self.server.bootstrap.ensure(namespace)


class NamespaceExists(Plugin):
    """Any write in a namespace that does not exist is refused."""

    name = "NamespaceExists"
    on_by_default = False

    def validate(self, write: Write) -> None:
        if write.kind.namespaced and self.server.namespaces.get(None, write.namespace) is None:
            raise errors.not_found("", "namespaces", write.namespace)
