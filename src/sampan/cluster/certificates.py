"""The cluster's own certificates: an authority for each purpose, and an identity for every component.

Made at first start below `<data-dir>/pki`, in the file layout that kubeadm users know (`ca.crt`, `apiserver.crt`,
`apiserver-kubelet-client.crt`, `front-proxy-ca.crt`, `sa.key`, ...), keys readable by their owner alone. An identity is
a certificate's common name (the user) and its organizations (the groups): "PKI certificates and requirements" in the
documentation.

Kubelets' serving certificates have an authority of their own, which only API servers trust: whoever takes over a node,
and with it what lets a kubelet ask for certificates, still cannot pass for the API server.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.cluster import tokenkeys
from sampan.cluster.authority import LEAF_SECONDS, Authority, Identity
from sampan.cluster.layout import Layout

CLUSTER, KUBELET_SERVING, FRONT_PROXY, ETCD = "ca", "kubelet-ca", "front-proxy-ca", "etcd-ca"
FRONT_PROXY_CLIENT = "front-proxy-client"

# file -> common name
AUTHORITIES = {CLUSTER: "sampan-ca", KUBELET_SERVING: "sampan-kubelet-ca", FRONT_PROXY: "sampan-front-proxy-ca"}
KNOWN_AUTHORITIES = {**AUTHORITIES, ETCD: "sampan-etcd-ca"}
"""With that of an etcd of the cluster's own, which few clusters have."""

# signer of CertificateSigningRequests -> the authority it signs with
SIGNERS = {
    "kubernetes.io/kube-apiserver-client": CLUSTER,
    "kubernetes.io/kube-apiserver-client-kubelet": CLUSTER,
    "kubernetes.io/kubelet-serving": KUBELET_SERVING,
    "kubernetes.io/legacy-unknown": CLUSTER,
}

NETWORK_PARTS = Identity(file="proxy", user="system:kube-proxy")
COMPONENTS = (
    Identity(file="admin", user="kubernetes-admin", groups=("system:masters",)),
    Identity(file="controller-manager", user="system:kube-controller-manager"),
    Identity(file="scheduler", user="system:kube-scheduler"),
    NETWORK_PARTS,
    Identity(file="dns", user="system:kube-dns"),
    Identity(file="ingress", user="sampan:ingress"),
    Identity(file="apiserver-kubelet-client", user="kube-apiserver-kubelet-client"),
    Identity(file=FRONT_PROXY_CLIENT, user=FRONT_PROXY_CLIENT, authority=FRONT_PROXY),
)


def node(name: str, address: str) -> tuple[Identity, Identity]:
    """A kubelet to the API server, and a kubelet as a server."""
    user, groups = f"system:node:{name}", ("system:nodes",)
    hosts = tuple(dict.fromkeys((name, address, "127.0.0.1")))
    return (
        Identity(file="kubelet", user=user, groups=groups),
        Identity(
            file="kubelet-serving", user=user, groups=groups, hosts=hosts, client=False, authority=KUBELET_SERVING
        ),
    )


def server(hosts: Sequence[str]) -> Identity:
    """The API server, by those names and addresses."""
    return Identity(file="apiserver", user="kube-apiserver", hosts=tuple(dict.fromkeys(hosts)), client=False)


def etcd_member(name: str, address: str) -> Identity:
    """An etcd member, to its clients, to other members (as their client, too) and to itself."""
    return Identity(file=name, user=name, hosts=(address, "127.0.0.1", "localhost"), authority=ETCD)


ETCD_CLIENT = Identity(file="apiserver-etcd-client", user="kube-apiserver-etcd-client", authority=ETCD)


class Authorities:
    """All authorities below `pki`; each is made when it is first asked for."""

    def __init__(self, pki: Path, clock: Clock, *, leaf_seconds: float = LEAF_SECONDS) -> None:
        self.pki = pki
        self._clock = clock
        self._leaf_seconds = leaf_seconds
        self._known: dict[str, Authority] = {}

    def of(self, identity: Identity) -> Authority:
        return self.named(identity.authority)

    def named(self, name: str) -> Authority:
        known = self._known.get(name)
        if known is None:
            common_name = KNOWN_AUTHORITIES[name]
            known = Authority(self.pki, self._clock, name, common_name, leaf_seconds=self._leaf_seconds)
            self._known[name] = known
        return known

    def __iter__(self) -> Iterator[Authority]:
        return (self.named(name) for name in AUTHORITIES)


def ensure_all(layout: Layout, clock: Clock, identities: Iterable[Identity]) -> Authorities:
    """Every one's certificate, and the key of accounts' tokens, below `layout.pki`."""
    authorities = Authorities(layout.pki, clock)
    for identity in identities:
        authorities.of(identity).ensure(identity)
    tokenkeys.ensure(layout.pki)
    return authorities


def api_hosts(service_ip: str, domain: str, *, bind_address: str, node_ip: str) -> list[str]:
    """The names and addresses an API server answers to."""
    service = "kubernetes.default.svc"
    names = ["localhost", "kubernetes", "kubernetes.default", service, f"{service}.{domain}", socket.gethostname()]
    addresses = ["127.0.0.1", "::1", service_ip, node_ip]
    if bind_address not in ("0.0.0.0", "::", ""):
        addresses.append(bind_address)
    return [*names, *dict.fromkeys(addresses)]
