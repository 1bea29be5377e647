"""Three etcd members and three API servers, real processes on machines of their own, and a switch between them."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sampan.aio.clock import SystemClock
from sampan.store.errors import Compacted, StoreError
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Event, Watch
from sampan.testing import etcd, netns
from sampan.testing.faults import injection
from sampan.testing.faults.apistore import Underneath
from sampan.testing.faults.history import History
from sampan.testing.faults.targets.process import ServerProcess
from sampan.testing.faults.targets.target import Fault
from sampan.testing.faults.workload import Served

T = TypeVar("T")
COUNT = 3
MEMBERS, SERVERS = range(11, 11 + COUNT), range(21, 21 + COUNT)
"""The machines' numbers."""
MEGABYTES = 256
"""For one member: etcd sets 64 MB aside for each of its log's files."""
OPTIONS = ("--snapshot-count=100",)
"""So that a member soon writes a snapshot, for which a full disk has no room."""
ELECTION = etcd.ELECTION_MS / 1000


class Cluster:
    """`Target`; clients go to any server, as behind a load balancer. Needs namespaces (`netns.enter`)."""

    pace = 0.1
    hurts = 6
    single = True

    def __init__(self, seed: int) -> None:
        self.clock = SystemClock()
        self.history = History()
        self.compactable: Callable[[], int] = lambda: 0
        self._rng = random.Random(seed)
        self._stack = contextlib.AsyncExitStack()
        self.faults: dict[str, Fault] = {
            "server-killed": self._servers_killed(1),
            "servers-killed": self._servers_killed(COUNT),
            "server-restarted": self._server_restarted,
            "server-stopped": self._server_stopped,
            "member-killed": self._members_killed(1),
            "all-members-killed": self._members_killed(COUNT),
            "member-stopped": self._member_stopped,
            "member-unplugged": self._member_unplugged,
            "members-partitioned": self._members_partitioned,
            "member-deaf": self._member_deaf,
            "server-unplugged": self._server_unplugged,
            "server-partitioned": self._server_partitioned,
            "server-refused": self._server_refused,
            "server-deaf": self._server_deaf,
            "member-disk-full": self._disk_full,
            "member-slow-fsync": self._slow_fsync,
            "member-failing-fsync": self._failing_fsync,
            "compaction": self._compaction,
        }

    # life

    async def start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="sampan-faults-")))
        self._member_machines = [self._machine(number) for number in MEMBERS]
        self._server_machines = [self._machine(number) for number in SERVERS]
        self._etcd = etcd.EtcdCluster([self._member(folder, n) for n in range(COUNT)], options=OPTIONS)
        self._stack.callback(self._etcd.close)
        self._etcd.start()
        await self._etcd.ready()
        self._beneath = EtcdStore(self._etcd.endpoints, self.clock, seconds=5)
        await self._beneath.start()
        self._stack.push_async_callback(self._beneath.close)
        self._servers = [self._server(folder, n) for n in range(COUNT)]
        for server in self._servers:
            self._stack.push_async_callback(server.close)
            server.start()
        await asyncio.gather(*(server.ready() for server in self._servers))
        await self._servers[0].store.prepare()

    def _machine(self, number: int) -> netns.Machine:
        machine = netns.Machine(number)
        self._stack.callback(machine.close)
        return machine

    def _member(self, folder: Path, number: int) -> etcd.Member:
        machine = self._member_machines[number]
        place = folder / f"m{number}"
        injection.mount(place, MEGABYTES)
        self._stack.callback(injection.unmount, place)
        return etcd.Member(f"m{number}", place, 2379, 2380, host=machine.address, prefix=machine.prefix)

    def _server(self, folder: Path, number: int) -> ServerProcess:
        machine = self._server_machines[number]
        urls = self._etcd.endpoints
        store = f"etcd={','.join([*urls[number:], *urls[:number]])}"
        return ServerProcess(folder / f"s{number}", machine.address, ("--store", store), prefix=machine.prefix)

    async def close(self) -> None:
        await self._stack.aclose()

    async def heal(self) -> None:
        for machine in (*self._member_machines, *self._server_machines):
            machine.mend()
        for member in self._etcd.members:
            member.send(signal.SIGCONT)
            if not member.running:
                self._etcd.start(member)
        await self._etcd.ready()
        for server in self._servers:
            server.send(signal.SIGCONT)
            if not server.running:
                server.start()
        await asyncio.gather(*(server.ready() for server in self._servers))

    def store(self) -> Served:
        return self._rng.choice(self._servers).store

    def journal(self) -> Served:
        return Underneath(self._beneath)

    async def reach(self, call: Callable[[Served], Awaitable[T]]) -> T:
        return await call(self.store())

    async def following(self, watch: Watch) -> list[Event]:
        return await watch.__anext__()

    async def _long(self, rng: random.Random) -> None:
        await self.clock.sleep(ELECTION * rng.uniform(1, 6))

    # servers

    def _servers_killed(self, count: int) -> Fault:
        async def killed(rng: random.Random) -> None:
            chosen = rng.sample(self._servers, count)
            await asyncio.gather(*(server.end() for server in chosen))
            for server in chosen:
                server.start()
            await asyncio.gather(*(server.ready() for server in chosen))

        return killed

    async def _server_restarted(self, rng: random.Random) -> None:
        server = rng.choice(self._servers)
        await server.end(signal.SIGTERM)
        server.start()
        await server.ready()

    async def _server_stopped(self, rng: random.Random) -> None:
        server = rng.choice(self._servers)
        server.send(signal.SIGSTOP)
        await self.clock.sleep(rng.uniform(2, 5))
        server.send(signal.SIGCONT)

    # members

    def _members_killed(self, count: int) -> Fault:
        async def killed(rng: random.Random) -> None:
            chosen = rng.sample(self._etcd.members, count)
            for member in chosen:
                member.kill()
            await self._long(rng)
            for member in chosen:
                self._etcd.start(member)
            await self._etcd.ready()

        return killed

    async def _member_stopped(self, rng: random.Random) -> None:
        member = rng.choice(self._etcd.members)
        member.send(signal.SIGSTOP)
        await self._long(rng)
        member.send(signal.SIGCONT)

    async def _disk_full(self, rng: random.Random) -> None:
        """etcd ends when it cannot write; with room again it is started again."""
        member = rng.choice(self._etcd.members)
        with injection.full(member.folder):
            await self.clock.sleep(rng.uniform(1, 4))
        await self._revived(member)

    async def _slow_fsync(self, rng: random.Random) -> None:
        async with injection.injected(_pid(rng.choice(self._etcd.members)), "delay_enter=200000"):
            await self._long(rng)

    async def _failing_fsync(self, rng: random.Random) -> None:
        """etcd ends at the first one."""
        member = rng.choice(self._etcd.members)
        async with injection.injected(_pid(member), "error=EIO"):
            while member.running:
                await self.clock.sleep(self.pace)
        await self._revived(member)

    async def _revived(self, member: etcd.Member) -> None:
        await self.clock.sleep(self.pace)
        if not member.running:
            self._etcd.start(member)
        await self._etcd.ready()

    # ways

    async def _member_unplugged(self, rng: random.Random) -> None:
        await self._unplugged(rng.choice(self._member_machines), rng)

    async def _server_unplugged(self, rng: random.Random) -> None:
        """From etcd and from its clients."""
        await self._unplugged(rng.choice(self._server_machines), rng)

    async def _unplugged(self, machine: netns.Machine, rng: random.Random) -> None:
        machine.unplug()
        await self._long(rng)
        machine.mend()

    async def _members_partitioned(self, rng: random.Random) -> None:
        """One member from the two others; servers and clients reach all three."""
        one = rng.choice(self._member_machines)
        others = [machine for machine in self._member_machines if machine is not one]
        await self._parted([one], others, rng)

    async def _server_partitioned(self, rng: random.Random) -> None:
        """One server from some or all members; its clients reach it."""
        members = rng.sample(self._member_machines, rng.randint(1, COUNT))
        await self._parted([rng.choice(self._server_machines)], members, rng)

    async def _parted(self, one: list[netns.Machine], other: list[netns.Machine], rng: random.Random) -> None:
        netns.partition(one, other)
        await self._long(rng)
        for machine in (*one, *other):
            machine.mend()

    async def _member_deaf(self, rng: random.Random) -> None:
        """It hears nothing of the others, who hear it."""
        one = rng.choice(self._member_machines)
        one.deafen(*(machine for machine in self._member_machines if machine is not one))
        await self._long(rng)
        one.mend()

    async def _server_deaf(self, rng: random.Random) -> None:
        """Its requests reach etcd, and no answer comes back."""
        server = rng.choice(self._server_machines)
        server.deafen(*self._member_machines)
        await self._long(rng)
        server.mend()

    async def _server_refused(self, rng: random.Random) -> None:
        """Its connections to all members are reset."""
        server = rng.choice(self._server_machines)
        for member in self._member_machines:
            member.refuse(server)
        await self._long(rng)
        for member in self._member_machines:
            member.mend()

    # history

    async def _compaction(self, rng: random.Random) -> None:
        try:
            await self._beneath.compact(max(1, self.compactable() - rng.choice((0, 0, 3, 20))))
        except (Compacted, StoreError):
            return


def _pid(member: etcd.Member) -> int:
    assert member.process is not None, "started before"
    return member.process.pid
