"""Creates, updates and patches: recording who changed what."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.kinds import meta_v1
from sampan.api.registry import Kind
from sampan.codec.apply import created, managers
from sampan.codec.apply.fieldset import LEAF, SELF, ordered, union, without
from sampan.codec.apply.managers import UPDATE, State, owner
from sampan.codec.apply.ownership import Change, reset, update
from sampan.codec.apply.shapes import Unkeyed
from sampan.codec.apply.versions import View, to_json

# Annotations that the server makes of a field that is no longer shown, and that count as the creator's.
ANNOTATED = {("apps", "DaemonSet"): "deprecated.daemonset.template.generation"}


def record(kind: Kind, old: Any, new: Any, *, manager: str, now: float, subresource: str = "") -> None:
    """Sets `new.metadata.managedFields` for a write by `manager` that turns `old` (None: it creates) into `new`.

    Both have their defaults; `now` is in seconds since the epoch.

    What a request says in managedFields counts if it can be read, except through a subresource; `[{}]` forgets all
    owners. An object that nobody is known to own any field of stays so until it is applied. A write that changes
    nothing keeps the entries as they are, times included. What cannot be told apart, or is nested too deep to walk,
    cannot be owned: then there are no entries, and it is for validation to refuse the object.
    """
    try:
        _record(kind, old, new, manager, now, subresource)
    except (Unkeyed, RecursionError):
        new.metadata.managedFields = None


def _record(kind: Kind, old: Any, new: Any, manager: str, now: float, subresource: str) -> None:
    given, new.metadata.managedFields = new.metadata.managedFields, None
    if old is None and not given:
        new.metadata.managedFields = _created(kind, new, manager, subresource, timestamp(now))
        return
    entries = old.metadata.managedFields if old is not None else None
    state = _state(entries, None if subresource else given)
    if old is not None and not state:
        return
    untouched = old is not None and (subresource or not given or given == entries)
    if untouched and _same(old, new):
        new.metadata.managedFields = entries
        return
    after = View(kind, new, _annotated(kind, new))
    change = Change(kind, View(kind, old), after, reset(kind, subresource))
    # A scale is an object of its own, and what it does to the object it scales carries no time.
    time = None if subresource == "scale" else timestamp(now)
    update(state, change, owner(manager, UPDATE, subresource, kind.api_version), time, kind.api_version)
    managers.cap(state)
    new.metadata.managedFields = managers.encode(state)


def _created(kind: Kind, new: Any, manager: str, subresource: str, time: str) -> list[Any] | None:
    """The one entry of a new object's creator."""
    found = without(created.fields(new), reset(kind, subresource))
    annotation = ANNOTATED.get((kind.group, kind.kind))
    if annotation:
        found = union(found, {"f:metadata": {"f:annotations": {SELF: LEAF, f"f:{annotation}": LEAF}}})
    if not found:
        return None
    entry = meta_v1.ManagedFieldsEntry(
        manager=manager or None,
        operation=UPDATE,
        apiVersion=kind.api_version,
        time=time,
        fieldsType="FieldsV1",
        fieldsV1=ordered(found) if annotation else found,
        subresource=subresource or None,
    )
    return [entry]


def _annotated(kind: Kind, obj: Any) -> dict[str, Any] | None:
    """The object with the annotation that the server will put back; None when there is none to put back."""
    annotation = ANNOTATED.get((kind.group, kind.kind))
    if annotation is None or annotation in (obj.metadata.annotations or {}):
        return None
    value = to_json(obj)
    value["metadata"]["annotations"] = {**(obj.metadata.annotations or {}), annotation: "0"}
    return value


def _same(old: Any, new: Any) -> bool:
    kept, old.metadata.managedFields = old.metadata.managedFields, None
    try:
        return bool(old == new)
    finally:
        old.metadata.managedFields = kept


def _state(entries: list[Any] | None, given: list[Any] | None) -> State:
    """Where a write starts from: what the request says, else what the object has."""
    if given and given != entries:
        if len(given) == 1 and given[0] == type(given[0])():
            return {}
        try:
            state = managers.decode(given)
        except ValueError:
            state = {}
        if state:
            return state
    return managers.trusted(entries)
