"""The trunk: one watch over all the store's keys, from which all live watches of this process are served.

Every revision of etcd's has at least one event, so whoever sees all events up to a revision knows to have seen the
revisions before. That is how a commit's caller is kept waiting until the watches have been given its change, and how
`fresh` reads wait for other servers' writes, without asking etcd for progress (whose answer to that may, before 3.4.25
and 3.5.8, overtake events: https://github.com/etcd-io/etcd/issues/15220).

When others use the same etcd outside the store's prefix, a revision may be theirs, and the trunk never hears of it.
Then the store writes a *beat*, a reserved key of its own, whose event comes after all that was before. The trunk so
counts events alone; what etcd says of its progress only tells where to begin again after a disconnection.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from sampan.aio.clock import Clock
from sampan.store.errors import Compacted, Unavailable
from sampan.store.etcd.stream import Batch, Stream
from sampan.store.etcd.watch import EtcdWatch
from sampan.store.feed import Feed
from sampan.store.interface import Event

log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.1
Open = Callable[[int, bool], Stream]


class Trunk:
    """`open(start, previous)` begins a stream; `now()` answers etcd's revision, `present()` one that has an event here.

    `fail` is called when etcd's revision has gone back: its data were restored or lost, and what the watches were given
    may no longer be true.
    """

    def __init__(
        self,
        feed: Feed,
        clock: Clock,
        *,
        open: Open,
        now: Callable[[], Awaitable[int]],
        present: Callable[[], Awaitable[int]],
        fail: Callable[[str], None],
    ) -> None:
        self.revision = 1
        self.previous = False
        self.reconnects = -1
        self._feed = feed
        self._clock = clock
        self._open = open
        self._now = now
        self._present = present
        self._fail = fail
        self._seen = 1
        self._stream: Stream | None = None
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    def begin(self, revision: int) -> None:
        self.revision = self._seen = revision

    async def run(self) -> None:
        """Follows etcd, for ever but for its revision going back."""
        while True:
            self.reconnects += 1
            try:
                if self.reconnects and (now := await self._now()) < self.revision:
                    self._fail(
                        f"etcd's revision went back from {self.revision} to {now}: its data were restored or lost; "
                        "restart the API servers"
                    )
                    return
                await self._follow()
            except Compacted as compacted:
                log.warning("etcd compacted what was to come next revision=%d error=%s", self._seen, compacted)
                await self._skip()
            except Unavailable as error:
                log.warning("watch of etcd broken off, beginning again revision=%d error=%s", self._seen, error)
                await self._clock.sleep(PAUSE_SECONDS)
            except Restarted:
                continue

    def want_previous(self) -> None:
        """From here on events carry the state before."""
        if not self.previous:
            self.previous = True
            if self._stream is not None:
                self._stream.close()

    async def reached(self, revision: int) -> None:
        """Waits until the watches have been given everything up to `revision`."""
        if self.revision >= revision:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, future))
        await future

    def release(self) -> None:
        """Lets everyone go who waits: the store is closed."""
        self._resolve(1 << 63)

    async def _follow(self) -> None:
        previous = self.previous
        # Beginning at what has been seen, not after it: etcd of before 2025 lets a watch begin right at the
        # revision compacted to, without what was deleted there (https://github.com/etcd-io/etcd/issues/18089).
        self._stream = stream = self._open(self._seen, previous)
        try:
            while True:
                batch = await stream.next()
                if previous == self.previous:
                    self._take(batch)
        except Unavailable:
            if previous != self.previous:
                raise Restarted from None
            raise
        finally:
            stream.close()
            self._stream = None

    def _take(self, batch: Batch) -> None:
        events: list[Event] = batch.events
        self._seen = max(self._seen, batch.revision)
        if events and events[0].revision <= self.revision:
            events = [event for event in events if event.revision > self.revision]
        if events:
            self.revision = events[-1].revision
            self._feed.dispatch(events, self.revision)
            self._resolve(self.revision)

    async def _skip(self) -> None:
        """Begins at the present; the watches read what lies between from history, if it is there."""
        try:
            revision = await self._present()
        except Unavailable:
            await self._clock.sleep(PAUSE_SECONDS)
            return
        self.revision = self._seen = max(revision, self.revision)
        for watch in self._feed:
            if isinstance(watch, EtcdWatch):
                watch.fall_behind()
        self._resolve(self.revision)

    def _resolve(self, revision: int) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for wanted, future in waiting:
            if wanted > revision:
                self._waiting.append((wanted, future))
            elif not future.done():
                future.set_result(None)


class Restarted(Exception):
    """The stream was ended so that a new one takes its place."""
