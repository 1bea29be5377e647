"""Events: what components tell users about objects, at a cost that cannot run away.

`EventRecorder.event` never waits and never raises: it puts a note into a bounded queue that a task empties. The same
note (object, type, reason, message) said again raises the count of the Event already written; many notes on one object
that differ only in their message are joined into one; and each object has a budget (25 at once, then one in five
minutes), as client-go's event correlator has. Field meanings: core/v1 Event in the API reference.
"""

from __future__ import annotations

import logging
import random
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from sampan.aio.clock import Clock, timestamp
from sampan.aio.tasks import TaskOwner
from sampan.api.errors import ApiError
from sampan.api.kinds import core_v1, meta_v1
from sampan.api.registry import builtin
from sampan.client.cache import metadata
from sampan.client.errors import ClientError
from sampan.client.interface import Client

log = logging.getLogger(__name__)

QUEUE = 1000
REMEMBERED = 4096
BURST = 25.0
REFILL_PER_SECOND = 1 / 300
SIMILAR_LIMIT = 10
SIMILAR_SECONDS = 600.0
MESSAGE_BYTES = 1024


@dataclass(frozen=True)
class Note:
    """One thing said about one object."""

    reference: Any
    type: str
    reason: str
    message: str
    at: float

    @property
    def subject(self) -> tuple[str, ...]:
        return tuple(str(getattr(self.reference, name)) for name in ("kind", "namespace", "name", "uid", "fieldPath"))


@dataclass
class _Budget:
    tokens: float
    at: float


@dataclass
class _Similar:
    messages: set[str] = field(default_factory=set)
    at: float = 0.0


class _Remembered(OrderedDict[Any, Any]):
    """A dict that forgets what was least recently used."""

    def recall(self, key: Any, make: Any) -> Any:
        value = self.pop(key, None)
        if value is None:
            value = make()
        self[key] = value
        if len(self) > REMEMBERED:
            self.popitem(last=False)
        return value


