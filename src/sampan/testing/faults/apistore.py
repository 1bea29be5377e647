"""The Kubernetes API as the clients of `workload` see a store: keys are ConfigMaps, revisions resource versions.

`/k/3` is the ConfigMap `3` of the namespace `k`, and its value what `data.v` says. A compare is the object's
`resourceVersion` (or its absence: a creation), a range a list, by pages now and then, and a watch a watch with
bookmarks. What the API does not tell is 0 here: versions, creation's revisions, and the revision of a deletion.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol

from sampan.store import keys
from sampan.store.errors import Compacted, InvalidCommit, Unavailable
from sampan.store.interface import Commit, Compare, Event, KeyValue, Operation, Put, Range, Store, Watch

NAMESPACE = "k"
NAMES = tuple(str(n) for n in range(6))
PLACE = f"/{NAMESPACE}/"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
ANSWERED = (200, 201)
PAGES_EVERY = 3


class Lines(Protocol):
    """A watch's answer, event by event."""

    async def next(self) -> dict[str, Any]:
        """Raises `Unavailable` when the answer has ended, for whatever reason."""
        ...

    def close(self) -> None: ...


class Caller(Protocol):
    """The way to a server."""

    async def request(self, method: str, target: str, body: Any = None) -> tuple[int, Any]:
        """The status and the decoded body; raises `Unavailable` when there was no answer."""
        ...

    def follow(self, target: str) -> Lines: ...


class ApiStore:
    """`workload.Served` over one server."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._lists = 0

    async def prepare(self) -> None:
        """Makes the namespace, if nobody has."""
        body = {"metadata": {"name": NAMESPACE}}
        status, answer = await self._caller.request("POST", "/api/v1/namespaces", body)
        if status not in (201, 409):
            raise Unavailable(f"the namespace could not be made: {answer}")

    async def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Commit:
        (operation,) = operations
        expected = compares[0].mod_revision if compares else None
        if isinstance(operation, Put):
            return await self._put(operation, expected)
        return await self._delete(operation.key, expected or 0)

    async def _put(self, put: Put, expected: int | None) -> Commit:
        name = _name(put.key)
        body: dict[str, Any] = {
            "metadata": {"name": name, "labels": {"name": name}},
            "data": {"v": put.value.decode()},
        }
        if expected == 0:
            return _decided(await self._caller.request("POST", MAPS, body), conflicts=(409,))
        if expected is None:
            return _decided(await self._caller.request("PUT", f"{MAPS}/{name}", body), conflicts=())
        body["metadata"]["resourceVersion"] = str(expected)
        return _decided(await self._caller.request("PUT", f"{MAPS}/{name}", body), conflicts=(404, 409))

    async def _delete(self, key: str, expected: int) -> Commit:
        options = {"preconditions": {"resourceVersion": str(expected)}}
        answer = await self._caller.request("DELETE", f"{MAPS}/{_name(key)}", options)
        decided = _decided(answer, conflicts=(404, 409))
        return Commit(decided.succeeded, 0, {})

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        self._lists += 1
        selection = _selection(start, end)
        limit = 2 if self._lists % PAGES_EVERY == 0 else 0
        token, items = "", []
        while True:
            page = await self._page(f"{MAPS}?{selection}&limit={limit}&continue={token}")
            items += [_item(each) for each in page["items"]]
            token = page["metadata"].get("continue", "")
            if not token:
                return Range(items, False, len(items), int(page["metadata"]["resourceVersion"]))

    async def _page(self, target: str) -> Any:
        status, answer = await self._caller.request("GET", target)
        if status == 410:
            raise Compacted(0)
        if status != 200:
            raise Unavailable(f"{status}: {answer}")
        return answer

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        target = f"{MAPS}?watch=1&allowWatchBookmarks=true&resourceVersion={from_revision}&{_selection(start, end)}"
        return ApiWatch(self._caller.follow(target), from_revision)

    async def lease_grant(self, ttl_s: int) -> int:
        raise Unavailable("the API has no leases of this kind")


class ApiWatch:
    """`interface.Watch` over a watch of the API."""

    def __init__(self, lines: Lines, revision: int) -> None:
        self.revision = revision
        self._lines = lines

    def __aiter__(self) -> ApiWatch:
        return self

    async def __anext__(self) -> list[Event]:
        line = await self._lines.next()
        kind, seen = line["type"], line["object"]
        if kind == "ERROR":
            raise Compacted(0) if seen.get("code") == 410 else Unavailable(str(seen))
        self.revision = int(seen["metadata"]["resourceVersion"])
        if kind == "BOOKMARK":
            return []
        item = _item(seen)
        return [Event(item.key, None if kind == "DELETED" else item.value, item.mod_revision)]

    def close(self) -> None:
        self._lines.close()


class Underneath:
    """`workload.Served` for the log alone: the ConfigMaps as they lie in the store that the servers share."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._start = keys.prefix("", "configmaps", NAMESPACE)

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        found = await self._store.range(self._start, keys.end(self._start), revision=revision)
        items = [KeyValue(self._key(item.key), _value(item.value), 0, item.mod_revision, 0) for item in found.items]
        return Range(items, False, len(items), found.revision)

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        watch = self._store.watch(self._start, keys.end(self._start), from_revision=from_revision)
        return UnderneathWatch(watch, self._key)

    async def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Commit:
        raise InvalidCommit("nothing is written beneath the servers")

    async def lease_grant(self, ttl_s: int) -> int:
        raise InvalidCommit("nothing is written beneath the servers")

    def _key(self, key: str) -> str:
        return PLACE + key[len(self._start) :]


class UnderneathWatch:
    """`interface.Watch` whose events are of the clients' keys."""

    def __init__(self, watch: Watch, key: Any) -> None:
        self._watch = watch
        self._key = key

    @property
    def revision(self) -> int:
        return self._watch.revision

    def __aiter__(self) -> UnderneathWatch:
        return self

    async def __anext__(self) -> list[Event]:
        return [
            Event(self._key(event.key), None if event.value is None else _value(event.value), event.revision)
            for event in await self._watch.__anext__()
        ]

    def close(self) -> None:
        self._watch.close()


def _name(key: str) -> str:
    return key.removeprefix(PLACE)


def _selection(start: str, end: str) -> str:
    """The query that selects the keys of a range."""
    if start < PLACE and end > PLACE + "~":
        return ""
    chosen = [name for name in (*NAMES, "end") if start <= PLACE + name < end]
    if len(chosen) == 1:
        return f"fieldSelector=metadata.name={chosen[0]}"
    return f"labelSelector=name+in+({','.join(chosen)})"


def _item(seen: dict[str, Any]) -> KeyValue:
    metadata = seen["metadata"]
    return KeyValue(PLACE + metadata["name"], seen["data"]["v"].encode(), 0, int(metadata["resourceVersion"]), 0)


def _value(stored: bytes) -> bytes:
    return str(json.loads(stored)["data"]["v"]).encode()


def _decided(answer: tuple[int, Any], *, conflicts: tuple[int, ...]) -> Commit:
    """What an answer to a write means; raises `InvalidCommit` for what was certainly not done."""
    status, body = answer
    if status in ANSWERED:
        return Commit(True, int(body.get("metadata", {}).get("resourceVersion") or 0), {})
    if status in conflicts:
        return Commit(False, 0, {})
    if status < 500 and status != 429:
        raise InvalidCommit(f"{status}: {body}")
    raise Unavailable(f"{status}: {body}")
