"""Who owns what: `metadata.managedFields` as a value to work on, and back.

An owner is known by its name, what it does (applies or updates) and through which subresource; updaters also by the
version they speak. Appliers have one entry whatever their version. Entries are sorted: appliers first, then by time,
then by name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from sampan.api.kinds import meta_v1
from sampan.codec import golang
from sampan.codec.apply.fieldset import Tree, is_valid, ordered, union

APPLY, UPDATE = "Apply", "Update"
MAXIMUM_UPDATERS = 10
ANCIENT = "ancient-changes"


class Owner(NamedTuple):
    """`version` is "" for an applier."""

    manager: str
    operation: str
    subresource: str
    version: str


@dataclass(slots=True)
class Owned:
    """`time` is RFC 3339, None when the owner never changed anything; `version` is the fields' API version; `entry` is
    where they were read from."""

    fields: Tree
    version: str
    time: str | None = None
    entry: Any = None


State = dict[Owner, Owned]


def owner(manager: str, operation: str, subresource: str, version: str) -> Owner:
    return Owner(manager, operation, subresource, "" if operation == APPLY else version)


def decode(entries: list[Any] | None) -> State:
    """The entries of an object's managedFields. Raises ValueError for one that is not as it should be."""
    state: State = {}
    for entry in entries or ():
        fields = entry.fieldsV1
        if entry.fieldsType != "FieldsV1" or not is_valid(fields or {}):
            raise ValueError(f"managedFields of {entry.manager!r} are not FieldsV1")
        found = owner(entry.manager or "", entry.operation or "", entry.subresource or "", entry.apiVersion or "")
        state[found] = Owned(fields or {}, entry.apiVersion or "", entry.time)
    return state


def trusted(entries: list[Any] | None) -> State:
    """As `decode`, for entries this server wrote."""
    return {
        owner(e.manager or "", e.operation or "", e.subresource or "", e.apiVersion or ""): Owned(
            e.fieldsV1 or {}, e.apiVersion or "", e.time, e
        )
        for e in entries or ()
    }


def encode(state: State) -> list[Any] | None:
    """Entries in upstream's order; None when nobody owns anything."""
    if not state:
        return None
    return [_entry(who, owned) for who, owned in sorted(state.items(), key=_rank)]


def _entry(who: Owner, owned: Owned) -> Any:
    entry = owned.entry
    if entry is not None and entry.fieldsV1 is owned.fields and entry.time == owned.time:
        return entry
    return meta_v1.ManagedFieldsEntry(
        manager=who.manager or None,
        operation=who.operation,
        apiVersion=owned.version,
        time=owned.time,
        fieldsType="FieldsV1",
        fieldsV1=ordered(owned.fields),
        subresource=who.subresource or None,
    )


def _rank(row: tuple[Owner, Owned]) -> tuple[str, ...]:
    who, owned = row
    return who.operation, owned.time or "", who.manager, owned.version, who.subresource


def cap(state: State) -> None:
    """Lets no more than ten updaters stand, in place: the fields of the oldest are put together per version."""
    updaters = sorted((o for o in state if o.operation == UPDATE), key=lambda o: (state[o].time or "", o))
    surplus = len(updaters) - MAXIMUM_UPDATERS
    first: dict[str, Owner] = {}
    for who in updaters:
        if surplus <= 0:
            return
        owned = state[who]
        bucket = Owner(ANCIENT, UPDATE, "", owned.version)
        if owned.version not in first:
            first[owned.version] = who
            continue
        if bucket not in state:
            state[bucket] = state.pop(first[owned.version])
        state[bucket] = Owned(union(owned.fields, state[bucket].fields), owned.version, owned.time)
        if who != bucket:
            del state[who]
        surplus -= 1


def name_of(who: Owner) -> str:
    """An owner as messages of conflict name it."""
    text = golang.quoted(who.manager)
    if who.subresource:
        text += f" with subresource {golang.quoted(who.subresource)}"
    return f"{text} using {who.version}" if who.operation == UPDATE else text
