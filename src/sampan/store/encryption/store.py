"""`EncryptedStore`: another store, with values encrypted on their way in and decrypted on their way out."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.aio.files import Watched
from sampan.aio.tasks import TaskOwner
from sampan.store.encryption.configuration import Configuration, load
from sampan.store.encryption.kms import KeyNeeded
from sampan.store.errors import StoreError
from sampan.store.interface import Commit, Compare, Event, KeyValue, Operation, Put, Range, Store, Watch

log = logging.getLogger(__name__)
LOOK_SECONDS = 10.0


class EncryptedStore:
    """`Store` around `inner`. Values that cannot be read raise `Corrupt`; nothing is ever handed out encrypted.

    With a `file`, what it says later is taken up while serving, within `LOOK_SECONDS`; a file that cannot be used
    changes nothing. Give all servers the new key as a second one before any of them writes with it.

    A commit is queued in the moment of the call, as `Store` demands, so what it takes to encrypt is there before: a KMS
    plug-in is asked at the start, and by `clock` from time to time.
    """

    def __init__(self, inner: Store, configuration: Configuration, clock: Clock, *, file: Path | None = None) -> None:
        self.inner = inner
        self.local = inner.local
        self.configuration = configuration
        self._clock = clock
        self._watched = Watched([file]) if file is not None else None
        self._reloads = 0
        self._tasks = TaskOwner("encryption")
        self._polling = TaskOwner("kms")

    async def broken(self) -> str:
        return await self.inner.broken()

    @property
    def revision(self) -> int:
        return self.inner.revision

    async def start(self) -> None:
        for plugin in self.configuration.plugins.values():
            await plugin.start()
        await self.inner.start()
        self._poll()
        if self._watched is not None:
            self._tasks.start(self._follow, name="follow", policy="log")

    def _poll(self) -> None:
        for plugin in self.configuration.plugins.values():
            self._polling.start(partial(plugin.run, self._clock), name=plugin.name, policy="log")

    async def _follow(self) -> None:
        """Takes up what the file says when it has changed."""
        assert self._watched is not None
        (file,) = self._watched.paths
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            if not self._watched.changed():
                continue
            try:
                await self.use(load(file))
            except StoreError as error:
                log.error("the old encryption configuration stays file=%s error=%s", file, error)
                continue
            self._reloads += 1
            log.info("encryption configuration taken up file=%s", file)

    async def close(self) -> None:
        await self._tasks.close()
        await self._polling.close()
        await self.inner.close()
        for plugin in self.configuration.plugins.values():
            await plugin.close()

    async def use(self, configuration: Configuration) -> None:
        """Goes on with another configuration; its plug-ins are started first, so a failure changes nothing."""
        for plugin in configuration.plugins.values():
            await plugin.start()
        old, self.configuration = self.configuration, configuration
        await self._polling.close()
        for plugin in old.plugins.values():
            await plugin.close()
        self._poll()

    # Reads

    async def latest(self) -> int:
        return await self.inner.latest()

    async def get(self, key: str, *, revision: int = 0) -> KeyValue | None:
        found = await self.inner.get(key, revision=revision)
        return None if found is None else await self._plain(found)

    async def range(
        self, start: str, end: str, *, limit: int = 0, revision: int = 0, count_only: bool = False
    ) -> Range:
        found = await self.inner.range(start, end, limit=limit, revision=revision, count_only=count_only)
        if not found.items:
            return found
        return msgspec.structs.replace(found, items=[await self._plain(item) for item in found.items])

    def watch(self, start: str, end: str, *, from_revision: int, previous: bool = False) -> Watch:
        return PlainWatch(self, self.inner.watch(start, end, from_revision=from_revision, previous=previous))

    async def _plain(self, item: KeyValue) -> KeyValue:
        value = await self.opened(item.key, item.value)
        return item if value is item.value else msgspec.structs.replace(item, value=value)

    async def opened(self, key: str, data: bytes) -> bytes:
        """The plain value of what is stored at `key`; raises `Corrupt`."""
        chain = self.configuration.chain(key)
        while True:
            try:
                return chain.open(data, key)
            except KeyNeeded as needed:
                await needed.fetch()

    async def plain_event(self, event: Event) -> Event:
        previous = None if event.previous is None else await self._plain(event.previous)
        if event.value is None:
            return event if previous is None else msgspec.structs.replace(event, previous=previous)
        return msgspec.structs.replace(event, value=await self.opened(event.key, event.value), previous=previous)

    # Writes

    def commit(self, compares: Sequence[Compare], operations: Sequence[Operation]) -> Awaitable[Commit]:
        sealed = [self._sealed(each) if isinstance(each, Put) else each for each in operations]
        return self._plain_commit(self.inner.commit(compares, sealed))

    def _sealed(self, put: Put) -> Put:
        return Put(put.key, self.configuration.chain(put.key).seal(put.value, put.key), put.lease)

    async def _plain_commit(self, pending: Awaitable[Commit]) -> Commit:
        commit = await pending
        if not commit.found:
            return commit
        found = {key: item and await self._plain(item) for key, item in commit.found.items()}
        return Commit(commit.succeeded, commit.revision, found)

    # What has no values in it

    async def compact(self, revision: int) -> None:
        await self.inner.compact(revision)

    async def lease_grant(self, ttl_s: int) -> int:
        return await self.inner.lease_grant(ttl_s)

    async def lease_renew(self, lease: int) -> int:
        return await self.inner.lease_renew(lease)

    async def lease_revoke(self, lease: int) -> None:
        await self.inner.lease_revoke(lease)

    def statistics(self) -> dict[str, Any]:
        return {**self.inner.statistics(), "encrypted": True, "encryption_reloads": self._reloads}


class PlainWatch:
    """A watch whose events are decrypted when its reader takes them."""

    def __init__(self, store: EncryptedStore, inner: Watch) -> None:
        self.revision = inner.revision
        self._store = store
        self._inner = inner

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        return self

    async def __anext__(self) -> list[Event]:
        events = [await self._store.plain_event(event) for event in await self._inner.__anext__()]
        self.revision = self._inner.revision
        return events

    def close(self) -> None:
        self._inner.close()
