"""The certificates of a machine that has joined: asked of the API, kept up while everything runs.

These are looked at every `LOOK_SECONDS`: the cluster's authorities (`kube-root-ca.crt`; the one for serving is in
`sampan-node-config`), this node's client certificate, its serving certificate, and that of its network parts, which are
not the node. What is due, or was signed by another than the first of its authorities, is asked for with the present
client certificate; the answer goes into the same files as on a cluster's first machine, and whoever uses them takes
them up (`aio.tls`, `client.transport`). A new key lies in `<name>.next.key` until its certificate is there, so that a
restart asks for the same one again.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from sampan.aio.clock import Clock
from sampan.api.errors import ApiError, NotFound
from sampan.api.kinds import core_v1
from sampan.client import certificates
from sampan.client.certificates import Refused, Unsigned, Wanted
from sampan.client.errors import ClientError
from sampan.client.interface import Client
from sampan.client.renewal import Life
from sampan.cluster import kubeconfigs
from sampan.cluster.authority import hosts_of, load_key, pem_of
from sampan.cluster.certificates import NETWORK_PARTS, node
from sampan.cluster.errors import ClusterError
from sampan.cluster.inspection import signed
from sampan.cluster.layout import Layout, write_private
from sampan.cluster.options import Options
from sampan.cluster.tokens import NODE_CONFIG, SERVING_AUTHORITIES

log = logging.getLogger(__name__)
LOOK_SECONDS = 30.0
PATIENCE_SECONDS = 60.0
REFUSED_SECONDS = 900.0
NETWORK_SIGNER = "kubernetes.io/kube-apiserver-client"
CLIENT_SIGNER, SERVING_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving"
ROOT_CA = "kube-root-ca.crt"
KUBELET = "kubelet"


def wanted(options: Options) -> dict[str, Wanted]:
    """What this node asks for, by the name of the files it goes into."""
    client, serving = node(options.node_name, options.node_ip)
    network = NETWORK_PARTS
    hosts = tuple(host for host in serving.hosts if host != "127.0.0.1")
    return {
        client.file: Wanted(signer=CLIENT_SIGNER, user=client.user, groups=client.groups, usage="client auth"),
        serving.file: Wanted(
            signer=SERVING_SIGNER, user=client.user, groups=client.groups, usage="server auth", hosts=hosts
        ),
        network.file: Wanted(signer=NETWORK_SIGNER, user=network.user, groups=network.groups, usage="client auth"),
    }


async def obtain(
    client: Client, clock: Clock, layout: Layout, name: str, what: Wanted, *, patience: float = PATIENCE_SECONDS
) -> None:
    """Asks for a certificate and puts it, with its key, in place. Raises Unsigned, ApiError and Unreachable."""
    pending = layout.pki / f"{name}.next.key"
    if not pending.exists():
        write_private(pending, certificates.new_key())
    key = pending.read_bytes()
    try:
        answer = await certificates.ask(client, clock, key, what, patience=patience)
    except Refused:
        pending.unlink()
        raise
    write_private(layout.pki / f"{name}.key", key)
    write_private(layout.pki / f"{name}.crt", answer)
    pending.unlink()


def write_kubeconfigs(layout: Layout, server: str) -> None:
    """Of the node and of its network parts, from their certificates and the authorities they believe."""
    for name in (KUBELET, NETWORK_PARTS.file):
        if (layout.pki / f"{name}.crt").exists():
            kubeconfigs.keep(layout, server, name, kubeconfigs.of_component(layout, name))


def due(
    folder: Path,
    name: str,
    what: Wanted,
    *,
    moment: Callable[[Life], float],
    now: float,
    authorities: list[x509.Certificate],
) -> bool:
    """Whether a certificate must be asked for: it is missing, not its key's, for other hosts, not signed by the first
    of `authorities` (where they are known), or `moment` of its life has come."""
    try:
        certificate = x509.load_pem_x509_certificate((folder / f"{name}.crt").read_bytes())
        fits = load_key(folder / f"{name}.key").public_key() == certificate.public_key()
    except (OSError, ValueError, ClusterError):
        return True
    return (
        not fits
        or hosts_of(certificate) != set(what.hosts)
        or (bool(authorities) and not signed(certificate, authorities[0]))
        or now >= moment(Life.of(certificate))
    )


class NodeCertificates:
    """`run` until cancelled. Each certificate is renewed at a moment of its life drawn once, by chance."""

    def __init__(self, options: Options, client: Client, clock: Clock, rng: random.Random) -> None:
        self._options = options
        self._layout = options.layout
        self._client = client
        self._clock = clock
        self._rng = rng
        self._moments: dict[Life, float] = {}
        self._refused: dict[str, float] = {}

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Once; what fails is logged and left for the next time."""
        try:
            authorities = await self._authorities()
            for name, what in wanted(self._options).items():
                signers, now = authorities[what.signer], self._clock.now()
                if due(self._layout.pki, name, what, moment=self._moment, now=now, authorities=signers):
                    await self._obtain(name, what)
            write_kubeconfigs(self._layout, self._options.server)
        except (ApiError, ClientError, OSError) as error:
            log.warning("this node's certificates could not be kept up error=%s", error)

    async def _obtain(self, name: str, what: Wanted) -> None:
        """Who was refused waits before asking again; who was not answered goes on asking for the same."""
        if self._clock.monotonic() < self._refused.get(name, 0.0):
            return
        try:
            await obtain(self._client, self._clock, self._layout, name, what)
            log.info("certificate obtained name=%s", name)
        except Refused as error:
            self._refused[name] = self._clock.monotonic() + REFUSED_SECONDS
            log.error("certificate refused name=%s error=%s", name, error)
        except Unsigned as error:
            log.warning("certificate still missing name=%s error=%s", name, error)

    def _moment(self, life: Life) -> float:
        return self._moments.setdefault(life, life.renewal(self._rng))

    async def _authorities(self) -> dict[str, list[x509.Certificate]]:
        """What signs and is trusted now, by signer; the cluster's own is taken up. What is not told changes nothing."""
        cluster = await self._told(ROOT_CA, "ca.crt")
        if cluster and pem_of(*cluster) != (self._layout.pki / "ca.crt").read_bytes():
            write_private(self._layout.pki / "ca.crt", pem_of(*cluster))
        serving = await self._told(NODE_CONFIG, SERVING_AUTHORITIES)
        return {CLIENT_SIGNER: cluster, NETWORK_SIGNER: cluster, SERVING_SIGNER: serving}

    async def _told(self, name: str, field: str) -> list[x509.Certificate]:
        """The authorities in a ConfigMap of kube-system; none when there is none, or what is there cannot be read."""
        try:
            published = await self._client.get(core_v1.ConfigMap, name, "kube-system")
            return x509.load_pem_x509_certificates((published.data or {}).get(field, "").encode())
        except (NotFound, ValueError) as error:
            log.warning("the published authorities cannot be read name=%s error=%s", name, error)
            return []
