"""The processes of a machine, and who runs in each.

A process's main takes the cluster's options and returns when it is told to stop. Imports are inside the functions that
need them, so that a command line that runs one component loads no other; `preload` imports them all before the
supervisor forks, so that the processes share those pages.

Each component can also run alone (`STANDALONE`), with the kubeconfig of its own identity or one that is given. Where
two controller managers or schedulers may run, they elect a leader by Lease and write through a fenced client.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.cluster import process
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import Plan, Server

NOTICE_SECONDS = 1.0
"""How long one of several servers still serves when told to stop: the balancer asks twice as often."""


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


@dataclass(frozen=True, kw_only=True)
class Part:
    """A component: the kubeconfig of its identity, how it is made, and whether only a leader may act.

    `make(options, client, clock, rng)` returns something with `run()`.
    """

    name: str
    identity: str
    make: Callable[[Options, Any, Clock, random.Random], Any]
    lease: str = ""


def make_controller_manager(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster.certificates import SIGNERS
    from sampan.controllers.context import Config
    from sampan.controllers.manager import ControllerManager

    pki = options.layout.pki
    signing = {signer: (pki / f"{ca}.crt", pki / f"{ca}.key") for signer, ca in SIGNERS.items()}
    config = Config(
        root_ca=pki / "ca.crt",
        service_account_key=pki / "sa.key",
        signing=signing,
        cluster_cidr=options.cluster_cidr,
    )
    return ControllerManager(client, clock, rng, config)


def make_scheduler(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.scheduler.scheduler import Scheduler

    return Scheduler(client=client, clock=clock, rng=rng)


def make_kubelet(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster import node

    return node.kubelet(options, client, clock, rng)


def make_proxy(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster import node

    return node.proxy(options, client, clock, rng)


def make_dns(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster import node

    return node.names_alone(options, client, clock, rng)


def make_network(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster import node

    return node.network(options, client, clock, rng)


def make_ingress(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster import ingress

    return ingress.controller(options, client, clock, rng)


def make_certificates(options: Options, client: Any, clock: Clock, rng: random.Random) -> Any:
    from sampan.cluster.nodecertificates import NodeCertificates

    return NodeCertificates(options, client, clock, rng)


CONTROLLER_MANAGER = Part(
    name="controller-manager",
    identity="controller-manager",
    make=make_controller_manager,
    lease="kube-controller-manager",
)
SCHEDULER = Part(name="scheduler", identity="scheduler", make=make_scheduler, lease="kube-scheduler")
KUBELET = Part(name="kubelet", identity="kubelet", make=make_kubelet)
PROXY = Part(name="proxy", identity="proxy", make=make_proxy)
DNS = Part(name="dns", identity="dns", make=make_dns)
NETWORK = Part(name="network", identity="proxy", make=make_network)

INGRESS = Part(name="ingress", identity="ingress", make=make_ingress)

CERTIFICATES = Part(name="certificates", identity="kubelet", make=make_certificates)

# What runs on a machine that has joined.
JOINED = (CERTIFICATES, NETWORK, KUBELET)

# What runs together, by the command's name.
STANDALONE: dict[str, tuple[Part, ...]] = {
    "controllers": (CONTROLLER_MANAGER, SCHEDULER),
    "controller-manager": (CONTROLLER_MANAGER,),
    "scheduler": (SCHEDULER,),
    "agent": (NETWORK, KUBELET),
    "kubelet": (KUBELET,),
    "proxy": (PROXY,),
    "dns": (DNS,),
    "ingress": (INGRESS,),
}


async def run_parts(
    parts: tuple[Part, ...], options: Options, *, kubeconfig: Path | None = None, elect: bool = False
) -> None:
    """Runs components in one event loop until cancelled; one that fails is started again, not the others with it."""
    clock, rng = SystemClock(), random.Random()
    async with AsyncExitStack() as stack:
        backoff = Backoff(base=1.0, cap=30.0, rng=rng, jitter=0.2)
        tasks = TaskOwner("+".join(part.name for part in parts), clock=clock, backoff=backoff)
        works = []
        for part in parts:
            path = kubeconfig or options.layout.kubeconfigs / f"{part.identity}.kubeconfig"
            client = await stack.enter_async_context(rest_client(path, clock))
            works.append((part.name, work(part, options, client, clock, rng, elect)))
        await stack.enter_async_context(tasks)
        for name, run in works:
            tasks.start(run, name=name, policy="restart")
        await tasks.wait()


def work(
    part: Part, options: Options, client: Any, clock: Clock, rng: random.Random, elect: bool
) -> Callable[[], Awaitable[None]]:
    """What a component's task does, under a lease when it elects a leader; made anew at each start."""

    async def alone() -> None:
        await part.make(options, client, clock, rng).run()

    async def elected() -> None:
        from sampan.client.leader import run_elected

        def make(fenced: Any) -> Any:
            return part.make(options, fenced, clock, rng)

        identity = f"{options.node_name}_{os.getpid()}"
        await run_elected(make, client, clock, rng, lease=part.lease, identity=identity)

    return elected if elect and part.lease else alone


