"""One run: a target, its clients, faults at random moments, and the verdict. All from one seed."""

from __future__ import annotations

import asyncio
import hashlib
import random
import selectors
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.testing.clock import VirtualClock
from sampan.testing.faults.checker import check
from sampan.testing.faults.history import History
from sampan.testing.faults.targets.cluster import Cluster
from sampan.testing.faults.targets.distant import Distant
from sampan.testing.faults.targets.etcd import Etcd
from sampan.testing.faults.targets.server import Server
from sampan.testing.faults.targets.servers import Servers
from sampan.testing.faults.targets.simulated import Simulated
from sampan.testing.faults.targets.sqlite import Sqlite
from sampan.testing.faults.targets.target import Target
from sampan.testing.faults.workload import Workload, cancelled

TARGETS: dict[str, Callable[[int], Target]] = {
    "simulated": Simulated,
    "distant": Distant,
    "servers": Servers,
    "sqlite": Sqlite,
    "etcd": Etcd,
    "server": Server,
    "cluster": Cluster,
}
WRITERS, READERS, WATCHERS = 4, 2, 6
VIRTUAL = ("simulated", "distant", "servers")
"""Targets whose time is virtual: quick, and the same again for the same seed."""
PRIVATE = ("server", "cluster")
"""Targets of real processes in namespaces of their own: `netns.enter` comes first, and they are for root alone."""
AGAIN, ENOUGH, RECOVERY_SECONDS = 10, 25, 100.0
"""Commits after the last fault and in all, without which a run says nothing, and how long they may take."""
NOT_RECOVERED = f"{RECOVERY_SECONDS:g} s after the last fault the store did not do its work, or its log had a gap"
TICK = 0.01


class Unrecovered(Exception):
    """The target does not work any more."""


class Verdict(msgspec.Struct):
    """`problems` is empty when the history is one that a store may have."""

    seed: int
    faults: list[str]
    history: History
    problems: list[str]

    @property
    def digest(self) -> str:
        """Of all that was done and seen: where time is virtual, a seed has the same one every time."""
        return hashlib.sha256(msgspec.msgpack.encode(self.history)).hexdigest()[:16]


def run(target: str, seed: int, *, faults: Sequence[str] = ()) -> Verdict:
    """Runs clients and faults (those named, or random ones) on a target; its own event loop is used."""
    with asyncio.Runner(loop_factory=_loop if target in VIRTUAL else None) as runner:
        return runner.run(play(TARGETS[target](seed), seed, faults))


async def _recovered(history: History, target: Target) -> None:
    """Returns when commits have been acknowledged again, and enough of them in all."""
    before = history.succeeded()
    while history.succeeded() < max(before + AGAIN, ENOUGH):
        await target.clock.sleep(target.pace)


async def _in_time(clock: Clock, work: Awaitable[None]) -> None:
    try:
        await clock.wait_for(work, RECOVERY_SECONDS)
    except TimeoutError:
        raise Unrecovered from None


class Seldom(selectors.DefaultSelector):
    """Looks for I/O now and then only while there is other work, which in virtual time there always is."""

    turns = 0

    def select(self, timeout: float | None = None) -> Any:
        self.turns += 1
        return [] if timeout == 0 and self.turns % 64 else super().select(timeout)


def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(Seldom())


async def play(target: Target, seed: int, faults: Sequence[str] = ()) -> Verdict:
    rng = random.Random(seed)
    names = list(faults) or [rng.choice(sorted(target.faults)) for _ in range(target.hurts)]
    history = History()
    clock = target.clock
    work = asyncio.ensure_future(_play(target, history, names, rng))
    if isinstance(clock, VirtualClock):
        while not work.done():
            await clock.advance(TICK)
    problems = []
    try:
        await work
    except Unrecovered:
        problems.append(NOT_RECOVERED)
    return Verdict(seed, names, history, problems + await asyncio.to_thread(check, history))


async def _play(target: Target, history: History, names: Sequence[str], rng: random.Random) -> None:
    target.history = history
    await target.start()
    try:
        workload = Workload(target, history, target.clock, rng, pace=target.pace)
        await workload.begin()
        target.compactable = lambda: workload.recorded
        recorder = asyncio.ensure_future(workload.record())
        tasks = [asyncio.ensure_future(client) for client in workload.clients(WRITERS, READERS, WATCHERS)]
        try:
            for name in names:
                await target.clock.sleep(target.pace * rng.randrange(5, 40))
                await target.faults[name](rng)
            await target.heal()
            await _in_time(target.clock, _recovered(history, target))
            await _in_time(target.clock, workload.finish())
        finally:
            await cancelled([recorder, *tasks])
    finally:
        await target.close()
