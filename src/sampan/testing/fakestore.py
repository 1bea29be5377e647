"""What the fake API server keeps: tables of JSON values, one revision, the history that watches read.

The rules for one object are in `fakeobjects`; here are those between objects: names that are taken, optimistic
concurrency, namespaces that are ending, what a selection sees.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.api import defaults, errors, schema
from sampan.api.selectors import parse_fields, parse_labels
from sampan.client.interface import Propagation
from sampan.client.targets import Target
from sampan.codec import jsonpatch, mergepatch, strategic
from sampan.testing import fakeobjects
from sampan.testing.fakeobjects import Change, Json


class FakeStore:
    """The base of `FakeApi`."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.revision = 1000
        self._objects: dict[tuple[str, str], dict[tuple[str, str], Json]] = {}
        self._changes: list[Change] = []
        self._wakes: dict[tuple[str, str], asyncio.Event] = {}
        self._held: dict[str, int] = {}
        self._uids = 0
        self.observers: list[Callable[[Change], None]] = []
        """Called with every change, as it happens."""

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
        change = Change(self.revision, resource, type, value, old)
        self._changes.append(change)
        for observe in self.observers:
            observe(change)
        self._signal(resource)

    def _signal(self, *resources: tuple[str, str]) -> None:
        """Wakes the watches of those resources."""
        for resource in resources:
            wake = self._wakes.pop(resource, None)
            if wake is not None:
                wake.set()

    def _since(self, of: Target[Any], revision: int) -> Iterable[Change]:
        resource = (of.resource.group, of.resource.plural)
        limit = min(
            (self._held[name] for name in ("", of.resource.plural) if name in self._held), default=self.revision
        )
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
        matches = matcher(namespace, labels, fields)
        return [value for _, value in sorted(self._table(of).items()) if matches(value)]

    def _typed(self, of: Target[Any], value: Json) -> Any:
        if of.resource.metadata_only:
            value = {key: value[key] for key in ("apiVersion", "kind", "metadata")}
        return of.decode(msgspec.json.encode(value))


def matcher(namespace: str | None, labels: str, fields: str) -> Callable[[Json], bool]:
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


def patched(of: Target[Any], value: Json, patch: Any, type: str) -> Json:
    if type == "json":
        return jsonpatch.apply(value, patch)
    if type == "strategic" and of.struct is not None:
        return strategic.apply(value, patch, schema.info(of.struct))
    return mergepatch.apply(value, patch)
