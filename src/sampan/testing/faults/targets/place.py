"""Where one program on a simulated etcd runs, and after its death its successor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.store.errors import StoreError, Unavailable
from sampan.store.etcd import Credentials, EtcdStore
from sampan.testing.faults.targets.guard import Guard
from sampan.testing.faults.workload import Served
from sampan.testing.simetcd import Link, Process

if TYPE_CHECKING:
    from sampan.testing.faults.targets.networked import Networked

URLS = tuple(f"http://member-{n}:2379" for n in range(3))
CALL_SECONDS = 5.0


class Place:
    """One program's process, its ways to etcd and that of the clients to it, and how to reach what it serves."""

    def __init__(self, target: Networked, number: int) -> None:
        self.number = number
        self.target = target
        self.guard: Guard | None = None
        self.skew = 0.0

    async def start(self) -> None:
        """Begins anew, as a new process; returns when it serves, or has found that it cannot."""
        target = self.target
        self.process = Process(target.clock)
        self.process.skew = self.skew
        self.clients = Link(Process(target.clock), target.rng)
        self.store = EtcdStore(
            [*URLS[self.number :], *URLS[: self.number]],
            self.process,
            credentials=Credentials(user="sampan", password="word"),
            seconds=CALL_SECONDS,
            member=target.network.way_of(self.process),
        )
        try:
            served, self.end = await target.open(self)
        except StoreError:
            await self.store.close()
            return
        self.guard = Guard(served, self.process)

    def links(self) -> list[Link]:
        """Its ways to etcd's members."""
        return [way.link for host in self.target.network.hosts.values() for way in host.ways_of(self.process)]

    def die(self) -> None:
        """Nothing of the process's reaches anyone any more. What it leaves is put away meanwhile."""
        guard, self.guard = self.guard, None
        self.process.gate.open()
        for host in self.target.network.hosts.values():
            for way in host.ways_of(self.process):
                way.forsake()
        if guard is not None:
            guard.die()
            self.target.later(self.end())

    def served(self) -> Served:
        if self.guard is None:
            raise Unavailable("the program is dead")
        return self.guard
