"""The parts of a test's cluster, in the event loop that runs.

Whoever tests reaches the server over TLS; its neighbours in the loop hand their requests over without a socket.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.apiserver.allocation.networks import parse as service_networks
from sampan.apiserver.config import Config
from sampan.apiserver.server import ApiServer
from sampan.client import kubeconfig
from sampan.client.errors import ClientError
from sampan.client.rest import RestClient
from sampan.cluster import certificates, tokenkeys
from sampan.cluster.layout import write_private
from sampan.store.opening import open_store
from sampan.testing.direct import ADMINISTRATOR, CONTROLLERS, SCHEDULER, DirectTransport
from sampan.testing.local.address import Address
from sampan.testing.local.setup import Setup, kubeconfig_file
from sampan.testing.nodes import SimulatedNodes

ADMIN = certificates.Identity(file="admin", user="kubernetes-admin", groups=("system:masters",))
SERVER = certificates.Identity(file="apiserver", user="kube-apiserver", hosts=("127.0.0.1", "localhost"), client=False)
READY_LOOK_SECONDS = 0.02


class Parts:
    """Runs between `__aenter__`, which returns once all is ready, and `__aexit__`. `folder` exists and is ours."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self._setup = setup
        self._folder = folder
        self._clock = SystemClock()
        self._stack = AsyncExitStack()
        self._server: ApiServer | None = None
        self.nodes: SimulatedNodes | None = None

    async def __aenter__(self) -> Address:
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> Address:
        authority = self._certificates()
        port = await self._serve()
        url = f"https://127.0.0.1:{port}"
        ca = authority.certificate_file.read_bytes()
        people = [ADMIN] + [
            certificates.Identity(file=name, user=name, groups=tuple(groups))
            for name, groups in self._setup.users.items()
        ]
        for person in people:
            cert, key = authority.issue(person)
            text = kubeconfig.render(server=url, ca=ca, cert=cert, key=key, user=person.user, cluster="test")
            write_private(kubeconfig_file(self._folder, person.file), text.encode())
        address = Address(url, kubeconfig.load(kubeconfig_file(self._folder, "admin")))
        await self._components(address, authority.certificate_file)
        return address

    def _certificates(self) -> certificates.Authority:
        pki = self._folder / "pki"
        authority = certificates.Authority(pki, self._clock)
        for identity in (ADMIN, SERVER, *certificates.COMPONENTS):
            if identity.file in ("apiserver", "apiserver-kubelet-client"):
                authority.ensure(identity)
        tokenkeys.ensure(pki)
        return authority

    async def _serve(self) -> int:
        setup, pki = self._setup, self._folder / "pki"
        config = Config(
            port=0,
            certificate=pki / "apiserver.crt",
            key=pki / "apiserver.key",
            client_authority=pki / "ca.crt",
            service_networks=service_networks(setup.service_cidr),
            service_account_key=pki / "sa.key",
            kubelet_certificate=pki / "apiserver-kubelet-client.crt",
            kubelet_key=pki / "apiserver-kubelet-client.key",
            kubelet_authority=pki / "ca.crt",
            enable_plugins=setup.enable_plugins,
            disable_plugins=setup.plugins_off(),
        )
        store = open_store(setup.store, self._clock, path=self._folder / "store.db")
        self._server = ApiServer(config, store, self._clock, random.Random())
        self._stack.push_async_callback(self._server.close)
        return await self._server.start()

    async def _components(self, address: Address, ca: Path) -> None:
        """Controllers, scheduler and nodes, each with a client of its own."""
        setup, clock, rng = self._setup, self._clock, random.Random()
        tasks = TaskOwner("test cluster", clock=clock, backoff=Backoff(base=0.5, cap=10.0, rng=rng))
        waits = []
        if setup.controllers:
            from sampan.controllers.context import Config as ControllersConfig
            from sampan.controllers.manager import ControllerManager

            client = await self._client(address, CONTROLLERS)
            manager = ControllerManager(client, clock, rng, ControllersConfig(root_ca=ca))
            tasks.start(manager.run, name="controllers")
        if setup.scheduler:
            from sampan.scheduler.scheduler import Scheduler

            scheduler = Scheduler(client=await self._client(address, SCHEDULER), clock=clock, rng=rng)
            tasks.start(scheduler.run, name="scheduler", policy="restart")
        if setup.nodes:
            client = await self._client(address)
            self.nodes = SimulatedNodes(
                client, clock, rng, setup.node_names, behaviour=setup.behaviour, machine=setup.machine
            )
            tasks.start(self.nodes.run, name="nodes")
            waits.append(self._registered(self.nodes))
        self._stack.push_async_callback(tasks.close)
        if setup.controllers:
            waits.append(self._accounts(address))
        await asyncio.gather(*waits)

    async def _registered(self, nodes: SimulatedNodes) -> None:
        while nodes.statistics()["nodes"] < self._setup.nodes:
            await self._clock.sleep(READY_LOOK_SECONDS)

    async def _client(self, address: Address, user: Mapping[str, Any] = ADMINISTRATOR) -> RestClient:
        client = RestClient(address.admin, self._clock, transport=DirectTransport(lambda: self._server, **user))
        return await self._stack.enter_async_context(client)

    async def _accounts(self, address: Address) -> None:
        """Waits until a pod may be created in `default`."""
        from sampan.api.errors import NotFound
        from sampan.api.kinds import core_v1

        client = await self._client(address)
        while True:
            try:
                await client.get(core_v1.ServiceAccount, "default", "default")
                return
            except (NotFound, ClientError):
                await self._clock.sleep(READY_LOOK_SECONDS)
