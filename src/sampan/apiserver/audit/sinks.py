"""How an event comes to a log or a webhook: at once, while its request waits, or with others some time later.

A sink takes events. What it cannot take it refuses by OSError, and the event is lost, which is counted; nothing waits
without bound in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from sampan.aio.clock import Clock
from sampan.apiserver.audit.log import Log
from sampan.apiserver.audit.options import Delivery

OBJECTS = ("requestObject", "responseObject")
TRUNCATED = "audit.k8s.io/truncated"
CLOSE_SECONDS = 10.0


class Event(NamedTuple):
    """What is written, and the same as a line of JSON."""

    told: dict[str, Any]
    line: bytes


class Delivers(Protocol):
    """Takes events to where they belong."""

    async def deliver(self, events: Sequence[Event]) -> None:
        """Raises OSError."""

    async def close(self) -> None: ...


class LogDelivery:
    """Into a log, by one call of the system."""

    def __init__(self, log: Log) -> None:
        self._log = log

    async def deliver(self, events: Sequence[Event]) -> None:
        self._log.write(b"".join(event.line for event in events))

    async def close(self) -> None:
        self._log.close()


class Sink(Protocol):
    """`name` is upstream's for it; `strict`: a request whose event it cannot take is refused."""

    name: str
    strict: bool

    def write(self, event: Event) -> Awaitable[None] | None:
        """Raises OSError, or what is awaited does; the request waits for that."""

    async def run(self) -> None:
        """What goes on beside the requests."""

    async def close(self) -> None: ...


def event(told: dict[str, Any]) -> Event:
    """Objects nested as deeply as can just be read are left out: an event has one level more."""
    try:
        return Event(told, msgspec.json.encode(told) + b"\n")
    except RecursionError:
        return without_objects(told)


def without_objects(told: dict[str, Any]) -> Event:
    kept = {name: value for name, value in told.items() if name not in OBJECTS}
    kept["annotations"] = {**told.get("annotations", {}), TRUNCATED: "true"}
    return Event(kept, msgspec.json.encode(kept) + b"\n")


def fitting(given: Event, delivery: Delivery) -> Event:
    """The event, or what of it is not too large. Raises OSError when that is nothing."""
    if not delivery.truncate or len(given.line) <= delivery.event_bytes:
        return given
    shorter = without_objects(given.told)
    if len(shorter.line) > delivery.event_bytes:
        raise OSError(f"event too large: {len(shorter.line)} bytes")
    return shorter


class Direct:
    """Into a log, at once."""

    def __init__(self, name: str, log: Log, delivery: Delivery, *, strict: bool = False) -> None:
        self.name = name
        self.strict = strict
        self._log = log
        self._delivery = delivery

    def write(self, event: Event) -> None:
        self._log.write(fitting(event, self._delivery).line)

    async def run(self) -> None:
        """Nothing goes on beside the requests."""

    async def close(self) -> None:
        self._log.close()


class Waiting:
    """One by one, each awaited by its request."""

    def __init__(self, name: str, to: Delivers, delivery: Delivery, *, strict: bool = False) -> None:
        self.name = name
        self.strict = strict
        self._to = to
        self._delivery = delivery

    def write(self, event: Event) -> Awaitable[None]:
        return self._to.deliver((fitting(event, self._delivery),))

    async def run(self) -> None:
        """Nothing goes on beside the requests."""

    async def close(self) -> None:
        await self._to.close()


class Batches:
    """Several at once, behind the requests' backs; `lost` is told of what could not be delivered."""

    strict = False

    def __init__(
        self, name: str, to: Delivers, delivery: Delivery, clock: Clock, lost: Callable[[str, int, OSError], None]
    ) -> None:
        self.name = name
        self._to = to
        self._delivery = delivery
        self._clock = clock
        self._lost = lost
        self._buffer: deque[Event] = deque()
        self._some, self._enough = asyncio.Event(), asyncio.Event()
        self._pace = Pace(delivery.qps, delivery.burst, clock.monotonic())

    def write(self, event: Event) -> None:
        if len(self._buffer) >= self._delivery.buffered:
            raise OSError("audit buffer queue blocked")
        self._buffer.append(fitting(event, self._delivery))
        self._some.set()
        if len(self._buffer) >= self._delivery.most:
            self._enough.set()

    async def run(self) -> None:
        while True:
            await self._some.wait()
            if self._delivery.most > 1:
                with contextlib.suppress(TimeoutError):
                    await self._clock.wait_for(self._enough.wait(), self._delivery.wait_seconds)
            if self._delivery.throttle:
                await self._clock.sleep(self._pace.take(self._clock.monotonic()))
            await self._send(self._taken())

    async def close(self) -> None:
        """What still waits is delivered, if that does not take long."""
        with contextlib.suppress(TimeoutError):
            await self._clock.wait_for(self._rest(), CLOSE_SECONDS)
        await self._to.close()

    async def _rest(self) -> None:
        while self._buffer:
            await self._send(self._taken())

    def _taken(self) -> list[Event]:
        most = min(self._delivery.most, len(self._buffer))
        batch = [self._buffer.popleft() for _ in range(most)]
        if not self._buffer:
            self._some.clear()
        if len(self._buffer) < self._delivery.most:
            self._enough.clear()
        return batch

    async def _send(self, batch: list[Event]) -> None:
        for part in parts(batch, self._delivery):
            try:
                await self._to.deliver(part)
            except OSError as error:
                self._lost(self.name, len(part), error)
            except asyncio.CancelledError:
                self._buffer.extendleft(reversed(part))
                raise


def parts(batch: Sequence[Event], delivery: Delivery) -> list[list[Event]]:
    """The batch in parts that are not too large."""
    found: list[list[Event]] = [[]]
    size = 0
    for one in batch:
        size += len(one.line)
        if delivery.truncate and found[-1] and size > delivery.batch_bytes:
            found.append([])
            size = len(one.line)
        found[-1].append(one)
    return found


class Pace:
    """So many at once, then so many a second."""

    def __init__(self, rate: float, burst: int, now: float) -> None:
        self._rate = rate
        self._burst = burst
        self._left, self._when = float(burst), now

    def take(self, now: float) -> float:
        """Seconds to wait before the next."""
        self._left = min(self._burst, self._left + (now - self._when) * self._rate) - 1
        self._when = now
        return max(0.0, -self._left / self._rate)
