"""What every component needs to be who it is: its certificate and its kubeconfig, made below the data directory."""

from __future__ import annotations

from collections.abc import Collection

from sampan.aio.clock import Clock
from sampan.cluster import certificates, kubeconfigs
from sampan.cluster.authority import Identity
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import Plan

# Who has a kubeconfig of its own, carrying the certificate of that name.
COMPONENTS = ("controller-manager", "scheduler", "kubelet", "proxy", "dns", "ingress")


def ensure(options: Options, clock: Clock) -> None:
    """Makes all that is missing or due; what is there and good stays. Raises ClusterError and OSError."""
    _check_own(options)
    certificates.ensure_all(options.layout, clock, identities(options))
    _kubeconfigs(options)


def renew(options: Options, clock: Clock, names: Collection[str]) -> list[str]:
    """Makes those certificates anew (all when `names` is empty); gives their names. Raises ClusterError."""
    _check_own(options)
    known = {identity.file: identity for identity in identities(options)}
    if strange := sorted(set(names) - set(known)):
        raise ClusterError(f"there is no certificate {', '.join(strange)}: there are {', '.join(known)}")
    authorities = certificates.Authorities(options.layout.pki, clock)
    chosen = [identity for name, identity in known.items() if name in names or not names]
    for identity in chosen:
        authorities.of(identity).renew(identity)
    _kubeconfigs(options)
    return [identity.file for identity in chosen]


def identities(options: Options) -> list[Identity]:
    """Who has a certificate on this machine."""
    hosts = certificates.api_hosts(
        options.service_ip, options.cluster_domain, bind_address=options.bind_address, node_ip=options.node_ip
    )
    node = certificates.node(options.node_name, options.node_ip)
    plan = Plan(options)
    etcd = [certificates.ETCD_CLIENT, *(certificates.etcd_member(s.etcd, s.address) for s in plan)] if plan else []
    return [*certificates.COMPONENTS, certificates.server([*hosts, *plan.addresses]), *node, *etcd]


def _check_own(options: Options) -> None:
    """Raises ClusterError on a machine that has no authority of its own."""
    if options.joined:
        raise ClusterError(
            f"this machine has joined {options.server}, and asks it for its certificates by itself: run this command "
            "where that cluster's API server runs"
        )


def _kubeconfigs(options: Options) -> None:
    layout = options.layout
    for name in COMPONENTS:
        kubeconfigs.keep(layout, options.server, name, kubeconfigs.of_component(layout, name))
    kubeconfigs.keep(layout, options.server, "admin", layout.admin_kubeconfig)
