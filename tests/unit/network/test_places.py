"""Endpoints keep their places when others come and go."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sampan.aio.clock import SystemClock
from sampan.network.proxy import places
from sampan.network.proxy.backend import Change
from sampan.network.proxy.model import Endpoint, Frontend, ServicePort, Viewpoint
from sampan.network.proxy.nftables.table import Table
from sampan.network.proxy.rules import IN_ONE_GO, FamilyRules
from sampan.network.proxy.settings import Settings

from .fakes import FakeBackend

some = st.lists(st.integers(1, 12), unique=True)


def ports(numbers: list[int], name: str = "") -> tuple[ServicePort, ...]:
    endpoints = tuple(Endpoint(f"10.244.0.{number}", 80) for number in numbers)
    return (ServicePort("tcp", (Frontend("cluster", "10.96.0.5", 80),), endpoints, endpoints[:1], name=name),)


@given(some, some)
def test_those_that_stay_do_not_move_while_there_is_room(old: list[int], new: list[int]) -> None:
    before, wanted = ports(old), ports(new)
    (found,) = places.kept(before, wanted)
    assert sorted(found.everywhere) == sorted(wanted[0].everywhere)
    assert len(found.everywhere) == len(new)
    for place, endpoint in enumerate(before[0].everywhere[: len(new)]):
        assert found.everywhere[place] == endpoint or endpoint not in wanted[0].everywhere
    assert places.kept((found,), wanted) == (found,)


def test_another_port_is_another_matter() -> None:
    assert places.kept(ports([2, 1], "web"), ports([1, 2], "admin")) == ports([1, 2], "admin")
    assert places.kept((), ports([1, 2])) == ports([1, 2])


def test_one_endpoint_of_many_is_a_few_elements() -> None:
    table, old = Table(Settings()), ports(list(range(250)))
    table.replace({"d/web": old})
    new = places.kept(old, ports(list(range(1, 250))))
    elements = [line for line in table.update([Change("d/web", old, new)]).splitlines() if " element " in line]
    assert sum(line.count(",") + 1 for line in elements) == 5, "the service, its last endpoint, the one that has gone"


async def test_others_get_their_turn_while_all_is_written_anew() -> None:
    backend, turns = FakeBackend(), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    keys = [f"d/s{number}" for number in range(5 * IN_ONE_GO)]
    await FamilyRules(Viewpoint("n1"), backend, SystemClock()).replace(keys, lambda key, view: ports([1], key))
    other.cancel()
    assert set(backend.rules) == set(keys)
    assert turns >= 5
