"""The cluster itself: which components run, what time it is, what has happened.

    async with VirtualCluster(nodes=100, seed=7) as cluster:
        await cluster.client.create(deployment)
        await cluster.pass_time(3600)

or, without an event loop of one's own, `simulate(story, nodes=100, seed=7)`. The loop must be asyncio's own (not
uvloop), and the story must wait for nothing but the cluster: virtual time passes only in `pass_time` and `until`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from sampan.aio.backoff import Backoff
from sampan.aio.tasks import TaskOwner
from sampan.apiserver.config import Config as ServerConfig
from sampan.apiserver.server import ApiServer
from sampan.client.rest import RestClient
from sampan.client.transport import ClientConfig
from sampan.controllers.context import Config
from sampan.controllers.manager import ControllerManager
from sampan.scheduler.scheduler import Scheduler
from sampan.store.memory import MemoryStore
from sampan.testing import direct
from sampan.testing.clock import VirtualClock, settle
from sampan.testing.direct import DirectTransport
from sampan.testing.nodes import Behaviour, Machine, SimulatedNodes
from sampan.testing.virtual import disk, network
from sampan.testing.virtual.disk import FaultyStore, StoreFaults
from sampan.testing.virtual.history import History
from sampan.testing.virtual.network import FaultyTransport, NetworkFaults

T = TypeVar("T")
Story = Callable[["VirtualCluster"], Awaitable[T]]
ROOT_CA = Path(__file__).with_name("root-ca.crt")
"""No certificate: nobody in a virtual cluster speaks TLS."""
IDENTITIES = {"controllers": direct.CONTROLLERS, "scheduler": direct.SCHEDULER}
SETTLE_SECONDS = 5.0
SERVER = ServerConfig(port=6443, advertise_address="10.126.0.1")


class VirtualCluster:
    """`nodes` is how many simulated nodes, named node-0 and so on. `client` asks as administrator and is never hurt;
    the components' requests suffer `network_faults`, their writes `store_faults`, both as set at any time.

    `lease_seconds` is between two renewals of a node's lease: what an idle cluster costs is mostly these, and the node
    lifecycle controller's grace (50 s) bears up to 40. `keep_history` keeps a line for every change in
    `history.lines`; the digest is there in any case.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        nodes: int = 3,
        controllers: bool = True,
        scheduler: bool = True,
        behaviour: Behaviour | None = None,
        machine: Machine | None = None,
        controller_config: Config | None = None,
        lease_seconds: float = 10.0,
        network_faults: NetworkFaults = network.CALM,
        store_faults: StoreFaults = disk.CALM,
        keep_history: bool = False,
    ) -> None:
        self.seed = seed
        self.clock = VirtualClock()
        self.node_names = [f"node-{number}" for number in range(nodes)]
        self.nodes: SimulatedNodes | None = None
        self.server: ApiServer | None = None
        self._network_faults = network_faults
        self._store_faults = store_faults
        self._behaviour = behaviour
        self._machine = machine
        self._config = controller_config or Config(root_ca=ROOT_CA)
        self._lease_seconds = lease_seconds
        self._keep = keep_history
        self._starts = 0
        makers: dict[str, tuple[bool, Callable[[Any, random.Random], Any]]] = {
            "controllers": (controllers, self._controllers),
            "scheduler": (scheduler, self._scheduler),
            "nodes": (nodes > 0, self._nodes),
        }
        self._makers = {name: make for name, (wanted, make) in makers.items() if wanted}
        self._transports: list[FaultyTransport] = []
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._direct = [DirectTransport(lambda: self.server)]
        self.client = RestClient(ClientConfig(server="direct:"), self.clock, transport=self._direct[0])

    # life

    async def __aenter__(self) -> VirtualCluster:
        self._store = MemoryStore(self.clock)
        await self._store.start()
        self.history = History(self._store, keep=self._keep)
        self._disk = FaultyStore(self._store, self.clock, self._random("disk"))
        self._tasks = TaskOwner("virtual cluster")
        self._tasks.start(partial(self.history.run, self.clock.now), name="history")
        await self.start("apiserver")
        for name in self._makers:
            await self.start(name)
        await self.pass_time(SETTLE_SECONDS)
        self.network_faults = self._network_faults
        self.store_faults = self._store_faults
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(self._makers):
            await self.kill(name)
        await self.kill("apiserver")
        self.history.close()
        await self._tasks.close()
        await self._store.close()

    async def start(self, name: str) -> None:
        """Starts "apiserver", "controllers", "scheduler" or "nodes" as a new process would: knowing nothing."""
        self._starts += 1
        if name == "apiserver":
            server = ApiServer(SERVER, self._disk, self.clock, self._random("apiserver"))
            await server.start(listen=False)
            self.server = server
            return
        component = self._makers[name](self._client(name), self._random(name))
        backoff = Backoff(base=1.0, cap=30.0, rng=self._random(f"{name} restarts"))
        owner = TaskOwner(name, clock=self.clock, backoff=backoff)

        async def run() -> None:
            async with owner:
                owner.start(component.run, name=name)
                await owner.wait()

        self._running[name] = asyncio.create_task(run(), name=name)

    async def kill(self, name: str) -> None:
        """Ends a component wherever it stands, as SIGKILL does; nothing when it does not run."""
        if name == "apiserver":
            server, self.server = self.server, None
            for transport in self._direct:
                transport.drop()
            if server is not None:
                await server.close()
            return
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    # faults

    async def forget_history(self) -> None:
        """Compacts the store: what the watch caches still hold is all the history there is."""
        if self._store.compacted < self._store.revision:
            await self._store.compact(self._store.revision)

    @property
    def network_faults(self) -> NetworkFaults:
        return self._network_faults

    @network_faults.setter
    def network_faults(self, faults: NetworkFaults) -> None:
        self._network_faults = faults
        for transport in self._transports:
            transport.faults = faults

    @property
    def store_faults(self) -> StoreFaults:
        return self._disk.faults

    @store_faults.setter
    def store_faults(self, faults: StoreFaults) -> None:
        self._disk.faults = faults

    def heal(self) -> None:
        """Nothing goes wrong from now on."""
        self.network_faults, self.store_faults = network.CALM, disk.CALM

    # time

    async def pass_time(self, seconds: float) -> None:
        """Lets `seconds` pass, with all that happens in them. Raises the error of a component that has died."""
        await self.clock.advance(seconds)
        await settle()
        for name, task in self._running.items():
            if task.done():
                task.result()
                raise RuntimeError(f"{name} has ended by itself")

    async def until(self, holds: Callable[[], Awaitable[bool]], *, seconds: float = 600.0, step: float = 1.0) -> None:
        """Lets time pass until `holds()`. Raises TimeoutError, with the seed, after `seconds`."""
        for _ in range(int(seconds / step)):
            if await holds():
                return
            await self.pass_time(step)
        raise TimeoutError(f"not within {seconds:g} s of virtual time (seed {self.seed})")

    def digest(self) -> str:
        """Of everything that was ever stored, in order: equal for equal runs."""
        return self.history.digest()

    # parts

    def _random(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}/{self._starts}")

    def _client(self, name: str) -> RestClient:
        inner = DirectTransport(lambda: self.server, **IDENTITIES.get(name, direct.ADMINISTRATOR))
        self._direct.append(inner)
        faulty = FaultyTransport(inner, self.clock, self._random(f"{name} network"), self._network_faults)
        self._transports.append(faulty)
        return RestClient(ClientConfig(server="direct:"), self.clock, transport=faulty)

    def _controllers(self, client: Any, rng: random.Random) -> Any:
        return ControllerManager(client, self.clock, rng, self._config)

    def _scheduler(self, client: Any, rng: random.Random) -> Any:
        return Scheduler(client=client, clock=self.clock, rng=rng)

    def _nodes(self, client: Any, rng: random.Random) -> Any:
        self.nodes = SimulatedNodes(
            client,
            self.clock,
            rng,
            self.node_names,
            behaviour=self._behaviour,
            machine=self._machine,
            lease_seconds=self._lease_seconds,
        )
        return self.nodes


def simulate(story: Story[T], **options: Any) -> T:
    """What `story(cluster)` returns, in an event loop of its own; `options` are `VirtualCluster`'s."""

    async def told() -> T:
        async with VirtualCluster(**options) as cluster:
            return await story(cluster)

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(told())
