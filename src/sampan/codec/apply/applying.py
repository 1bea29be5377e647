"""Server-side apply (KEP-555): making an object what one of several owners says, without touching what the others say.

The order: check the configuration; merge it into the object; take out what the applier stated last time, states no
longer and nobody else owns; find conflicts; default. The result is what the request asks to be stored, with
managedFields that say so.
"""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.aio.clock import timestamp
from sampan.api import decoding, defaults
from sampan.api.registry import Kind
from sampan.codec import json
from sampan.codec.apply import check, managers
from sampan.codec.apply.compare import compare, fields
from sampan.codec.apply.fieldset import Tree, difference, intersection, paths, union, without
from sampan.codec.apply.managers import APPLY, UPDATE, Owned, Owner, State, name_of, owner
from sampan.codec.apply.merging import merge, remove, with_fields
from sampan.codec.apply.ownership import Change, contested, disown, reset, update
from sampan.codec.apply.shapes import Shape
from sampan.codec.apply.stripped import STRIPPED
from sampan.codec.apply.versions import View, convert, kind_at, shape, to_json
from sampan.codec.errors import REPEATED, CodecError, PatchError, bounded

BEFORE_FIRST = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def decode(data: bytes | str, *, strict: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The configuration in a request's body, YAML or JSON, and a line for each key that occurs twice, which `strict`
    refuses.

    PatchError 400 in upstream's words.
    """
    from sampan.codec import yaml  # slow to load, and a server starts without

    try:
        value, repeated = yaml.decode_telling(data)
        if repeated and strict:
            raise CodecError(REPEATED + "\n".join(repeated))
    except CodecError as error:
        converting = "" if error.message.startswith("error converting") else "error converting YAML to JSON: "
        decoding_ = "error strict decoding YAML" if strict else "error decoding YAML"
        raise PatchError(f"{decoding_}: {converting}{error.message}", 400) from None
    if not isinstance(value, dict):
        raise PatchError("error decoding YAML: error unmarshaling JSON: the configuration is not an object", 400)
    return value, repeated


@bounded
def apply(
    kind: Kind,
    live: Any,
    config: dict[str, Any],
    *,
    manager: str,
    now: float,
    force: bool = False,
    subresource: str = "",
) -> Any:
    """The object (a new Struct, with defaults and managedFields) that `live` becomes when `manager` applies `config`.

    `live` is None when there is none yet. PatchError 400 for a configuration of another type, 409 when others own what
    it changes, `check.code` when it does not have the form of its type.
    """
    _check(kind, config)
    apply_ = _Apply(kind, live, config, owner(manager, APPLY, subresource, kind.api_version), now)
    try:
        return apply_.result(force=force)
    except PatchError as error:
        if manager != KUBECTL or error.code != 409 or live is None:
            raise
    apply_ = _Apply(kind, live, config, owner(manager, APPLY, subresource, kind.api_version), now)
    return apply_.result(force=False, allowed=_stated_by_client(kind, live))


def _check(kind: Kind, config: dict[str, Any]) -> None:
    group, _, version = str(config.get("apiVersion") or "").rpartition("/")
    name = str(config.get("kind") or "")
    if (group, version, name) != (kind.group, kind.version, kind.kind):
        raise PatchError(f"invalid object type: {group}/{version}, Kind={name}", 400)
    metadata = config.get("metadata")
    if isinstance(metadata, dict) and metadata.get("managedFields") is not None:
        raise PatchError("metadata.managedFields must be nil", 400)
    found = list(check.problems(config, shape(kind)))
    if found:
        metadata = metadata if isinstance(metadata, dict) else {}
        where = f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {kind.api_version}, Kind={kind.kind}"
        raise PatchError(f"failed to create typed patch object ({where}): {check.message(found)}", check.code(found))


class _Apply:
    """One attempt; `allowed` to `result` are paths that conflicts may be about."""

    def __init__(self, kind: Kind, live: Any, config: dict[str, Any], who: Owner, now: float) -> None:
        self._kind = kind
        self._live = live
        self._who = who
        self._time = timestamp(now)
        self._shape = shape(kind)
        self._before = View(kind, live)
        self._old: dict[str, Any] = self._before.at(kind.api_version) or {}
        self._ignored = reset(kind, who.subresource)
        self._config = config
        self._state = self._first_state()

    def _first_state(self) -> State:
        """The owners so far; what an object without any says is put down to one made up for the purpose."""
        state = managers.trusted(self._live.metadata.managedFields) if self._live is not None else {}
        if self._live is not None and not state:
            change = Change(self._kind, View(self._kind, None), self._before, self._ignored)
            who = owner(BEFORE_FIRST, UPDATE, self._who.subresource, self._kind.api_version)
            update(state, change, who, self._time, self._kind.api_version)
        return state

    def result(self, *, force: bool, allowed: Tree | None = None) -> Any:
        state, who, version = self._state, self._who, self._kind.api_version
        last = state.get(who)
        stated = without(fields(self._config, self._shape), self._ignored)
        state[who] = Owned(stated, version, last.time if last else None)
        value = merge(self._old, self._config, self._shape)
        if last is not None and last.fields:
            value = self._pruned(value, last)
        obj = _struct(self._kind, value)
        change = Change(self._kind, self._before, View(self._kind, obj, value), self._ignored)
        conflicts = contested(state, change, who)
        if allowed is not None:
            conflicts = {o: rest for o, c in conflicts.items() if (rest := difference(c, allowed))}
        if conflicts and not force:
            raise _conflict(conflicts)
        disown(state, change, who)
        self._settle(changed=value != self._old)
        self._default(obj)
        obj.metadata.managedFields = managers.encode(state)
        self._keep_times(obj)
        return obj

    def _keep_times(self, obj: Any) -> None:
        """An apply that changes nothing once stored leaves the times as they were, so that nothing need be stored."""
        if self._live is None or not _alike(obj.metadata.managedFields, self._live.metadata.managedFields):
            return
        if self._shape.settled(to_json(obj)) == self._shape.settled(to_json(self._live)):
            obj.metadata.managedFields = self._live.metadata.managedFields

    def _settle(self, *, changed: bool) -> None:
        """The applier's own entry; its time is that of its last change."""
        owned = self._state[self._who]
        owned.fields = difference(owned.fields, STRIPPED)
        if changed:
            owned.time = self._time
        if not owned.fields:
            del self._state[self._who]

    def _default(self, obj: Any) -> None:
        if self._live is not None and self._who.manager == KUBECTL:
            _refresh_last_applied(self._live, obj, self._config)
        try:
            defaults.apply(self._kind, obj)
        except ValueError as error:
            raise PatchError(str(error), 400) from None

    def _pruned(self, merged: dict[str, Any], last: Owned) -> dict[str, Any]:
        """Without what the applier stated last time unless someone, itself included, owns it still."""
        kind = kind_at(self._kind, last.version)
        if kind is None:
            return merged
        there = shape(kind)
        whole = _translated(merged, self._kind, kind)
        everything, before = with_fields(fields(whole, there), there), with_fields(last.fields, there)
        rest = remove(whole, before, there) or {}
        versions = sorted({o.version for o in self._state.values()}, key=lambda v: v != last.version)
        for version in versions:
            rest = self._owned_added_back(whole, rest, kind, version)
        gone = difference(everything, with_fields(fields(rest, there), there))
        return _translated(remove(whole, intersection(gone, before), there) or {}, kind, self._kind)

    def _owned_added_back(
        self, whole: dict[str, Any], rest: dict[str, Any], kind: Kind, version: str
    ) -> dict[str, Any]:
        other = kind_at(self._kind, version)
        if other is None:
            return rest
        there: Shape = shape(other)
        owned: Tree = {}
        for entry in self._state.values():
            if entry.version == version:
                owned = union(owned, entry.fields)
        whole, rest = _translated(whole, kind, other), _translated(rest, kind, other)
        keep = union(with_fields(fields(rest, there), there), with_fields(owned, there))
        gone = difference(with_fields(fields(whole, there), there), keep)
        return _translated(remove(whole, gone, there) or {}, other, kind)


def _alike(left: list[Any] | None, right: list[Any] | None) -> bool:
    """Whether entries are equal but for their times and the order that follows from them."""

    def untimed(entries: list[Any] | None) -> list[Any]:
        found = [(e.manager or "", e.operation, e.subresource or "", e.apiVersion, e.fieldsV1) for e in entries or ()]
        return sorted(found, key=lambda e: e[:4])

    return untimed(left) == untimed(right)


def _struct(kind: Kind, value: dict[str, Any]) -> Any:
    try:
        return decoding.convert(kind.struct, json.decode(json.encode(value)))[0]
    except msgspec.ValidationError as error:
        raise PatchError(str(error), 400) from None


def _translated(value: dict[str, Any], kind: Kind, wanted: Kind) -> dict[str, Any]:
    return value if wanted is kind else to_json(convert(_struct(kind, value), kind, wanted))


def _conflict(conflicts: dict[Owner, Tree]) -> PatchError:
    """409 with a cause for every path, in upstream's form."""
    causes, lines = [], []
    for who in sorted(conflicts):
        name = name_of(who)
        found = list(paths(conflicts[who]))
        causes += [{"reason": "FieldManagerConflict", "message": f"conflict with {name}", "field": p} for p in found]
        lines += [f"conflicts with {name}:", *(f"- {p}" for p in found)]
    text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    return PatchError(text, 409, details={"causes": causes})


def _stated_by_client(kind: Kind, live: Any) -> Tree:
    """The fields that kubectl's client-side apply stated and that still are so: kubectl may take them over."""
    text = (live.metadata.annotations or {}).get(LAST_APPLIED)
    try:
        stated = json.decode(text) if text else None
    except CodecError:
        stated = None
    if not isinstance(stated, dict) or stated.get("apiVersion") != kind.api_version:
        return {}
    there = shape(kind)
    if any(check.problems(stated, there)):
        return {}
    comparison = compare(stated, to_json(live), there)
    found = fields(stated, there)
    for other in comparison:
        found = difference(found, other)
    return found


def _refresh_last_applied(live: Any, obj: Any, config: dict[str, Any]) -> None:
    """Keeps kubectl's annotation true where an object has it, so that client-side apply can be gone back to."""
    if LAST_APPLIED not in (live.metadata.annotations or {}):
        return
    metadata = config.get("metadata") or {}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != LAST_APPLIED}
    stated = config | {"metadata": metadata | {"annotations": annotations}}
    text = json.encode(stated, ordered=True).decode() + "\n"
    obj.metadata.annotations = (obj.metadata.annotations or {}) | {LAST_APPLIED: text}
