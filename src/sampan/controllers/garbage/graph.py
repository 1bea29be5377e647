"""Who is where, and who depends on whom. Pure, and small: the objects themselves stay in the informers' caches.

`where` maps a uid to the cache and key that hold the object; `dependents` maps an owner's uid, known or not, to the
uids that name it as owner. `put` and `remove` say which objects must now be looked at again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from sampan.client.cache import key_of, metadata
from sampan.controllers.garbage.facts import ORPHAN, Facts, facts, owners

REMEMBERED = 10_000


class Cache(Protocol):
    def get(self, key: str) -> Any: ...


class Graph:
    def __init__(self) -> None:
        self._where: dict[str, tuple[Cache, str]] = {}
        self._dependents: dict[str, set[str]] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._where)

    def object(self, uid: str) -> Any:
        """The cached object with that uid, or None."""
        place = self._where.get(uid)
        if place is None:
            return None
        obj = place[0].get(place[1])
        return obj if obj is not None and metadata(obj, "uid") == uid else None

    def facts(self, uid: str) -> Facts | None:
        obj = self.object(uid)
        return facts(obj) if obj is not None else None

    def cache_of(self, uid: str) -> Cache | None:
        place = self._where.get(uid)
        return place[0] if place else None

    def dependents(self, uid: str) -> list[Facts]:
        """What names that uid as an owner and is still there."""
        found = (self.facts(dependent) for dependent in self._dependents.get(uid, ()))
        return [one for one in found if one is not None]

    def is_gone(self, uid: str) -> bool:
        """Whether the object with that uid is known to have been deleted; uids never come back."""
        return uid in self._gone

    def note_gone(self, uid: str) -> None:
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)

    def put(self, cache: Cache, old: Any, new: Any) -> Iterator[str]:
        """Takes an object in (`old` is what was known of it) and yields the uids to look at."""
        uid = metadata(new, "uid")
        self._where[uid] = (cache, key_of(new))
        had = {owner.uid: owner for owner in owners(old)} if old is not None else {}
        has = {owner.uid: owner for owner in owners(new)}
        for owner in had.keys() - has.keys():
            self._unlink(owner, uid)
        for owner in has:
            self._dependents.setdefault(owner, set()).add(uid)
        changed = [owner for owner in {**had, **has} if had.get(owner) != has.get(owner)]
        yield from self._waiting(changed)
        if any(self._doubtful(owner, metadata(new, "namespace")) for owner in has):
            yield uid
        yield from self._marked(uid, old, new)

    def remove(self, old: Any) -> Iterator[str]:
        """Forgets an object and yields the uids to look at: its dependents, and owners that waited for it."""
        uid = metadata(old, "uid")
        self._where.pop(uid, None)
        self.note_gone(uid)
        owned = [owner.uid for owner in owners(old)]
        for owner in owned:
            self._unlink(owner, uid)
        yield from self._waiting(owned)
        yield from tuple(self._dependents.get(uid, ()))

    def lose(self, cache: Cache) -> None:
        """Forgets where the objects of a cache were, without taking them for gone: nobody can say so any more."""
        for uid in [uid for uid, place in self._where.items() if place[0] is cache]:
            obj = self.object(uid)
            del self._where[uid]
            for owner in owners(obj) if obj is not None else ():
                self._unlink(owner.uid, uid)

    def in_doubt(self) -> Iterator[str]:
        """The uids of all objects of which an owner may not stand: what to look at once all kinds are known."""
        for owner, dependents in tuple(self._dependents.items()):
            for uid in tuple(dependents):
                obj = self.object(uid)
                if obj is not None and self._doubtful(owner, metadata(obj, "namespace")):
                    yield uid

    def _doubtful(self, owner: str, namespace: str | None) -> bool:
        """Whether an owner is not here, waits to go, or is in another namespace than its dependent."""
        obj = self.object(owner)
        if obj is None or metadata(obj, "namespace") not in (None, namespace):
            return True
        return bool(metadata(obj, "deletionTimestamp")) and self._waits(owner)

    def _marked(self, uid: str, old: Any, new: Any) -> Iterator[str]:
        """An object that has just been marked for foreground or orphaning deletion."""
        if not metadata(new, "deletionTimestamp"):
            return
        now = facts(new)
        if now.waits or ORPHAN in now.finalizers:
            yield uid
        if now.waits and not (old is not None and facts(old).waits):
            yield from tuple(self._dependents.get(uid, ()))

    def _waits(self, uid: str) -> bool:
        known = self.facts(uid)
        return known is not None and known.waits

    def _waiting(self, uids: Iterable[str]) -> Iterator[str]:
        return (uid for uid in uids if self._waits(uid))

    def _unlink(self, owner: str, dependent: str) -> None:
        bucket = self._dependents.get(owner)
        if bucket is not None:
            bucket.discard(dependent)
            if not bucket:
                del self._dependents[owner]
