"""Watches over etcd: as the engine's, but history comes from a stream of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from sampan.store.errors import Unavailable
from sampan.store.etcd.stream import Stream
from sampan.store.feed import LiveWatch
from sampan.store.interface import Event


class History(Protocol):
    """What a watch needs of the store."""

    @property
    def revision(self) -> int: ...

    def past(self, revision: int, *, previous: bool) -> Stream:
        """Changes from `revision` on, that revision's included."""
        ...


class EtcdWatch(LiveWatch):
    """`interface.Watch`: live from the trunk, and while it lags, from a stream that ends where the trunk is."""

    def __init__(
        self, history: History, start: str, end: str, revision: int, previous: bool, closed: Callable[..., Any]
    ) -> None:
        super().__init__(start, end, revision, previous, lags=revision < history.revision, closed=closed)
        self._history = history
        self._past: Stream | None = None
        self._catching_up: asyncio.Task[Any] | None = None

    def fall_behind(self) -> None:
        """The trunk skips revisions: what comes next is to be read from history."""
        self._pending = []
        self._lagging = True
        self._wake()

    def close(self, failure: Unavailable | None = None) -> None:
        super().close(failure)
        self._end_past()
        if self._catching_up is not None:
            self._catching_up.cancel()

    async def _catch_up(self) -> list[Event] | None:
        if self.revision >= self._history.revision and self._past is None:
            self._lagging = False
            return None
        if self._past is None:
            # etcd refuses what begins before its oldest revision, so beginning at our own tells whether that is gone.
            self._past = self._history.past(self.revision, previous=self.previous)
        self._catching_up = asyncio.ensure_future(self._past.next())
        try:
            events, reached = await self._catching_up
        except asyncio.CancelledError:
            self._end_past()
            if self._closed:
                return None
            raise
        except Unavailable:
            self._end_past()
            return None
        except BaseException:
            self._end_past()
            raise
        finally:
            self._catching_up = None
        return self._advance(events, reached)

    def _advance(self, events: list[Event], reached: int) -> list[Event] | None:
        if not events or reached <= self.revision:
            # Progress says nothing of revisions that the trunk has counted by events.
            return None
        found = [event for event in events if event.revision > self.revision and self.start <= event.key < self.end]
        self.revision = self._reached = reached
        if reached >= self._history.revision:
            self._lagging = False
            self._end_past()
        return found

    def _end_past(self) -> None:
        if self._past is not None:
            self._past.close()
            self._past = None
