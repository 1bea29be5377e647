"""The balancer of a cluster as a process: where it listens and how it asks."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError
from sampan.client import kubeconfig
from sampan.client.errors import Unreachable
from sampan.client.rest import RestClient
from sampan.cluster.options import Options
from sampan.cluster.servers.balancer import Backend, Balancer, Health
from sampan.cluster.servers.plan import Plan

ANSWER_SECONDS = 2.0


async def balance(options: Options, clock: Clock) -> None:
    """Until cancelled: the address that the cluster's kubeconfigs name leads to whichever of its servers lives."""
    plan = Plan(options)
    backends = [Backend(address, options.port) for address in plan.addresses]
    hosts = [options.bind_address] if options.reachable else [options.bind_address, options.node_ip]
    async with AsyncExitStack() as stack:
        clients = {b: await stack.enter_async_context(client(options, clock, b)) for b in backends}

        async def ask(backend: Backend) -> Health:
            return await health(clients[backend])

        await Balancer(backends, hosts=list(dict.fromkeys(hosts)), port=options.port, ask=ask, clock=clock).run()


async def health(client: RestClient) -> Health:
    """What a server says of itself."""
    try:
        await client.raw("GET", "/readyz")
    except ApiError:
        return Health.STOPPING
    except Unreachable as error:
        return Health.GONE if isinstance(error.__cause__, ConnectionRefusedError) or _refused(error) else Health.SILENT
    return Health.READY


def _refused(error: Unreachable) -> bool:
    return isinstance(getattr(error.__cause__, "os_error", None), ConnectionRefusedError)


def client(options: Options, clock: Clock, backend: Backend) -> RestClient:
    """Asks as nobody: health needs no credentials."""
    known = kubeconfig.load(options.layout.admin_kubeconfig)
    server = f"https://{backend}"
    return RestClient(
        replace(known, server=server, cert=None, key=None, request_seconds=ANSWER_SECONDS, files=(), again=None), clock
    )
