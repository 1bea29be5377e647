"""Tasks that have a name, an owner and a policy for their failure.

An orphan task that dies takes its error with it. Every long-running task here belongs to a `TaskOwner`, and says at
its start what its failure means: `"fail"` ends the owner and all its tasks (the default), `"log"` records it and goes
on without the task, `"restart"` records it and starts the task's function again after a back-off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock

log = logging.getLogger(__name__)
Policy = Literal["fail", "log", "restart"]
Work = Callable[[], Awaitable[Any]]


class TaskOwner:
    """Owns named tasks; as a context manager, cancels and awaits what still runs at its end.

    `clock` and `backoff` are needed only by tasks with the policy "restart".
    """

    def __init__(self, name: str, *, clock: Clock | None = None, backoff: Backoff | None = None) -> None:
        self.name = name
        self._clock = clock
        self._backoff = backoff
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._failure: asyncio.Future[None] | None = None

    def start(self, work: Work, *, name: str, policy: Policy = "fail") -> asyncio.Task[Any]:
        """Runs `work()` as a task of this owner."""
        task = asyncio.get_running_loop().create_task(self._run(work, name, policy), name=f"{self.name}/{name}")
        self._tasks[task] = None
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))
        return task

    async def wait(self) -> None:
        """Returns when all tasks have ended; raises the error of the first that failed with the policy "fail"."""
        while self._tasks:
            waiting: set[asyncio.Future[Any]] = {*self._tasks, self._failed()}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if self._failed().done():
                self._failed().result()

    async def close(self) -> None:
        """Cancels every task and waits until all have ended."""
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> TaskOwner:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    def statistics(self) -> list[str]:
        return sorted(task.get_name() for task in self._tasks)

    def _failed(self) -> asyncio.Future[None]:
        if self._failure is None:
            self._failure = asyncio.get_running_loop().create_future()
            self._failure.add_done_callback(lambda future: future.cancelled() or future.exception())
        return self._failure

    async def _run(self, work: Work, name: str, policy: Policy) -> Any:
        failures = 0
        while True:
            try:
                return await work()
            except Exception as error:
                failures += 1
                log.exception("task failed task=%s/%s policy=%s", self.name, name, policy)
                if policy == "fail":
                    if not self._failed().done():
                        self._failed().set_exception(error)
                    return None
                if policy == "log":
                    return None
            await self._pause(failures)

    async def _pause(self, failures: int) -> None:
        if self._clock is None or self._backoff is None:
            raise RuntimeError(f"{self.name}: the policy 'restart' needs a clock and a backoff")
        await self._clock.sleep(self._backoff.delay(failures))