class EventRecorder:
    """Events from `component` on `host` (empty for a control plane component); past `queue` notes, new ones are
    dropped."""

    def __init__(
        self, client: Client, component: str, host: str, clock: Clock, rng: random.Random, *, queue: int = QUEUE
    ) -> None:
        self._client = client
        self._component = component
        self._host = host
        self._clock = clock
        self._rng = rng
        self._queue: deque[Note] = deque()
        self._queue_limit = queue
        self._budgets = _Remembered()
        self._similar = _Remembered()
        self._written = _Remembered()
        self._owner = TaskOwner(f"events {component}")
        self._draining = False
        self._unwritten = 0
        self._number = 0
        self._dropped = 0
        self._sent = 0

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None:
        """Says `message` about `obj` (a struct, or an ObjectReference); `type` is Normal or Warning."""
        note = Note(reference(obj, field_path), type, reason, _short(message), self._clock.now())
        if len(self._queue) >= self._queue_limit or not self._affordable(note):
            self._dropped += 1
            return
        self._queue.append(note)
        if not self._draining:
            self._draining = True
            self._owner.start(self._drain, name="drain", policy="log")

    async def flush(self) -> None:
        """Returns once everything said so far is written or given up."""
        await self._owner.wait()

    async def close(self) -> None:
        await self._owner.close()

    def statistics(self) -> dict[str, Any]:
        return {"queued": len(self._queue) + self._unwritten, "sent": self._sent, "dropped": self._dropped}

    def _affordable(self, note: Note) -> bool:
        budget = self._budgets.recall(note.subject, lambda: _Budget(BURST, note.at))
        budget.tokens = min(BURST, budget.tokens + (note.at - budget.at) * REFILL_PER_SECOND)
        budget.at = note.at
        if budget.tokens < 1:
            return False
        budget.tokens -= 1
        return True

    async def _drain(self) -> None:
        try:
            while self._queue:
                waiting: dict[Any, tuple[Note, int]] = {}
                while self._queue:
                    note = self._joined(self._queue.popleft())
                    key = _key(note)
                    waiting[key] = (note, waiting[key][1] + 1 if key in waiting else 1)
                self._unwritten = len(waiting)
                for key, (note, times) in waiting.items():
                    await self._write(key, note, times)
                    self._unwritten -= 1
        finally:
            self._draining = False
            self._unwritten = 0

    def _joined(self, note: Note) -> Note:
        """The note itself, or, after ten different messages on one subject and reason, the joint one."""
        similar = self._similar.recall((note.subject, note.type, note.reason), _Similar)
        if note.at - similar.at > SIMILAR_SECONDS:
            similar.messages.clear()
        similar.at = note.at
        if len(similar.messages) >= SIMILAR_LIMIT and note.message not in similar.messages:
            message = _short(f"(combined from similar events): {note.message}")
            return Note(note.reference, note.type, note.reason, message, note.at)
        similar.messages.add(note.message)
        return note

    async def _write(self, key: Any, note: Note, times: int) -> None:
        """Writes a note that was made `times` times since the last write: one call, however many."""
        known = self._written.pop(key, None)
        try:
            written = await (self._bump(known, note, times) if known else self._create(note, times))
        except ApiError as error:
            if known and error.code == 404:
                written = await self._create_or_none(note, times)
            else:
                log.warning("event not written reason=%s error=%s", note.reason, error)
                return
        except ClientError as error:
            log.warning("event not written reason=%s error=%s", note.reason, error)
            return
        if written is not None:
            self._sent += 1
            self._written.recall(key, lambda: (written.metadata.name, written.metadata.namespace, written.count or 1))

    async def _bump(self, known: tuple[str, str, int], note: Note, times: int) -> Any:
        name, namespace, count = known
        patch = {"count": count + times, "lastTimestamp": timestamp(note.at), "message": note.message}
        return await self._client.patch(core_v1.Event, name, namespace, patch, type="merge")

    async def _create_or_none(self, note: Note, times: int) -> Any:
        try:
            return await self._create(note, times)
        except (ApiError, ClientError) as error:
            log.warning("event not written reason=%s error=%s", note.reason, error)
            return None

    async def _create(self, note: Note, times: int) -> Any:
        at = timestamp(note.at)
        namespace = note.reference.namespace or "default"
        return await self._client.create(
            core_v1.Event(
                metadata=meta_v1.ObjectMeta(name=self._name(note), namespace=namespace),
                involvedObject=note.reference,
                type=note.type,
                reason=note.reason,
                message=note.message,
                source=core_v1.EventSource(component=self._component, host=self._host or None),
                firstTimestamp=at,
                lastTimestamp=at,
                count=times,
                reportingComponent=self._component,
                reportingInstance=self._host,
            )
        )

    def _name(self, note: Note) -> str:
        """The object's name, then a growing number no other recorder takes: the time, with chance in the low bits."""
        number = int(note.at * 1e6) * 1024 + self._rng.randrange(1024)
        self._number = max(self._number + 1, number)
        return f"{note.reference.name[:236]}.{self._number:016x}"


def _key(note: Note) -> tuple[Any, ...]:
    """What makes two notes one Event: everything but the time; joint notes whatever their message."""
    message = "(combined)" if note.message.startswith("(combined from") else note.message
    return (note.subject, note.type, note.reason, message)


def reference(obj: Any, field_path: str = "") -> Any:
    """An ObjectReference to a struct; one that is already a reference is given back."""
    if isinstance(obj, core_v1.ObjectReference):
        return obj
    kind = builtin().of(type(obj))
    return core_v1.ObjectReference(
        apiVersion=kind.api_version,
        kind=kind.kind,
        namespace=metadata(obj, "namespace"),
        name=metadata(obj, "name"),
        uid=metadata(obj, "uid"),
        resourceVersion=metadata(obj, "resourceVersion"),
        fieldPath=field_path or None,
    )


def _short(message: str) -> str:
    """At most 1,024 bytes, the limit events.k8s.io/v1 sets for a note."""
    data = message.encode()
    return message if len(data) <= MESSAGE_BYTES else data[: MESSAGE_BYTES - 3].decode(errors="ignore") + "..."
