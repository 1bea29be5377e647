"""Programs that start programs of their own: whoever gives one up ends the whole family.

Each leads a session, so that one signal reaches all. Giving up may come while the program is being started, when it may
run already and nobody has been handed it: it is ended then as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import Any

from sampan.aio.clock import Clock

END_SECONDS = 1.0
"""How long an end is waited for: in the hands of a dead file server it may not come."""


async def start(*command: str | os.PathLike[str], clock: Clock, **options: Any) -> asyncio.subprocess.Process:
    """`options` are those of asyncio's create_subprocess_exec; raises what it raises."""
    starting = asyncio.ensure_future(asyncio.create_subprocess_exec(*command, start_new_session=True, **options))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        await asyncio.wait([starting])
        if not starting.cancelled() and starting.exception() is None:
            await end(starting.result(), clock)
        raise


def kill(leader: int) -> None:
    """A program with all that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


async def end(process: asyncio.subprocess.Process, clock: Clock) -> None:
    """Kills what has not ended yet, and waits for it a little."""
    if process.returncode is not None:
        return
    kill(process.pid)
    with contextlib.suppress(TimeoutError):
        await clock.wait_for(process.communicate(), END_SECONDS)
