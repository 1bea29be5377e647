"""Time, taken from outside.

No component reads the machine's clock or sleeps by itself: it is given a `Clock`. In a running cluster that is
`SystemClock`; in a test it is a virtual one (`sampan.testing.clock`) whose hours pass in milliseconds.
Instants are seconds since the epoch (`now`) or since an arbitrary start (`monotonic`, never set back).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """Where a component gets the time and waits for it."""

    def now(self) -> float:
        """Seconds since the epoch, as a calendar shows them; may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns once `seconds` have passed; zero or less yields once to other tasks."""
        ...

    async def wait_for(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        """The awaitable's result, or TimeoutError (and it cancelled) after `seconds`; None waits for ever."""
        ...


class SystemClock:
    """The machine's clock and the event loop's timers."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))

    async def wait_for(self, awaitable: Awaitable[T], seconds: float | None) -> T:
        # Not asyncio.wait_for: before Python 3.12 it swallows a cancellation that meets the result.
        async with asyncio.timeout(seconds):
            return await awaitable


def timestamp(epoch: float) -> str:
    """RFC 3339 in UTC with whole seconds, as `metav1.Time` is written: `2026-01-01T00:00:00Z`."""
    return _second(int(epoch // 1))


@lru_cache(maxsize=64)
def _second(epoch: int) -> str:
    """Remembered: what happens now happens many times in its second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch))


def micro_timestamp(epoch: float) -> str:
    """RFC 3339 in UTC with six decimals, as `metav1.MicroTime` is written."""
    microseconds = round(epoch * 1e6)
    return f"{timestamp(microseconds // 1_000_000)[:-1]}.{microseconds % 1_000_000:06d}Z"


def parse_timestamp(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 text; raises ValueError when it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone: write it as 2026-01-01T00:00:00Z")
    return moment.astimezone(UTC).timestamp()
