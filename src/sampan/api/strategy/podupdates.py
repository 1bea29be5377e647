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
    """Resources and resize policies of containers, and the pod's own resources. A request that adds, removes, renames
    or moves containers stays as it is, for validation to refuse."""
    wanted = new.spec
    if any(names_in(wanted, field) != names_in(old.spec, field) for field in ("containers", "initContainers")):
        return
    new.spec = copy_of(old.spec)
    new.status = old.status
    new.metadata = _with_managed_fields(old.metadata, new.metadata)
    new.spec.resources = wanted.resources
    for field in ("containers", "initContainers"):
        for container, given in zip(getattr(new.spec, field) or (), getattr(wanted, field) or (), strict=True):
            container.resources = given.resources
            container.resizePolicy = given.resizePolicy


def names_in(spec: Any, field: str) -> list[str | None]:
    return [container.name for container in getattr(spec, field) or ()]


def copy_of(obj: Any) -> Any:
    """A deep copy."""
    return msgspec.convert(msgspec.to_builtins(obj), type(obj))


def _with_managed_fields(old: Any, new: Any) -> Any:
    kept = copy_of(old)
    kept.managedFields = new.managedFields
    kept.resourceVersion = new.resourceVersion
    return kept
