"""Who controls what: owner references, adoption of orphans and release of what no longer matches.

An object has at most one controlling owner (`controller: true`). An owner takes in objects that match its selector and
have no controller, and lets go of those it controls that match no longer; an owner that is being deleted does neither.
Rules: API reference, OwnerReference; design proposal "controller-ref".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sampan.api.kinds import meta_v1
from sampan.api.registry import builtin
from sampan.api.selectors import Selector


def controller_of(obj: Any) -> Any:
    """The reference to the controlling owner, or None."""
    for reference in obj.metadata.ownerReferences or ():
        if reference.controller:
            return reference
    return None


def by_controller(obj: Any) -> list[str]:
    """Indexer: the controlling owner's uid."""
    reference = controller_of(obj)
    return [reference.uid] if reference is not None else []


def orphans_by_namespace(obj: Any) -> list[str]:
    """Indexer: the namespace of objects without a controlling owner."""
    return [] if controller_of(obj) is not None else [obj.metadata.namespace]


def by_namespace(obj: Any) -> list[str]:
    """Indexer: the object's namespace."""
    return [obj.metadata.namespace or ""]


def reference_to(owner: Any) -> Any:
    """A controlling reference to `owner` that holds up its foreground deletion."""
    kind = builtin().of(owner)
    return meta_v1.OwnerReference(
        apiVersion=kind.api_version,
        kind=kind.kind,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        blockOwnerDeletion=True,
    )


@dataclass
class Claim:
    """What an owner has: objects that are its own, ones to adopt and ones to release."""

    mine: list[Any] = field(default_factory=list)
    adopt: list[Any] = field(default_factory=list)
    release: list[Any] = field(default_factory=list)


def claim(owner: Any, selector: Selector, candidates: Iterable[Any]) -> Claim:
    """Sorts the candidates of the owner's namespace."""
    result = Claim()
    going = owner.metadata.deletionTimestamp is not None
    for obj in candidates:
        reference = controller_of(obj)
        matches = selector.matches(obj.metadata.labels)
        if reference is None:
            if matches and not going and obj.metadata.deletionTimestamp is None:
                result.adopt.append(obj)
        elif reference.uid == owner.metadata.uid:
            if matches:
                result.mine.append(obj)
            elif not going:
                result.release.append(obj)
    return result


def adoption(owner: Any) -> dict[str, Any]:
    """The strategic merge patch that makes `owner` the controller."""
    reference = reference_to(owner)
    fields = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
    return {"metadata": {"ownerReferences": [{name: getattr(reference, name) for name in fields}]}}


def release(owner: Any) -> dict[str, Any]:
    """The strategic merge patch that takes `owner` out of an object's owners."""
    return {"metadata": {"ownerReferences": [{"$patch": "delete", "uid": owner.metadata.uid}]}}
