"""The objects an informer knows, with indexes, as a pure structure: changes in, the differences out.

Three rules keep it right whatever arrives in which order.

1. Of two states of one object (same uid) the one with the higher resourceVersion stands; an older one is ignored.
   Resource versions of one resource are ordered integers (KEP-5504).
2. Another uid under a known name means that the known object was deleted: that deletion is reported, always.
3. The owner may put in what a write of its own returned (`observe`) before the watch brings it, so that the next
   decision sees it. `revision` is how far the stream has come: an object at or below it that the cache does not hold
   was deleted since, and is not brought back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Change = tuple[T | None, T | None]
Indexer = Callable[[Any], Iterable[str]]


def metadata(obj: Any, field: str) -> Any:
    """A field of `metadata`, of a struct or a dict; None when absent."""
    if isinstance(obj, dict):
        return obj.get("metadata", {}).get(field)
    return getattr(obj.metadata, field)


def key_of(obj: Any) -> str:
    """`namespace/name`, or `name` for an object without namespace."""
    namespace = metadata(obj, "namespace")
    name = metadata(obj, "name")
    return f"{namespace}/{name}" if namespace else str(name)


def revision_of(obj: Any) -> int:
    version = metadata(obj, "resourceVersion")
    return int(version) if version else 0


class Cache(Generic[T]):
    def __init__(self, indexers: dict[str, Indexer] | None = None) -> None:
        self.revision = 0
        self._objects: dict[str, T] = {}
        self._indexers = dict(indexers or {})
        self._indexes: dict[str, dict[str, dict[str, T]]] = {name: {} for name in self._indexers}
        self._gone: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str) -> T | None:
        return self._objects.get(key)

    def keys(self) -> Iterable[str]:
        return self._objects.keys()

    def index(self, name: str, value: str) -> list[T]:
        return list(self._indexes[name].get(value, {}).values())

    def index_values(self, name: str) -> Iterable[str]:
        return self._indexes[name].keys()

    def add_indexer(self, name: str, indexer: Indexer) -> None:
        """Adds an index, filling it from what is already here."""
        if name in self._indexers:
            return
        self._indexers[name] = indexer
        entries = self._indexes[name] = {}
        for key, obj in self._objects.items():
            for value in indexer(obj):
                entries.setdefault(value, {})[key] = obj

    def replace(self, objects: Iterable[T], revision: int) -> Iterator[Change[T]]:
        """Takes a fresh list at `revision` and yields what it changes; own writes newer than the list stay."""
        listed = {key_of(obj): obj for obj in objects}
        self.revision = max(self.revision, revision)
        self._gone.clear()
        for key, obj in list(self._objects.items()):
            if key not in listed and revision_of(obj) <= revision:
                yield self._remove(key)
        for obj in listed.values():
            yield from self._put(obj)

    def apply(self, type: str, obj: T) -> Iterator[Change[T]]:
        """Takes one watch event and yields what it changes."""
        self.revision = max(self.revision, revision_of(obj))
        if type == "DELETED":
            yield from self._deleted(key_of(obj), metadata(obj, "uid"))
        elif type != "BOOKMARK":
            yield from self._put(obj)

    def observe(self, obj: T) -> Iterator[Change[T]]:
        """Takes the answer to a write of our own, ahead of the stream."""
        if revision_of(obj) > self.revision:
            yield from self._put(obj)

    def observe_deleted(self, key: str, uid: str) -> Iterator[Change[T]]:
        """Takes the knowledge that our own delete has ended the object with that uid."""
        known = self._objects.get(key)
        if known is not None and metadata(known, "uid") == uid:
            self._gone[uid] = key
            yield self._remove(key)

    def list(self) -> list[T]:
        return [*self._objects.values()]

    def _put(self, obj: T) -> Iterator[Change[T]]:
        key = key_of(obj)
        uid = metadata(obj, "uid")
        if uid in self._gone:
            return
        old = self._objects.get(key)
        if old is not None:
            older = revision_of(obj) <= revision_of(old)
            if older:
                return
            if metadata(old, "uid") != uid:
                yield self._remove(key)
                old = None
        self._unindex(key, old)
        self._objects[key] = obj
        for name, indexer in self._indexers.items():
            entries = self._indexes[name]
            for value in indexer(obj):
                entries.setdefault(value, {})[key] = obj
        yield old, obj

    def _deleted(self, key: str, uid: str | None) -> Iterator[Change[T]]:
        self._gone.pop(uid or "", None)
        known = self._objects.get(key)
        if known is not None and metadata(known, "uid") == uid:
            yield self._remove(key)

    def _remove(self, key: str) -> Change[T]:
        old = self._objects.pop(key)
        self._unindex(key, old)
        return old, None

    def _unindex(self, key: str, old: T | None) -> None:
        if old is None:
            return
        for name, indexer in self._indexers.items():
            entries = self._indexes[name]
            for value in indexer(old):
                bucket = entries.get(value)
                if bucket is not None:
                    bucket.pop(key, None)
                    if not bucket:
                        del entries[value]
