"""What the garbage collector wants to know of an object, from a struct or from metadata alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sampan.client.cache import metadata

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(frozen=True, slots=True)
class Owner:
    uid: str
    api_version: str
    kind: str
    name: str
    blocks: bool

    @property
    def group(self) -> str:
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""


@dataclass(frozen=True, slots=True)
class Facts:
    uid: str
    namespace: str | None
    name: str
    version: str
    owners: tuple[Owner, ...]
    finalizers: tuple[str, ...]
    going: bool

    @property
    def waits(self) -> bool:
        """Being deleted in the foreground: it is there until its dependents are gone."""
        return self.going and FOREGROUND in self.finalizers


def facts(obj: Any) -> Facts:
    return Facts(
        uid=metadata(obj, "uid"),
        namespace=metadata(obj, "namespace"),
        name=metadata(obj, "name"),
        version=metadata(obj, "resourceVersion"),
        owners=owners(obj),
        finalizers=tuple(metadata(obj, "finalizers") or ()),
        going=metadata(obj, "deletionTimestamp") is not None,
    )


def owners(obj: Any) -> tuple[Owner, ...]:
    references = metadata(obj, "ownerReferences")
    return tuple(_owner(reference) for reference in references) if references else ()


def _owner(reference: Any) -> Owner:
    if isinstance(reference, dict):
        return Owner(
            reference["uid"],
            reference["apiVersion"],
            reference["kind"],
            reference["name"],
            bool(reference.get("blockOwnerDeletion")),
        )
    return Owner(
        reference.uid, reference.apiVersion, reference.kind, reference.name, bool(reference.blockOwnerDeletion)
    )


def references(obj: Any, *, without: frozenset[str] = frozenset(), unblocked: bool = False) -> list[dict[str, Any]]:
    """The owner references as JSON, leaving out those to some uids; `unblocked` ones hold up no owner's deletion."""
    kept = []
    for reference in metadata(obj, "ownerReferences") or ():
        fields = reference if isinstance(reference, dict) else _json(reference)
        if fields["uid"] not in without:
            kept.append({**fields, "blockOwnerDeletion": False} if unblocked else fields)
    return kept


def _json(reference: Any) -> dict[str, Any]:
    pairs = ((name, getattr(reference, name)) for name in reference.__struct_fields__)
    return {name: value for name, value in pairs if value is not None}
