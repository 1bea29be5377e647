"""Creates, updates and patches: recording who changed what."""

from __future__ import annotations

from typing import Any

from sampan.aio.clock import timestamp
from sampan.api.registry import Kind
from sampan.codec.apply import managers
from sampan.codec.apply.managers import UPDATE, State, owner
from sampan.codec.apply.ownership import Change, reset, update
from sampan.codec.apply.versions import View


def record(kind: Kind, old: Any, new: Any, *, manager: str, now: float, subresource: str = "") -> None:
    """Sets `new.metadata.managedFields` for a write by `manager` that turns `old` (None: it creates) into `new`, both with
    defaults. `now` is in seconds since the epoch.

    What a request says in managedFields counts if it can be read, except through a subresource; `[{}]` forgets all
    owners. An object that nobody is known to own any field of stays so until it is applied. A write that changes
    nothing keeps the entries as they are, times included.
    """
    given, new.metadata.managedFields = new.metadata.managedFields, None
    entries = old.metadata.managedFields if old is not None else None
    state = _state(entries, None if subresource else given)
    if old is not None and not state:
        return
    untouched = old is not None and (subresource or not given or given == entries)
    if untouched and _same(old, new):
        new.metadata.managedFields = entries
        return
    change = Change(kind, View(kind, old), View(kind, new), reset(kind, subresource, create=old is None))
    # A scale is an object of its own, and what it does to the object it scales carries no time.
    time = None if subresource == "scale" else timestamp(now)
    update(state, change, owner(manager, UPDATE, subresource, kind.api_version), time, kind.api_version)
    managers.cap(state)
    new.metadata.managedFields = managers.encode(state)


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
