"""Ingresses on this machine: where haproxy listens and what it is given."""

from __future__ import annotations

import random
from pathlib import Path

from sampan.aio.clock import Clock, SystemClock
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.together import Together
from sampan.network.ingress.certificate import self_signed
from sampan.network.ingress.component import IngressController
from sampan.network.ingress.haproxy import Place
from sampan.network.ingress.process import Haproxy, user
from sampan.network.liveness.component import PeerLiveness

IPV6 = Path("/proc/net/if_inet6")
UNNAMED = "ingress.sampan.invalid"
"""Whom the certificate is made out to that is shown to clients that ask for no host of an Ingress."""


def controller(options: Options, client: Client, clock: Clock, rng: random.Random) -> Together:
    """With an ear of its own for nodes that do not answer: it may be alone in its process."""
    where, informers = place(options), Informers(client, clock, rng)
    ingresses = IngressController(
        client=client,
        informers=informers,
        clock=clock,
        rng=rng,
        server=Haproxy(where, clock),
        place=where,
        address=options.node_ip,
        certificate=self_signed(UNNAMED, clock.now()),
    )
    liveness = PeerLiveness(
        informers=informers, clock=clock, rng=rng, node_name=options.node_name, tell=[ingresses.avoid]
    )
    return Together(informers, {"ingress": ingresses, "liveness": liveness}, clock, rng)


def place(options: Options) -> Place:
    """Where haproxy listens; raises ClusterError when the ports are no ports."""
    words = options.ingress_ports.split(",")
    if len(words) != 2 or not all(word.isdecimal() and 0 < int(word) < 65536 for word in words):
        raise ClusterError(f"--ingress-ports {options.ingress_ports}: name two, for HTTP and for TLS, such as 80,443")
    http, https = map(int, words)
    addresses = ("", "::") if IPV6.exists() else ("",)
    return Place(folder=str(options.layout.ingress), http=http, https=https, addresses=addresses, user=user())


def running(options: Options) -> bool:
    """Whether haproxy runs already for this cluster."""
    return Haproxy(place(options), SystemClock()).running() is not None


async def remove(options: Options) -> None:
    """Ends haproxy and takes its files away."""
    await Haproxy(place(options), SystemClock()).remove()