def rest_client(path: Path, clock: Clock) -> Any:
    """A REST client that speaks for whom a kubeconfig names."""
    from sampan.client import kubeconfig
    from sampan.client.rest import RestClient

    return RestClient(kubeconfig.load(path), clock)


async def serve_api(options: Options, place: Server | None = None) -> None:
    """The API server over the cluster's store, until cancelled; at `place` when it is one of several."""
    from sampan.apiserver.server import ApiServer
    from sampan.cluster import storage

    clock, rng = SystemClock(), random.Random()
    disk = storage.open_storage(options, clock, nearest=place)
    store = storage.encrypted(options, disk, clock)
    server = ApiServer(api_config(options, place), store, clock, rng)
    backoff = Backoff(base=1.0, cap=60.0, rng=rng, jitter=0.2)
    async with TaskOwner("apiserver process", clock=clock, backoff=backoff) as tasks:
        await server.start()
        try:
            backups = storage.snapshots(options, disk, clock)
            if backups is not None:
                tasks.start(backups.run, name="backups", policy="restart")
            await store.broken()
        finally:
            await server.stop()


def api_config(options: Options, place: Server | None) -> Any:
    """What an API server of this cluster is told."""
    from sampan.apiserver.allocation.networks import parse as service_networks
    from sampan.apiserver.auth.options import AuthenticationOptions, AuthorizationOptions, RequestHeaderOptions
    from sampan.apiserver.config import Config
    from sampan.cluster import certificates

    layout = options.layout
    enable, disable, admission = options.admission
    return Config(
        authentication=AuthenticationOptions(
            config_file=Path(options.authentication_config) if options.authentication_config else None,
            request_header=RequestHeaderOptions(
                authority=layout.pki / "front-proxy-ca.crt", names=(certificates.FRONT_PROXY_CLIENT,)
            ),
        ),
        authorization=AuthorizationOptions(
            config_file=Path(options.authorization_config) if options.authorization_config else None
        ),
        audit=audit_options(options, place),
        enable_plugins=enable,
        disable_plugins=disable,
        admission_configuration=admission,
        bind_address=place.address if place else options.bind_address,
        more_addresses=() if place or options.reachable else (options.node_ip,),
        port=options.port,
        advertise_address=place.address if place else options.node_ip,
        shutdown_delay_seconds=NOTICE_SECONDS if place else 0.0,
        certificate=layout.pki / "apiserver.crt",
        key=layout.pki / "apiserver.key",
        client_authority=layout.pki / "ca.crt",
        service_networks=service_networks(options.service_cidr),
        service_account_key=layout.pki / "sa.key",
        kubelet_certificate=layout.pki / "apiserver-kubelet-client.crt",
        kubelet_key=layout.pki / "apiserver-kubelet-client.key",
        kubelet_authority=layout.pki / "kubelet-ca.crt",
    )


def audit_options(options: Options, place: Server | None) -> Any:
    """Where there are several servers, each writes a log of its own: `audit.log` is `audit-1.log`, and so on."""
    from sampan.apiserver.audit.options import named

    made = named(options.audit)
    if made.path is None or place is None or str(made.path) == "-":
        return made
    return dataclasses.replace(made, path=made.path.with_stem(f"{made.path.stem}-{place.number}"))


def apiserver(options: Options) -> None:
    process.run(lambda: serve_api(options))


def apiserver_at(place: Server) -> Callable[[Options], None]:
    """An API server in its own network."""

    def main(options: Options) -> None:
        from sampan.cluster.servers import namespaces

        namespaces.enter(place)
        process.run(lambda: serve_api(options, place))

    return main


def balancer(options: Options) -> None:
    from sampan.cluster.servers.balancing import balance

    process.run(lambda: balance(options, SystemClock()))


def controllers(options: Options) -> None:
    process.run(lambda: run_parts(STANDALONE["controllers"], options))


def elected_controllers(options: Options) -> None:
    """One of several."""
    process.run(lambda: run_parts(STANDALONE["controllers"], options, elect=True))


def agent(options: Options) -> None:
    parts = JOINED if options.joined else STANDALONE["agent"]
    process.run(lambda: run_parts((*parts, INGRESS) if options.ingress else parts, options))


def processes(options: Options) -> dict[str, Callable[[Options], None]]:
    """The processes of a machine by name, in the order they start; etcd members and the runtime come before them."""
    if options.joined:
        return {"agent": agent}
    plan = Plan(options)
    if not plan:
        return {"apiserver": apiserver, "controllers": controllers, "agent": agent}
    servers = {server.apiserver: apiserver_at(server) for server in plan}
    copies = {f"controllers-{server.number}": elected_controllers for server in plan}
    return {**servers, "balancer": balancer, **copies, "agent": agent}
