"""Watches over the engine's changes.

A watch that keeps up is *live*: each group's events in its range are put into its buffer. One that starts in the past,
or whose reader is slower than the writers, *lags*: its buffer is dropped and it reads the log in chunks from where it
stands, until it has caught up and is live again. So a watch holds a bounded amount whatever its reader does, and never
misses a change, unless what it needs next is compacted, which it then says.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Protocol

from sampan.store.errors import Compacted, Unavailable
from sampan.store.interface import Event
from sampan.store.log import Log, Row, first_id, key_value

BUFFER = 4096
"""Events a live watch may hold for its reader before it falls back to reading the log. A reader that keeps up gets
any group at once, however large, or it would not find what was acknowledged."""
CHUNK = 512
"""Rows a lagging watch reads at once, unless a single commit has more."""


class Source(Protocol):
    """What a watch needs of the engine."""

    log: Log

    @property
    def revision(self) -> int: ...

    @property
    def compacted(self) -> int: ...


class LiveWatch:
    """`interface.Watch` over a feed; where history comes from is its heirs' to say.

    `lags` says that the feed is already past `revision`, `closed` is called with the watch at its end.
    """

    def __init__(
        self, start: str, end: str, revision: int, previous: bool, *, lags: bool, closed: Callable[..., Any]
    ) -> None:
        self.start, self.end, self.previous = start, end, previous
        self.revision = revision
        self.failure: Unavailable | None = None
        self._pending: list[Event] = []
        self._reached = revision
        self._lagging = lags
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        self._on_close = closed

    def deliver(self, events: Sequence[Event], revision: int) -> None:
        """Takes a group's events that are in range; `revision` is reached even if there are none."""
        if self._lagging or revision <= self._reached:
            return
        if events and events[0].revision <= self._reached:
            events = [event for event in events if event.revision > self._reached]
        if self._pending and len(self._pending) + len(events) > BUFFER:
            self._pending = []
            self._lagging = True
        else:
            self._pending += events
            self._reached = revision
        self._wake()

    def close(self, failure: Unavailable | None = None) -> None:
        self.failure = self.failure or failure
        self._closed = True
        self._pending = []
        self._on_close(self)
        self._wake()

    def __aiter__(self) -> AsyncIterator[list[Event]]:
        return self

    async def __anext__(self) -> list[Event]:
        while not self._closed:
            if self._lagging:
                if (events := await self._catch_up()) is not None:
                    return events
            elif self._reached > self.revision:
                events, self._pending = self._pending, []
                self.revision = self._reached
                return events
            else:
                await self._wait()
        if self.failure:
            raise self.failure.with_traceback(None)  # it would keep all that it was ever raised through
        raise StopAsyncIteration

    async def _catch_up(self) -> list[Event] | None:
        """The next events in range from history, or None to be asked again; ends `_lagging` when it is with the feed.

        Raises `Compacted` when the history is gone.
        """
        raise NotImplementedError

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class FeedWatch(LiveWatch):
    """A watch whose history is in a log."""

    def __init__(self, source: Source, start: str, end: str, revision: int, previous: bool, closed: Callable[..., Any]):
        super().__init__(start, end, revision, previous, lags=revision < source.revision, closed=closed)
        self._source = source

    async def _catch_up(self) -> list[Event] | None:
        """The next events in range from the log, or None when the watch went live without any."""
        until = self._source.revision
        if self.revision >= until:
            self._lagging = False
            return None
        rows, reached = await self._read(until, CHUNK)
        if self.revision < self._source.compacted:
            raise Compacted(self._source.compacted)
        events = await self._events(rows)
        self.revision = self._reached = reached
        return events

    async def _read(self, until: int, limit: int) -> tuple[list[Row], int]:
        """Rows after the watch's revision, whole commits only, and the revision they are complete to."""
        after = first_id(self.revision + 1) - 1
        rows = await self._source.log.changes(after, first_id(until + 1), limit=limit, values=True)
        if len(rows) < limit:
            return rows, until
        last = rows[-1].revision
        if rows[0].revision == last:
            return await self._read(until, limit * 8)
        return [row for row in rows if row.revision < last], last - 1

    async def _events(self, rows: list[Row]) -> list[Event]:
        rows = [row for row in rows if self.start <= row.key < self.end]
        ids = [row.previous for row in rows if row.previous] if self.previous else []
        replaced = await self._source.log.rows(ids) if ids else {}
        return [event(row, replaced) for row in rows]


def event(row: Row, replaced: dict[int, Row]) -> Event:
    previous = replaced.get(row.previous)
    was = key_value(previous) if previous and previous.value is not None else None
    return Event(row.key, row.value, row.revision, was, row.create_revision, row.version, row.lease)


class Feed:
    """The open watches of an engine."""

    def __init__(self) -> None:
        self._watches: dict[LiveWatch, None] = {}

    @property
    def wants_previous(self) -> bool:
        return any(watch.previous for watch in self._watches)

    def open(self, source: Source, start: str, end: str, from_revision: int, previous: bool) -> FeedWatch:
        watch = FeedWatch(source, start, end, from_revision, previous, self.remove)
        self.add(watch)
        return watch

    def add(self, watch: LiveWatch) -> None:
        self._watches[watch] = None

    def remove(self, watch: LiveWatch) -> None:
        self._watches.pop(watch, None)

    def dispatch(self, events: list[Event], revision: int) -> None:
        for watch in tuple(self._watches):
            watch.deliver([event for event in events if watch.start <= event.key < watch.end], revision)

    def close(self, failure: Unavailable | None = None) -> None:
        for watch in tuple(self._watches):
            watch.close(failure)

    def __iter__(self) -> Iterator[LiveWatch]:
        return iter(tuple(self._watches))

    def __len__(self) -> int:
        return len(self._watches)
