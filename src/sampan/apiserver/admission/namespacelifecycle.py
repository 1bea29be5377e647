"""Nothing is created in a namespace that is absent or being deleted, and the system's own namespaces stay."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from sampan.api import errors
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.write import Write

IMMORTAL = frozenset({"default", "kube-system", "kube-public"})
TERMINATING = "NamespaceTerminating"


class _Metadata(msgspec.Struct, gc=False):
    deletionTimestamp: str | None = None


class _Namespace(msgspec.Struct, gc=False):
    metadata: _Metadata


_decode = msgspec.json.Decoder(_Namespace).decode


class NamespaceLifecycle(Plugin):
    """Looks into the watch cache; whether a namespace is ending is decoded once per version of it."""

    name = "NamespaceLifecycle"
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE", "DELETE"})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "*"})

    def mutate(self, write: Write) -> None:
        kind = write.resource
        if write.operation == "DELETE":
            if kind.plural == "namespaces" and not kind.group and write.name in IMMORTAL:
                raise forbid(write, "this namespace may not be deleted")
            return
        if not kind.namespaced or kind.plural.endswith("accessreviews"):
            return
        entry = self.server.namespaces.get(None, write.namespace)
        if entry is None:
            raise errors.not_found("", "namespaces", write.namespace)
        if self.server.namespace_is_ending(entry):
            raise ending(write)


def ending(write: Write) -> errors.Forbidden:
    """403 with the cause that namespace controllers look for."""
    error = forbid(
        write,
        f"unable to create new content in namespace {write.namespace} because it is being terminated",
    )
    message = f"namespace {write.namespace} is being terminated"
    error.details = (error.details or {}) | {
        "causes": [{"reason": TERMINATING, "message": message, "field": "metadata.namespace"}]
    }
    return error


def is_ending(data: bytes) -> bool:
    """Whether a namespace's bytes carry a deletion timestamp."""
    return _decode(data).metadata.deletionTimestamp is not None
