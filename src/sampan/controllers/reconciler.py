"""The base that all controllers share: a key comes in, and nothing else.

A controller says at its making which objects concern it and which key each of their changes puts on its queue. Workers
take keys from the queue and call `reconcile(key)`, which reads the caches, decides, and acts. What a key meant when it
was queued is forgotten on purpose: a decision rests on how things are, never on what happened, so an event lost,
repeated or late can do no harm.

`reconcile` ends in one of four ways. It returns None: done until something changes. It returns seconds: look again
then. It raises `Permanent`: retrying cannot help before the object changes. It raises anything else: the key comes
back after a growing delay. One key is never in two workers' hands.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from sampan.aio.backoff import Backoff
from sampan.aio.spacing import Spacing
from sampan.aio.tasks import TaskOwner
from sampan.aio.workqueue import QueueClosed, WorkQueue
from sampan.api.errors import ApiError, Conflict, NotFound
from sampan.client.cache import key_of
from sampan.client.errors import ClientError, NotLeader
from sampan.client.events import EventRecorder
from sampan.client.informer import Informer
from sampan.controllers.context import Context, Seen
from sampan.controllers.telling import StatusWriter
from sampan.controllers.writer import Outdated, Writer

log = logging.getLogger(__name__)
Keys = Callable[[Any, Any], Any]


def sooner(*waits: float | None) -> float | None:
    """The shortest of the waits that are one."""
    return min((wait for wait in waits if wait is not None), default=None)


class Permanent(Exception):
    """The object asks for what cannot be done; trying again before it changes is useless."""


class Controller(ABC):
    """A subclass sets `name`, registers its informers in `__init__` (calling `super().__init__` first) and defines
    `reconcile`. `component` is the source of its events; `workers` how many keys it handles at once; `pace` the least
    seconds between two looks at one key that changes ask for: a hundred pods becoming ready make a few writes, not a
    hundred, while the first change is acted on at once."""

    name: ClassVar[str] = ""
    component: ClassVar[str] = ""
    workers: ClassVar[int] = 4
    pace: ClassVar[float] = 0.0

    def __init__(self, context: Context) -> None:
        self.context = context
        self.config = context.config
        self.clock = context.clock
        self.rng = context.rng
        self.client = context.client
        self.write = Writer(context.client, context.informers, context.rng)
        self.status = StatusWriter(self.write, context.clock)
        self.queue: WorkQueue[str] = WorkQueue(
            context.clock, Backoff(base=0.05, cap=120.0, rng=context.rng, jitter=0.2)
        )
        self.seen = Seen()
        self._looked: Spacing[str] = Spacing(context.clock)

    @property
    def events(self) -> EventRecorder:
        return self.context.recorder(self.component)

    @abstractmethod
    async def reconcile(self, key: str) -> float | None:
        """Brings what the key names closer to what is asked for; see the module's text for how it may end."""

    def start(self, owner: TaskOwner) -> None:
        """Starts the workers; the informers have synced by then."""
        for number in range(self.workers):
            owner.start(self._work, name=f"{self.name} worker {number}")

    def statistics(self) -> dict[str, Any]:
        return {**self.queue.statistics(), "reconciled": self.seen.reconciled, "failed": self.seen.failed}

    def informer(self, kind: Any, **indexers: Any) -> Informer[Any]:
        """The shared informer of `kind`, with these indexes."""
        return self.context.informers.of(kind, indexers)

    def enqueue(self, key: str) -> None:
        """Asks for the key because something changed."""
        self.queue.add_after(key, self._looked.left(key))

    def pace_of(self, key: str) -> float:
        """The `pace` of that key, where it depends on the object."""
        return self.pace

    def enqueue_self(self, old: Any, new: Any) -> None:
        """An informer handler: the object's own key."""
        self.enqueue(key_of(new or old))

    async def _work(self) -> None:
        while True:
            try:
                key = await self.queue.get()
            except QueueClosed:
                return
            try:
                await self._attempt(key)
            finally:
                self.queue.done(key)

    async def _attempt(self, key: str) -> None:
        self.seen.reconciled += 1
        self._looked.note(key, self.pace_of(key))
        try:
            again = await self.reconcile(key)
        except Permanent as error:
            log.warning("cannot be reconciled controller=%s key=%s reason=%s", self.name, key, error)
            self.queue.forget(key)
        except NotLeader:
            raise
        except (Conflict, NotFound, Outdated) as error:
            log.info("retried controller=%s key=%s reason=%s", self.name, key, error)
            self._retry(key)
        except (ApiError, ClientError) as error:
            log.warning("reconcile failed controller=%s key=%s error=%s", self.name, key, error)
            self._retry(key)
        except Exception:
            log.exception("reconcile failed controller=%s key=%s", self.name, key)
            self._retry(key)
        else:
            self.queue.forget(key)
            if again is not None:
                self.queue.add_after(key, again)

    def _retry(self, key: str) -> None:
        self.seen.failed += 1
        self.queue.add_rate_limited(key)
