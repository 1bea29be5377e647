"""The three processes of a machine, and who runs in each.

A process's main takes the cluster's options and returns when it is told to stop. Imports are inside the functions that
need them, so that a command line that runs one component loads no other; `preload` imports them all before the
supervisor forks, so that the processes share those pages.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.cluster import process
from sampan.cluster.options import Options


def preload() -> None:
    """Imports what the forked processes have in common; nothing here may start a thread."""
    from sampan.api import registry, schema

    schema.load()
    registry.builtin()
    import sampan.apiserver.server
    import sampan.client.rest
    import sampan.controllers.manager
    import sampan.scheduler.scheduler
    import sampan.store.sqlite  # noqa: F401


def apiserver(options: Options) -> None:
    process.run(lambda: serve_api(options))


def controllers(options: Options) -> None:
    process.run(lambda: run_controllers(options))


def agent(options: Options) -> None:
    process.run(lambda: run_agent(options))


async def serve_api(options: Options) -> None:
    """The API server over its SQLite store, until cancelled."""
    import asyncio
    import ipaddress

    from sampan.apiserver.config import Config
    from sampan.apiserver.server import ApiServer
    from sampan.store.sqlite import SqliteStore

    layout, clock = options.layout, SystemClock()
    config = Config(
        bind_address=options.bind_address,
        more_addresses=() if options.reachable else (options.node_ip,),
        port=options.port,
        advertise_address=options.node_ip,
        certificate=layout.pki / "apiserver.crt",
        key=layout.pki / "apiserver.key",
        client_authority=layout.pki / "ca.crt",
        service_network=ipaddress.ip_network(options.service_cidr),
        kubelet_certificate=layout.pki / "apiserver-kubelet-client.crt",
        kubelet_key=layout.pki / "apiserver-kubelet-client.key",
        kubelet_authority=layout.pki / "ca.crt",
    )
    server = ApiServer(config, SqliteStore(layout.store, clock), clock, random.Random())
    await server.start()
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


async def run_controllers(options: Options) -> None:
    """Controllers and scheduler, each with its own identity, until cancelled."""
    from sampan.controllers.context import Config
    from sampan.controllers.manager import ControllerManager
    from sampan.scheduler.scheduler import Scheduler

    clock, rng = SystemClock(), random.Random()
    ca = (options.layout.pki / "ca.crt").read_bytes()
    config = Config(root_ca=ca, cluster_cidr=options.cluster_cidr)
    async with (
        client(options, "controller-manager", clock) as manager_client,
        client(options, "scheduler", clock) as scheduler_client,
        owner("controllers", clock, rng) as tasks,
    ):
        manager = ControllerManager(manager_client, clock, rng, config)
        scheduler = Scheduler(client=scheduler_client, clock=clock, rng=rng)
        tasks.start(manager.run, name="controller-manager", policy="restart")
        tasks.start(scheduler.run, name="scheduler", policy="restart")
        await tasks.wait()


async def run_agent(options: Options) -> None:
    """A node's kubelet, service proxy and DNS, each with its own identity, until cancelled."""
    from sampan.cluster.node import dns, kubelet, proxy

    clock, rng = SystemClock(), random.Random()
    async with (
        client(options, "kubelet", clock) as kubelet_client,
        client(options, "proxy", clock) as proxy_client,
        client(options, "dns", clock) as dns_client,
        owner("agent", clock, rng) as tasks,
    ):
        tasks.start(proxy(options, proxy_client, clock, rng).run, name="proxy", policy="restart")
        tasks.start(dns(options, dns_client, clock, rng).run, name="dns", policy="restart")
        tasks.start(kubelet(options, kubelet_client, clock, rng).run, name="kubelet", policy="restart")
        await tasks.wait()


def client(options: Options, identity: str, clock: Clock) -> Any:
    """A REST client that speaks for a component."""
    from sampan.client import kubeconfig
    from sampan.client.rest import RestClient

    return RestClient(kubeconfig.load(options.layout.kubeconfigs / f"{identity}.kubeconfig"), clock)


def owner(name: str, clock: Clock, rng: random.Random) -> TaskOwner:
    """Components of one process are started again one by one, not the process with them."""
    return TaskOwner(name, clock=clock, backoff=Backoff(base=1.0, cap=30.0, rng=rng, jitter=0.2))


COMPONENTS: dict[str, Callable[[Options], None]] = {
    "apiserver": apiserver,
    "controllers": controllers,
    "agent": agent,
}
