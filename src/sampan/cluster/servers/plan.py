"""Who is where: names, addresses and command lines of the servers, from the cluster's options alone."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sampan.cluster import certificates
from sampan.cluster.options import Options
from sampan.cluster.switch import NAMESPACES

BRIDGE = "sampan-servers"
CLIENT_PORT, PEER_PORT = 2379, 2380
ETCD_AUTHORITY, ETCD_CLIENT = certificates.ETCD, certificates.ETCD_CLIENT.file
TOKEN = "sampan"
MOST_SERVERS = 7


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server of that number, from 1 on; `network` is the one that all of them are in."""

    number: int
    network: ipaddress.IPv4Network

    @property
    def address(self) -> str:
        """The gateway, which is this machine's own, has the first."""
        return str(self.network[self.number + 1])

    @property
    def namespace(self) -> str:
        return f"sampan-server-{self.number}"

    @property
    def cable(self) -> str:
        """This machine's end of the namespace's network interface."""
        return f"sampan-srv-{self.number}"

    @property
    def etcd(self) -> str:
        """The etcd member: its process, its certificate and its name among the members."""
        return f"etcd-{self.number}"

    @property
    def apiserver(self) -> str:
        return f"apiserver-{self.number}"

    @property
    def client_url(self) -> str:
        return f"https://{self.address}:{CLIENT_PORT}"

    @property
    def peer_url(self) -> str:
        return f"https://{self.address}:{PEER_PORT}"


class Plan:
    """All servers of a cluster; none when it has one API server without a namespace of its own."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.network = ipaddress.IPv4Network(options.server_cidr)
        count = options.servers if options.servers > 1 else 0
        self.servers = tuple(Server(number=number, network=self.network) for number in range(1, count + 1))

    def __iter__(self) -> Iterator[Server]:
        return iter(self.servers)

    def __len__(self) -> int:
        return len(self.servers)

    @property
    def gateway(self) -> str:
        """This machine's address among the servers."""
        return str(self.network[1])

    @property
    def addresses(self) -> list[str]:
        return [server.address for server in self.servers]

    @property
    def members(self) -> str:
        """etcd's --initial-cluster."""
        return ",".join(f"{server.etcd}={server.peer_url}" for server in self.servers)

    def endpoints(self, nearest: Server | None = None) -> list[str]:
        """The members' URLs, beginning with that of the same server."""
        return [s.client_url for s in sorted(self.servers, key=lambda s: (s != nearest, s.number))]

    def etcd_command(self, server: Server, *, members: str = "") -> list[str]:
        """A member of the cluster: TLS with certificates on both sides, for clients and among members.

        `members` are those of a cluster that it joins; without, the cluster begins with it, or it has data.
        """
        pki = self._options.layout.pki
        pair, authority = (pki / f"{server.etcd}.crt", pki / f"{server.etcd}.key"), pki / f"{ETCD_AUTHORITY}.crt"
        return [
            "nsenter",
            f"--net={NAMESPACES / server.namespace}",
            "etcd",
            f"--name={server.etcd}",
            f"--data-dir={self._options.layout.etcd / server.etcd}",
            f"--listen-client-urls={server.client_url}",
            f"--advertise-client-urls={server.client_url}",
            f"--listen-peer-urls={server.peer_url}",
            f"--initial-advertise-peer-urls={server.peer_url}",
            f"--initial-cluster={members or self.members}",
            f"--initial-cluster-state={'existing' if members else 'new'}",
            f"--initial-cluster-token={TOKEN}",
            *_tls("", pair, authority),
            *_tls("peer-", pair, authority),
            "--logger=zap",
            "--log-level=warn",
        ]


def _tls(prefix: str, pair: tuple[Path, Path], authority: Path) -> list[str]:
    certificate, key = pair
    return [
        f"--{prefix}cert-file={certificate}",
        f"--{prefix}key-file={key}",
        f"--{prefix}trusted-ca-file={authority}",
        f"--{prefix}client-cert-auth=true",
    ]
