"""Work that may block for ever, in a thread of its own that nobody has to wait for.

A call into a file system whose server is gone does not return. In the event loop it would stop everything; in asyncio's
pool of threads it would hold one of few places, and the process could not end. So each such call gets a thread that the
process does not wait for; it ends with its call, or with the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """The result of `work()`, or its error; when nobody waits any more it goes on unheard."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(method: Callable[[Any], None], value: Any) -> None:
        if not future.done():
            method(value)

    def run() -> None:
        try:
            outcome: tuple[Any, Any] = future.set_result, work()
        except BaseException as error:
            outcome = future.set_exception, error
        # The loop may be over by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(tell, *outcome)

    threading.Thread(target=run, daemon=True, name="aside").start()
    return await future
