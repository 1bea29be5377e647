"""An API server in memory for unit tests: the `Client` Protocol with no socket, TLS or store behind it.

It keeps the rules that components lean on: one revision for everything, optimistic concurrency, generateName, uid,
generation, status as its own endpoint, finalizers, graceful deletion of bound pods, namespaces that wait for their
finalizer, watches from a revision with selectors and bookmarks, 410 for what is too old. It does not validate.

Faults are asked for by name: `fail` (an error before or after the write took effect), `close_watches`, `compact`,
`hold_watches` (everyone's cache goes stale) with `release_watches`. `actions` records every call.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.api import defaults, errors, schema
from sampan.api.registry import builtin
from sampan.api.selectors import parse_fields, parse_labels
from sampan.client.interface import ObjectList, Propagation, Resource, ServerResource, WatchEvent
from sampan.client.targets import Target, target, target_of
from sampan.codec import jsonpatch, mergepatch, strategic
from sampan.testing import fakeobjects
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeobjects import Action, Change, Fault, Json

DISCOVERED_VERBS = frozenset({"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"})


class FakeApi:
    """A `sampan.client.interface.Client`. `add` puts objects in without recording an action."""

    def __init__(self, clock: Clock | None = None, rng: random.Random | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.rng = rng or random.Random(1)
        self.revision = 1000
        self.actions: list[Action] = []
        self.before: Callable[[Action], Any] | None = None
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Json]] = {}
        self._changes: list[Change] = []
        self._compacted = 0
        self._faults: list[Fault] = []
        self._wakes: dict[tuple[str, str], asyncio.Event] = {}
        self._held_at: int | None = None
        self._watch_epoch = 0
        self._uids = 0
        self.allowed: set[str] = set()
        """What access reviews allow, as "USER VERB RESOURCE[/SUBRESOURCE]"; nothing else."""
        self.tokens: dict[str, tuple[str, ...]] = {}
        """Tokens that token reviews know: the user, then its groups."""
        self.not_served: set[str] = set()
        """Resources (by plural) that discovery leaves out, as before their definition is made."""

    # -- what tests ask ------------------------------------------------------------------------------------------

    @property
    def writes(self) -> list[Action]:
        """The calls that change something, in order."""
        return [action for action in self.actions if action.verb not in ("get", "list", "watch")]

    def add(self, *objects: Any) -> list[Any]:
        """Stores objects as they are, status included; returns them as a server would."""
        added = []
        for obj in objects:
            of = target_of(obj)
            value = fakeobjects.to_json(obj)
            added.append(self._typed(of, self._insert(of, value, keep_status=True)))
        return added

    def all(self, kind: Any, namespace: str | None = None) -> list[Any]:
        """Every object of a kind, in key order, without recording an action."""
        of = target(kind)
        return [self._typed(of, value) for value in self._select(of, namespace, "", "")]

    def peek(self, kind: Any, name: str, namespace: str | None = None) -> Any:
        """One object or None, without recording an action."""
        of = target(kind)
        value = self._table(of).get((namespace or "", name))
        return None if value is None else self._typed(of, value)

    def change(self, kind: Any, name: str, namespace: str | None, mutate: Callable[[Any], None]) -> Any:
        """Changes a stored object in place, status and all, as some other client would."""
        of = target(kind)
        obj = self._typed(of, self._existing(of, namespace, name))
        mutate(obj)
        return self._typed(of, self._store(of, fakeobjects.to_json(obj)))

    def remove(self, kind: Any, name: str, namespace: str | None = None) -> None:
        """Takes an object away at once, whatever its finalizers."""
        of = target(kind)
        self._erase(of, self._existing(of, namespace, name))

    def fail(
        self, verb: str, plural: str = "", error: BaseException | None = None, *, times: int = 1, after: bool = False
    ) -> None:
        """The next `times` calls of `verb` (on that resource) raise; with `after`, once they have taken effect."""
        self._faults.append(Fault(verb, plural, error or errors.InternalError("injected"), times, after))

    def recover(self) -> None:
        """No call fails any more."""
        self._faults.clear()

    def close_watches(self) -> None:
        """Ends every open watch as a server that restarts does."""
        self._watch_epoch += 1
        self._signal(*self._wakes)

    def compact(self) -> None:
        """Forgets all history: a watch from an earlier revision gets 410."""
        self._compacted = self.revision
        self._changes.clear()
        self.close_watches()

    def hold_watches(self) -> None:
        """No watch delivers anything from now on: caches go stale."""
        self._held_at = self.revision

    def release_watches(self) -> None:
        self._held_at = None
        self._signal(*self._wakes)

    # -- the Client Protocol -------------------------------------------------------------------------------------

    async def get(self, target: Any, name: str, namespace: str | None = None) -> Any:
        of = _target(target)
        fault = await self._called("get", of, namespace, name)
        value = self._existing(of, namespace, name)
        _raise_after(fault)
        return self._typed(of, value)

    async def list(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = 0
    ) -> ObjectList[Any]:
        of = _target(target)
        await self._called("list", of, namespace, "")
        items = [self._typed(of, value) for value in self._select(of, namespace, labels, fields)]
        return ObjectList(items, str(self.revision))

    async def create(self, obj: Any, *, target: Any = None) -> Any:
        of = target_of(obj, target)
        value = fakeobjects.to_json(obj)
        meta = value.setdefault("metadata", {})
        fault = await self._called("create", of, meta.get("namespace"), meta.get("name") or meta.get("generateName"))
        review = fakeobjects.REVIEWS.get(of.resource.plural)
        if review is not None:
            return self._typed(of, review(value, self.allowed, self.tokens))
        created = self._insert(of, self._defaulted(of, value))
        _raise_after(fault)
        return self._typed(of, created)

    async def update(self, obj: Any, *, target: Any = None, subresource: str = "") -> Any:
        of = target_of(obj, target)
        value = fakeobjects.to_json(obj)
        meta = value["metadata"]
        fault = await self._called("update", of, meta.get("namespace"), meta["name"], subresource)
        updated = self._replace(of, value, subresource)
        _raise_after(fault)
        return self._typed(of, updated)

    async def update_status(self, obj: Any, *, target: Any = None) -> Any:
        return await self.update(obj, target=target, subresource="status")

    async def patch(
        self,
        target: Any,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Any:
        of = _target(target)
        fault = await self._called("patch", of, namespace, name, subresource)
        old = self._existing(of, namespace, name)
        new = _patched(of, fakeobjects.copy(old), fakeobjects.to_json(patch), type)
        if new["metadata"].get("uid") != old["metadata"]["uid"]:
            raise errors.conflict(of.resource.group, of.resource.plural, name, "the UID in the precondition differs")
        updated = self._replace(of, new, subresource)
        _raise_after(fault)
        return self._typed(of, updated)

    async def delete(
        self,
        target: Any,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: Propagation | None = None,
    ) -> Any:
        of = _target(target)
        fault = await self._called("delete", of, namespace, name)
        value = self._existing(of, namespace, name)
        for field, wanted in (("uid", uid), ("resourceVersion", resource_version)):
            if wanted is not None and value["metadata"].get(field) != wanted:
                raise errors.conflict(of.resource.group, of.resource.plural, name, f"Precondition failed: {field}")
        left = self._delete(of, value, grace_period_seconds, propagation_policy)
        _raise_after(fault)
        return None if left is None else self._typed(of, left)

    async def delete_collection(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> None:
        of = _target(target)
        await self._called("deletecollection", of, namespace, "")
        for value in list(self._select(of, namespace, labels, fields)):
            self._delete(of, value, None, "Background")

    async def create_subresource(
        self, target: Any, name: str, namespace: str | None, subresource: str, body: Any
    ) -> Any:
        of = _target(target)
        await self._called("create", of, namespace, name, subresource)
        value = fakeobjects.copy(self._existing(of, namespace, name))
        if subresource == "binding":
            value["spec"]["nodeName"] = fakeobjects.to_json(body)["target"]["name"]
            self._store(of, value)
        elif subresource == "eviction":
            self._delete(of, value, None, None)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    async def watch(
        self,
        target: Any,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[WatchEvent[Any]]:
        of = _target(target)
        fault = await self._called("watch", of, namespace, "")
        _raise_after(fault)
        matches = _matcher(namespace, labels, fields)
        seen = int(resource_version or self.revision)
        epoch = self._watch_epoch
        if seen < self._compacted:
            raise errors.expired(f"too old resource version: {seen} ({self._compacted})")
        resource = (of.resource.group, of.resource.plural)
        while epoch == self._watch_epoch:
            wake = self._wakes.setdefault(resource, asyncio.Event())
            for change in self._since(of, seen):
                if epoch != self._watch_epoch:
                    return
                seen = change.revision
                event = change.seen_by(matches)
                if event is not None:
                    yield WatchEvent(event, self._typed(of, change.value))
            await wake.wait()

    async def discover(self) -> Sequence[ServerResource]:
        self.actions.append(Action("get", "discovery", None, "", ""))
        found: dict[tuple[str, str], ServerResource] = {}
        for kind in builtin().kinds():
            if kind.plural in self.not_served:
                continue
            resource = Resource(kind.group, kind.version, kind.plural, kind.namespaced, kind.kind)
            found.setdefault((kind.group, kind.plural), ServerResource(resource, frozenset(kind.verbs)))
        return list(found.values())

    # -- the rules -----------------------------------------------------------------------------------------------

    async def _called(
        self, verb: str, of: Target[Any], namespace: str | None, name: str | None, subresource: str = ""
    ) -> Fault | None:
        """Records a call, lets others run, and raises the fault that was asked for; one "after" is given back."""
        action = Action(verb, of.resource.plural, namespace, name or "", subresource)
        self.actions.append(action)
        if self.before is not None:
            self.before(action)
        await asyncio.sleep(0)
        for fault in self._faults:
            if fault.takes(action):
                fault.times -= 1
                self._faults = [left for left in self._faults if left.times > 0]
                if fault.after:
                    return fault
                raise fault.error
        return None

    def _insert(self, of: Target[Any], value: Json, keep_status: bool = False) -> Json:
        meta = value.setdefault("metadata", {})
        if not of.resource.namespaced:
            meta.pop("namespace", None)
        if not meta.get("name"):
            meta["name"] = meta["generateName"] + fakeobjects.suffix(self.rng)
        key = (meta.get("namespace", ""), meta["name"])
        if key in self._table(of):
            raise errors.already_exists(of.resource.group, of.resource.plural, meta["name"])
        self._refuse_terminating(of, meta)
        self._uids += 1
        fakeobjects.born(of, value, f"uid-{self._uids:06d}", self.clock.now(), keep_status)
        return self._store(of, value)

    @staticmethod
    def _defaulted(of: Target[Any], value: Json) -> Json:
        if of.struct is None:
            return value
        obj = of.decode(msgspec.json.encode(value))
        defaults.apply_to(obj)
        return dict(fakeobjects.to_json(obj))

    def _refuse_terminating(self, of: Target[Any], meta: Json) -> None:
        home = self._objects.get(("", "namespaces"), {}).get(("", meta.get("namespace", "")))
        if of.resource.namespaced and home is not None and home["metadata"].get("deletionTimestamp"):
            error = errors.forbidden(
                of.resource.group,
                of.resource.plural,
                meta["name"],
                f"unable to create new content in namespace {meta['namespace']} because it is being terminated",
            )
            error.details = (error.details or {}) | {"causes": [{"reason": "NamespaceTerminating"}]}
            raise error

    def _replace(self, of: Target[Any], value: Json, subresource: str) -> Json:
        meta = value["metadata"]
        old = self._existing(of, meta.get("namespace"), meta["name"])
        wanted = meta.get("resourceVersion")
        if wanted and wanted != old["metadata"]["resourceVersion"]:
            raise errors.conflict(
                of.resource.group,
                of.resource.plural,
                meta["name"],
                "the object has been modified; please apply your changes to the latest version and try again",
            )
        new = fakeobjects.merged(of, old, value if subresource else self._defaulted(of, value), subresource)
        if new == old:
            return old
        if fakeobjects.finished(new):
            return self._erase(of, new)
        return self._store(of, new)

    def _delete(self, of: Target[Any], value: Json, grace: int | None, propagation: Propagation | None) -> Json | None:
        marked = fakeobjects.doomed(of, fakeobjects.copy(value), self.clock.now(), grace, propagation)
        if fakeobjects.finished(marked):
            self._erase(of, marked)
            return None
        return value if marked == value else self._store(of, marked)

    def _store(self, of: Target[Any], value: Json) -> Json:
        meta = value["metadata"]
        table = self._table(of)
        key = (meta.get("namespace", ""), meta["name"])
        old = table.get(key)
        value = self._stamped(value)
        table[key] = value
        self._record(of, "MODIFIED" if old else "ADDED", value, old)
        return value

    def _erase(self, of: Target[Any], value: Json) -> Json:
        meta = value["metadata"]
        old = self._table(of).pop((meta.get("namespace", ""), meta["name"]))
        value = self._stamped(value)
        self._record(of, "DELETED", value, old)
        return value

    def _stamped(self, value: Json) -> Json:
        self.revision += 1
        return {**value, "metadata": {**value["metadata"], "resourceVersion": str(self.revision)}}

    def _record(self, of: Target[Any], type: str, value: Json, old: Json | None) -> None:
        resource = (of.resource.group, of.resource.plural)
        self._changes.append(Change(self.revision, resource, type, value, old))
        self._signal(resource)

    def _signal(self, *resources: tuple[str, str]) -> None:
        """Wakes the watches of those resources."""
        for resource in resources:
            wake = self._wakes.pop(resource, None)
            if wake is not None:
                wake.set()

    def _since(self, of: Target[Any], revision: int) -> Iterable[Change]:
        resource = (of.resource.group, of.resource.plural)
        limit = self.revision if self._held_at is None else self._held_at
        start = fakeobjects.first_after(self._changes, revision)
        return [change for change in self._changes[start:] if change.resource == resource and change.revision <= limit]

    def _table(self, of: Target[Any]) -> dict[tuple[str, str], Json]:
        return self._objects.setdefault((of.resource.group, of.resource.plural), {})

    def _existing(self, of: Target[Any], namespace: str | None, name: str) -> Json:
        value = self._table(of).get((namespace or "", name))
        if value is None:
            raise errors.not_found(of.resource.group, of.resource.plural, name)
        return value

    def _select(self, of: Target[Any], namespace: str | None, labels: str, fields: str) -> Sequence[Json]:
        matches = _matcher(namespace, labels, fields)
        return [value for _, value in sorted(self._table(of).items()) if matches(value)]

    def _typed(self, of: Target[Any], value: Json) -> Any:
        if of.resource.metadata_only:
            value = {key: value[key] for key in ("apiVersion", "kind", "metadata")}
        return of.decode(msgspec.json.encode(value))


_target = target


def _raise_after(fault: Fault | None) -> None:
    if fault is not None:
        raise fault.error


def _matcher(namespace: str | None, labels: str, fields: str) -> Callable[[Json], bool]:
    wanted_labels = parse_labels(labels)
    wanted_fields = parse_fields(fields)

    def matches(value: Json) -> bool:
        meta = value["metadata"]
        if namespace and meta.get("namespace") != namespace:
            return False
        if labels and not wanted_labels.matches(meta.get("labels", {})):
            return False
        return not fields or wanted_fields.matches(fakeobjects.Fields(value))

    return matches


def _patched(of: Target[Any], value: Json, patch: Any, type: str) -> Json:
    if type == "json":
        return jsonpatch.apply(value, patch)
    if type == "strategic" and of.struct is not None:
        return strategic.apply(value, patch, schema.info(of.struct))
    return mergepatch.apply(value, patch)
