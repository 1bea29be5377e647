"""A read need not ask when what was asked since it arrived has been answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sampan.apiserver.freshness import Freshness
from sampan.apiserver.http.exchange import Exchange
from sampan.store.errors import Unavailable
from sampan.testing.clock import VirtualClock


class Cache:
    """Answers when the test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[int]] = []

    async def fresh(self) -> int:
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]


def read(arrived: float | None = None) -> Exchange:
    known: dict[str, Any] = {} if arrived is None else {"arrived": arrived}
    return Exchange(method="GET", target="/", headers={}, **known)


async def test_what_was_asked_after_a_read_arrived_is_good_for_it() -> None:
    clock, cache = VirtualClock(), Cache()
    freshness = Freshness(cache, clock)  # type: ignore[arg-type]
    assert not freshness.covers(read(0.0))
    await clock.advance(5)
    asking = asyncio.ensure_future(freshness.renew())
    await clock.advance(5)
    assert not freshness.covers(read(4.0))
    cache.asked[0].set_result(7)
    await asking
    assert freshness.covers(read(4.0))
    # It may have been acknowledged after the question and before this one arrived.
    assert not freshness.covers(read(5.0)) and not freshness.covers(read(9.0))
    assert not freshness.covers(read())
    failing = asyncio.ensure_future(freshness.renew())
    await asyncio.sleep(0)
    cache.asked[1].set_exception(Unavailable("etcd is away"))
    with pytest.raises(Unavailable):
        await failing
    assert not freshness.covers(read(9.0))
