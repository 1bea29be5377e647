"""The frame around a component's coroutine: an event loop, SIGTERM as cancellation, nothing else."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable

import uvloop

from sampan.aio import heap

log = logging.getLogger(__name__)
STARTED_SECONDS = 15.0
"""After so long a component has what it needs, and no longer what its start needed."""


def run(main: Callable[[], Awaitable[None]]) -> None:
    """Runs `main()` on uvloop until it returns or SIGTERM or SIGINT cancels it."""
    heap.settle()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_signalled(main))


async def _until_signalled(main: Callable[[], Awaitable[None]]) -> None:
    task = asyncio.ensure_future(main())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    started = loop.call_later(STARTED_SECONDS, heap.give_back)
    try:
        await task
    except asyncio.CancelledError:
        log.info("stopped on request")
    finally:
        started.cancel()
