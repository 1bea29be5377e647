"""Slow start: one call, then two, then four at once, and no more once one fails.

A template that the server refuses, or a quota that is used up, costs one failed call and not five hundred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

PARALLEL = 64


async def slow_start(count: int, call: Callable[[], Awaitable[Any]]) -> tuple[int, BaseException | None]:
    """Makes `call` up to `count` times in growing batches; how many succeeded and the first error, if any."""
    done = 0
    size = 1
    while done < count:
        batch = min(size, count - done, PARALLEL)
        outcomes = await asyncio.gather(*(call() for _ in range(batch)), return_exceptions=True)
        errors = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        done += batch - len(errors)
        if errors:
            return done, errors[0]
        size *= 2
    return done, None


async def at_once(items: list[Any], call: Callable[[Any], Awaitable[Any]]) -> BaseException | None:
    """Makes `call` for every item, a bounded number at a time; the first error, if any, once all have been tried."""
    first: BaseException | None = None
    for start in range(0, len(items), PARALLEL):
        calls = (call(item) for item in items[start : start + PARALLEL])
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException) and first is None:
                first = outcome
    return first
