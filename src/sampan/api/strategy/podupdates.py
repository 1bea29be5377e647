"""What the pod's subresources that change its spec may touch (KEP-277 ephemeral containers, KEP-1287 resize)."""

from __future__ import annotations

from typing import Any

import msgspec


def only_ephemeral_containers(new: Any, old: Any) -> None:
    added = new.spec.ephemeralContainers
    new.spec = copy_of(old.spec)
    new.spec.ephemeralContainers = added
    new.status = old.status
    new.metadata = _with_managed_fields(old.metadata, new.metadata)


def only_resources(new: Any, old: Any) -> None:
    """Resources and resize policies of containers, by name, and the pod's own resources."""
    wanted = new.spec
    new.spec = copy_of(old.spec)
    new.status = old.status
    new.metadata = _with_managed_fields(old.metadata, new.metadata)
    new.spec.resources = wanted.resources
    for name in ("containers", "initContainers"):
        given = {c.name: c for c in getattr(wanted, name) or ()}
        for container in getattr(new.spec, name) or ():
            if container.name in given:
                container.resources = given[container.name].resources
                container.resizePolicy = given[container.name].resizePolicy


def copy_of(obj: Any) -> Any:
    """A deep copy."""
    return msgspec.convert(msgspec.to_builtins(obj), type(obj))


def _with_managed_fields(old: Any, new: Any) -> Any:
    kept = copy_of(old)
    kept.managedFields = new.managedFields
    kept.resourceVersion = new.resourceVersion
    return kept
