"""Further nodes joined and removed, each by the verb that a person would use on a machine."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable

from cryptography import x509

from sampan.aio.clock import Clock
from sampan.api.errors import NotFound
from sampan.api.kinds import core_v1
from sampan.client import bootstrap
from sampan.client.bootstrap import Token
from sampan.client.interface import Client
from sampan.cluster import discovery, supervise, tokens
from sampan.cluster.errors import ClusterError
from sampan.cluster.nodes.plan import Place, Plan
from sampan.cluster.options import Options
from sampan.cluster.supervision.processes import Records
from sampan.cluster.switch import discard

TOKEN_SECONDS = 600.0
LAST_LINES = 5


def runs(place: Place) -> bool:
    """Whether somebody keeps its processes running."""
    entry = Records(place.layout.run).load(supervise.SUPERVISOR)
    return bool(entry and entry.alive)


@contextlib.asynccontextmanager
async def token(client: Client, clock: Clock, options: Options) -> AsyncIterator[Token]:
    """A token for them, deleted afterwards."""
    made = bootstrap.generate(random.SystemRandom())
    await tokens.publish(client, options)
    await tokens.create(client, clock, made, ttl=TOKEN_SECONDS, description="the nodes of sampan up")
    try:
        yield made
    finally:
        await tokens.delete(client, made.id)


async def vouched_for(client: Client, token: Token) -> bool:
    """Whether the cluster has signed what a machine with that token is told."""
    info = await client.get(core_v1.ConfigMap, bootstrap.INFO_NAME, bootstrap.INFO_NAMESPACE)
    return bootstrap.SIGNATURE_PREFIX + token.id in (info.data or {})


async def join(options: Options, token: Token, places: Iterable[Place]) -> None:
    """All at once. Raises ClusterError with what the first failure said."""
    authorities = x509.load_pem_x509_certificates((options.layout.pki / "ca.crt").read_bytes())
    pin = discovery.digest(authorities[0])
    await asyncio.gather(*(_run(place.join(options.public_server, pin), str(token)) for place in places))


async def forget(client: Client, place: Place) -> None:
    """Takes a node out of the cluster: its pods are made anew on others. While it runs, it would only come back."""
    await remove(place)
    with contextlib.suppress(NotFound):
        await client.delete(core_v1.Node, place.name)


async def remove(place: Place, *, keep_data: bool = False) -> None:
    """Stops all that a node runs, and removes what it left; its network must be there. Raises ClusterError."""
    await _run(place.sampan("down", *(["--keep-data"] if keep_data else [])))
    discard(place.outlet)


async def remove_all(plan: Plan, *, keep_data: bool) -> int:
    """Every further node there is; returns how many."""
    places = plan.existing()
    if not places:
        return 0
    plan.switch.ensure(place.outlet for place in places)
    await asyncio.gather(*(remove(place, keep_data=keep_data) for place in places))
    return len(places)


async def _run(command: list[str], text: str = "") -> None:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate(text.encode())
    if process.returncode:
        lines = output.decode(errors="replace").strip().splitlines()
        raise ClusterError("\n".join(["a node did not do as told:", *lines[-LAST_LINES:]]))
