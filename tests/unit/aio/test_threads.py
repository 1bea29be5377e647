"""Work beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sampan.aio.threads import in_thread


async def test_results_and_errors_come_back() -> None:
    assert await in_thread(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0)


def test_what_hangs_holds_up_neither_the_loop_nor_its_end() -> None:
    hangs = threading.Event()

    async def main() -> int:
        # More than asyncio's pool has places.
        tasks = [asyncio.create_task(in_thread(hangs.wait)) for _ in range(50)]
        await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return await in_thread(lambda: 7)

    assert asyncio.run(main()) == 7
    hangs.set()
