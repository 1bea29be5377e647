"""Programs on a simulated etcd, in virtual time: whatever can happen to them, to etcd, and to the ways between.

A *place* is where one such program runs, and after its death its successor. Clients go to any place, as behind a load
balancer; they wait three seconds for an answer, and then do not know what became of the question.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sampan.store.engine import Engine
from sampan.store.errors import Compacted, QuotaExceeded, StoreError, Unavailable
from sampan.store.interface import Event, Watch
from sampan.testing.clock import VirtualClock
from sampan.testing.faults.history import History
from sampan.testing.faults.targets.disk import Disk, SlowLog, opened
from sampan.testing.faults.targets.place import URLS, Place
from sampan.testing.faults.targets.target import Fault
from sampan.testing.faults.workload import Served
from sampan.testing.simetcd import Answers, Host, Link, Network
from sampan.testing.simetcd.network import BUSY

T = TypeVar("T")
PLACES = 3
LONG_SECONDS = (2.0, 12.0)
"""How long what stands still does: shorter and longer than leases, time limits and keep-alives."""


class Networked(ABC):
    """What targets of this kind have in common; their heirs say what a place serves (`open`)."""

    pace = 0.4
    hurts = 5
    single = False
    """Whether a commit can be of one key only."""

    def __init__(self, seed: int) -> None:
        self.clock = VirtualClock()
        self.rng = random.Random(seed)
        self.history = History()
        self.compactable: Callable[[], int] = lambda: 0
        self.network = Network(URLS, Answers(self.engine, lambda: self.network.token), self.clock, self.rng)
        self.places = [Place(self, number) for number in range(PLACES)]
        self._disk = Disk()
        self._engine: Engine | None = None
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self.faults: dict[str, Fault] = {
            "program-killed": self._kill,
            "programs-killed": self._kill_all,
            "program-restarted": self._restart,
            "program-stopped": self._stop,
            "programs-stopped": self._stop_all,
            "way-cut": self._ways("mode", "cut"),
            "way-silent": self._ways("mode", "hole"),
            "way-slow": self._ways("seconds", 0.5),
            "way-lossy": self._ways("lossy", 0.1),
            "way-doubling": self._ways("doubling", 0.5),
            "program-partitioned": self._partition(1),
            "all-partitioned": self._partition(PLACES),
            "member-down": self._member_down,
            "member-stopped": self._member_stopped,
            "member-lagging": self._member("lag", 0.5),
            "member-forgetful": self._member("forgetful", 0.3),
            "member-busy": self._member_busy,
            "member-leaderless": self._leaderless(1),
            "no-leader": self._leaderless(len(URLS)),
            "etcd-killed": self._etcd_killed,
            "etcd-slow-disk": self._etcd_slow,
            "etcd-stuck-disk": self._etcd_stuck,
            "etcd-full": self._etcd_full,
            "etcd-write-error": self._etcd_write_error,
            "token-ended": self._token,
            "compaction": self._compact,
            "compaction-of-laggards": self._compact_laggards,
            "compaction-at-laggard": self._compact_at_laggard,
        }

    @abstractmethod
    async def open(self, place: Place) -> tuple[Served, Callable[[], Coroutine[Any, Any, None]]]:
        """What a place serves, started, and how it is ended in good order; raises `StoreError`."""

    @abstractmethod
    def journal(self) -> Served:
        """Where the log is kept: etcd's own state, seen by none of those under test."""

    # life

    async def start(self) -> None:
        await self._etcd_starts()
        await asyncio.gather(*(place.start() for place in self.places))

    async def close(self) -> None:
        for place in self.places:
            place.die()
        await self._settled()
        await self.network.close()
        await self._etcd_dies()

    async def heal(self) -> None:
        for host in self.network.hosts.values():
            _mend(host)
        if self._engine is None or self._log.failure is not None or self._engine._refusal is not None:
            await self._etcd_dies()
            await self._etcd_starts()
        self._log.seconds, self._log.failure = 0.001, None
        for place in self.places:
            place.process.gate.open()
            for link in (place.clients, *place.links()):
                _pass(link)
        await self._settled()
        for place in self.places:
            while place.guard is None or place.store._refusal is not None:
                place.die()
                await place.start()

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Something that need not be waited for before the end."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))

    async def _settled(self) -> None:
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception) and not isinstance(result, StoreError):
                raise result

    def engine(self) -> Engine:
        if self._engine is None:
            raise Unavailable("etcd is dead")
        return self._engine

    def store(self) -> Served:
        return self.rng.choice(self.places).served()

    async def reach(self, call: Callable[[Served], Awaitable[T]]) -> T:
        return await call(self.store())

    async def following(self, watch: Watch) -> list[Event]:
        return await watch.__anext__()

    # programs

    async def _kill(self, rng: random.Random) -> None:
        place = rng.choice(self.places)
        place.die()
        await self.clock.sleep(rng.random() * 0.2)
        await place.start()

    async def _kill_all(self, rng: random.Random) -> None:
        for place in self.places:
            place.die()
        await self.clock.sleep(rng.random() * 0.2)
        for place in self.places:
            await place.start()

    async def _restart(self, rng: random.Random) -> None:
        """It is asked to end, and does what it has begun before."""
        place = rng.choice(self.places)
        if place.guard is not None:
            await place.end()
            place.end = _nothing
        place.die()
        await place.start()

    async def _stop(self, rng: random.Random) -> None:
        await self._stopped([rng.choice(self.places)], rng)

    async def _stop_all(self, rng: random.Random) -> None:
        await self._stopped(self.places, rng)

    async def _stopped(self, places: list[Place], rng: random.Random) -> None:
        processes = [place.process for place in places]
        for process in processes:
            process.gate.shut()
        await self.clock.sleep(rng.uniform(*LONG_SECONDS))
        for process in processes:
            process.gate.open()

    # ways

    def _ways(self, name: str, value: Any) -> Fault:
        async def hurt(rng: random.Random) -> None:
            links = rng.choice(self.places).links()
            if links:
                await self._bad(rng.choice(links), name, value, rng)

        return hurt

    def _partition(self, count: int) -> Fault:
        async def cut(rng: random.Random) -> None:
            """No way from some places to any member."""
            links = [link for place in rng.sample(self.places, count) for link in place.links()]
            mode = rng.choice(("cut", "hole"))
            await asyncio.gather(*(self._bad(link, "mode", mode, rng) for link in links))

        return cut

    async def _bad(self, link: Link, name: str, value: Any, rng: random.Random) -> None:
        if name == "mode":
            link.set(value)
        else:
            setattr(link, name, value)
        await self.clock.sleep(rng.uniform(0.1, 3))
        if rng.random() < 0.2:
            await self.clock.sleep(10)
        _pass(link)

    # members

    def _any(self, rng: random.Random) -> Host:
        return rng.choice(list(self.network.hosts.values()))

    def _member(self, name: str, value: float) -> Fault:
        async def hurt(rng: random.Random) -> None:
            host = self._any(rng)
            setattr(host, name, value)
            await self.clock.sleep(rng.uniform(0.5, 4))
            setattr(host, name, 0.0)

        return hurt

    async def _member_down(self, rng: random.Random) -> None:
        host = self._any(rng)
        host.down()
        await self.clock.sleep(rng.uniform(0.1, 4))
        host.up = True

    async def _member_stopped(self, rng: random.Random) -> None:
        host = self._any(rng)
        host.gate.shut()
        await self.clock.sleep(rng.uniform(*LONG_SECONDS))
        host.gate.open()

    async def _member_busy(self, rng: random.Random) -> None:
        self._any(rng).refusals.extend(BUSY() for _ in range(rng.randrange(1, 6)))

    def _leaderless(self, count: int) -> Fault:
        async def lose(rng: random.Random) -> None:
            hosts = rng.sample(list(self.network.hosts.values()), count)
            for host in hosts:
                host.lose_leader()
            await self.clock.sleep(rng.uniform(0.1, 3))
            for host in hosts:
                host.leaderless = False

        return lose

    async def _token(self, rng: random.Random) -> None:
        """The users' tokens end, as after a restart of etcd."""
        self.network.token = str(rng.getrandbits(30))

    # etcd's state

    async def _etcd_starts(self) -> None:
        self._log = SlowLog(self._disk, self.clock, self.rng)
        self._engine = await opened(self._log, self.clock, self.rng)

    async def _etcd_dies(self) -> None:
        engine, self._engine = self._engine, None
        await self._log.kill(engine)

    async def _etcd_killed(self, rng: random.Random) -> None:
        """All members at once, at any instant of a write."""
        await self.clock.sleep(rng.random() * 0.01)
        for host in self.network.hosts.values():
            host.down()
        await self._etcd_dies()
        await self.clock.sleep(rng.random() * 2)
        await self._etcd_starts()
        for host in self.network.hosts.values():
            host.up = True

    async def _etcd_slow(self, rng: random.Random) -> None:
        self._log.seconds = 0.2
        await self.clock.sleep(rng.random() * 2)
        self._log.seconds = 0.001

    async def _etcd_stuck(self, rng: random.Random) -> None:
        """A write hangs longer than calls and leases last."""
        self._log.seconds = 10.0
        await self.clock.sleep(0.1)
        self._log.seconds = 0.001

    async def _etcd_full(self, rng: random.Random) -> None:
        self._log.failure = lambda: QuotaExceeded("no space left")
        await self.clock.sleep(rng.random())
        self._log.failure = None

    async def _etcd_write_error(self, rng: random.Random) -> None:
        """etcd ends when a write fails, done or not, and is started again."""
        self._log.failure = lambda: OSError("input/output error")
        await self.clock.sleep(0.1)
        await self._etcd_killed(rng)

    async def _compact(self, rng: random.Random) -> None:
        """History goes, up to some moment that the log has seen, whoever is slow to read it."""
        await self._compact_to(self.compactable() - rng.choice((0, 0, 3, 20)))

    async def _compact_to(self, revision: int) -> None:
        try:
            await self.engine().compact(max(1, revision))
        except (Compacted, StoreError):
            return

    async def _compact_laggards(self, rng: random.Random) -> None:
        """The same while the watches of one member are late, or those of a program are not read."""
        host, place = self._any(rng), rng.choice(self.places)
        host.lag = rng.choice((0.0, 2.0))
        process = place.process
        if not host.lag:
            process.gate.shut()
        for _ in range(rng.randrange(1, 6)):
            await self.clock.sleep(rng.random())
            await self._compact(rng)
        host.lag = 0.0
        process.gate.open()

    async def _compact_at_laggard(self, rng: random.Random) -> None:
        """The same up to right where a program that is cut off will go on."""
        place = rng.choice(self.places)
        links = place.links()
        for link in links:
            link.set("cut")
        seen = place.store.revision
        while self.compactable() < seen + 3 and rng.random() < 0.95:
            await self.clock.sleep(self.pace / 4)
        await self._compact_to(min(self.compactable(), seen + rng.choice((0, 1, 1, 2))))
        for link in links:
            _pass(link)


def _mend(host: Host) -> None:
    host.up, host.leaderless, host.lag, host.forgetful = True, False, 0.0, 0.0
    host.refusals.clear()
    host.gate.open()


def _pass(link: Link) -> None:
    link.seconds, link.lossy, link.doubling = 0.002, 0.0, 0.0
    link.set("pass")


async def _nothing() -> None:
    return None
