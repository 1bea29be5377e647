"""A thread that does one call after another, and answers on the event loop.

Leaner than an executor: a job is one queue item and one callback. The thread holds no Python work of its own, because
whenever it needs the interpreter's lock it waits for the event loop to let go of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
Answer = Callable[[BaseException | None, Any], None]


def into(future: asyncio.Future[Any]) -> Answer:
    """The answer as the future's result or exception; nothing when nobody waits for it any more."""

    def answer(error: BaseException | None, result: Any) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    return answer


class Worker:
    """Runs jobs in call order; belongs to the event loop that calls it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Answer] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._work, name=self._name, daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], Any], answer: Answer) -> None:
        """Runs `job()` in the thread, then `answer(error, result)` on the loop."""
        self._jobs.put((job, answer))

    async def run(self, job: Callable[[], T]) -> T:
        """`job()`'s result or exception; the job goes on when the caller is cancelled."""
        future: asyncio.Future[T] = self._loop.create_future()
        self.submit(job, into(future))
        return await future

    def stop(self) -> None:
        """Waits until the jobs given so far are done; their answers still reach the loop."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, answer = item
            try:
                result, error = job(), None
            except BaseException as caught:
                result, error = None, caught
            try:
                self._loop.call_soon_threadsafe(answer, error, result)
            except RuntimeError:
                # The loop was closed under a store that was not: nobody waits for the answer.
                return
            del item, job, answer, result, error
