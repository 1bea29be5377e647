"""Three real etcd members and two stores on them, with proxies before every port: a cluster on a bad network."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sampan.aio.clock import SystemClock
from sampan.store.errors import StoreError
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Event, Store, Watch
from sampan.testing import etcd
from sampan.testing.faults.targets.target import Fault, Incarnations
from sampan.testing.proxy import Mode, Proxy, started

T = TypeVar("T")
MEMBERS, STORES = 3, 2
ELECTION = etcd.ELECTION_MS / 1000


class Etcd(Incarnations):
    """`Target` on a cluster of its own. Each call goes to another of the stores, as clients do behind a balancer."""

    pace = 0.02

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.clock = SystemClock()
        self._rng = random.Random(seed)
        self._stack = contextlib.AsyncExitStack()
        self._stores: list[EtcdStore] = []
        self.faults: dict[str, Fault] = {
            "member-killed": self._kill_one,
            "two-members-killed": self._kill_two,
            "all-members-killed": self._kill_all,
            "member-stopped": self._stop_one,
            "all-members-stopped": self._stop_all,
            "member-replaced": self._replace,
            "peers-cut": self._peers("cut"),
            "peers-silent": self._peers("hole"),
            "peers-slow": self._peers("slow"),
            "clients-cut": self._clients("cut"),
            "clients-silent": self._clients("hole"),
            "clients-slow": self._clients("slow"),
            "all-clients-cut": self._all_clients,
            "store-restarted": self._restart,
            "compaction": self.compaction,
        }

    async def start(self) -> None:
        self._cluster = self._stack.enter_context(etcd.cluster(MEMBERS, start=False))
        members = self._cluster.members
        self._peer_proxies = await started([member.peer for member in members], self._stack)
        self._client_proxies = await started([member.client for member in members], self._stack)
        for member, proxy in zip(members, self._peer_proxies, strict=True):
            member.peer_url = f"http://127.0.0.1:{proxy.port}"
        self._cluster.start()
        await self._cluster.ready()
        urls = [f"http://127.0.0.1:{proxy.port}" for proxy in self._client_proxies]
        for n in range(STORES):
            store = EtcdStore([*urls[n:], *urls[:n]], self.clock, seconds=5)
            self._stores.append(store)
            await self._begin(store)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()
        await self._stack.aclose()

    async def heal(self) -> None:
        for proxy in (*self._peer_proxies, *self._client_proxies):
            await proxy.set("pass")
        for member in self._cluster.members:
            member.send(signal.SIGCONT)
            if not member.running:
                self._cluster.start(member)

    def store(self) -> Store:
        return self._rng.choice(self._stores)

    async def reach(self, call: Callable[[Store], Awaitable[T]]) -> T:
        return await call(self.store())

    async def following(self, watch: Watch) -> list[Event]:
        return await watch.__anext__()

    async def _down(self, count: int, rng: random.Random) -> None:
        chosen = rng.sample(self._cluster.members, count)
        for member in chosen:
            member.kill()
        await self.clock.sleep(ELECTION * rng.uniform(0.5, 3))
        for member in chosen:
            self._cluster.start(member)
        await self._cluster.ready()

    async def _kill_one(self, rng: random.Random) -> None:
        await self._down(1, rng)

    async def _kill_two(self, rng: random.Random) -> None:
        await self._down(2, rng)

    async def _kill_all(self, rng: random.Random) -> None:
        await self._down(MEMBERS, rng)

    async def _stopped(self, count: int, rng: random.Random) -> None:
        chosen = rng.sample(self._cluster.members, count)
        for member in chosen:
            member.send(signal.SIGSTOP)
        await self.clock.sleep(ELECTION * rng.uniform(1, 5))
        for member in chosen:
            member.send(signal.SIGCONT)

    async def _stop_one(self, rng: random.Random) -> None:
        await self._stopped(1, rng)

    async def _stop_all(self, rng: random.Random) -> None:
        await self._stopped(MEMBERS, rng)

    async def _replace(self, rng: random.Random) -> None:
        """A member is lost with its disk, and another takes its place."""
        number = rng.randrange(MEMBERS)
        lost = self._cluster.members[number]
        others = ",".join(member.url for member in self._cluster.members if member is not lost)
        lost.kill()
        listed = await self._etcdctl(others, "member", "list")
        line = next(line for line in listed.splitlines() if lost.peer_url in line)
        await self._etcdctl(others, "member", "remove", line.split(",")[0])
        await self.clock.sleep(ELECTION)
        shutil.rmtree(lost.folder / "data")
        await self._etcdctl(others, "member", "add", lost.name, f"--peer-urls={lost.peer_url}")
        lost.start(self._cluster.peers, "existing")
        await self._cluster.ready()

    async def _etcdctl(self, endpoints: str, *arguments: str) -> str:
        """Asked until it is answered: the cluster may be electing."""
        while True:
            try:
                return await asyncio.to_thread(etcd.etcdctl, endpoints, *arguments)
            except OSError:
                raise
            except Exception:
                await self.clock.sleep(ELECTION)

    def _peers(self, mode: Mode) -> Fault:
        return lambda rng: self._through(rng.choice(self._peer_proxies), mode, rng)

    def _clients(self, mode: Mode) -> Fault:
        return lambda rng: self._through(rng.choice(self._client_proxies), mode, rng)

    async def _all_clients(self, rng: random.Random) -> None:
        await asyncio.gather(*(self._through(proxy, "cut", rng) for proxy in self._client_proxies))

    async def _through(self, proxy: Proxy, mode: Mode, rng: random.Random) -> None:
        await proxy.set(mode)
        await self.clock.sleep(ELECTION * rng.uniform(0.5, 4))
        await proxy.set("pass")

    async def _restart(self, rng: random.Random) -> None:
        """One of the servers ends and begins again; its watches and calls break off."""
        store = rng.choice(self._stores)
        await store.close()
        await self._begin(store)

    async def _begin(self, store: EtcdStore) -> None:
        """Members may be electing, or the machine be busy."""
        while True:
            try:
                await store.start()
                return
            except StoreError:
                await self.clock.sleep(self.pace)
