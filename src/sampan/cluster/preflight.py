"""What must hold of a machine before a cluster is started on it, each with what to do when it does not."""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from sampan.apiserver.allocation.networks import parse as service_networks
from sampan.cluster import options as stored
from sampan.cluster.errors import ClusterError
from sampan.cluster.nodes.plan import MOST_NODES
from sampan.cluster.nodes.plan import Plan as NodePlan
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import MOST_SERVERS
from sampan.network.netlink import link
from sampan.network.netlink.channel import Channel

if TYPE_CHECKING:
    from sampan.network.bgp.fabric import Fabric

# program -> the Debian package that has it
PROGRAMS = {
    "containerd": "containerd",
    "containerd-shim-runc-v2": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "conntrack": "conntrack",
    "iptables": "iptables",
    "busybox": "busybox-static",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
SERVER_PROGRAMS = {"etcd": "etcd-server"}
INGRESS_PROGRAMS = {"haproxy": "haproxy"}
BGP_PROGRAMS = {"bird": "bird2", "birdc": "bird2"}
FIXED = (
    "node_name",
    "service_cidr",
    "cluster_cidr",
    "cluster_domain",
    "node_cidr",
    "pod_network",
    "servers",
    "server_cidr",
    "store",
)
"""What of a cluster's options cannot be changed."""
MIGRATE = {"store": "; `sampan store migrate` takes the objects to another store"}
CNI_PLUGINS = ("bridge", "ptp", "host-local", "portmap", "bandwidth", "loopback")
NODE_PORTS = {10250: "kubelet"}
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def check(options: Options, *, running: bool) -> None:
    """Raises ClusterError for the first thing that is wrong; `running` means our own processes hold the ports."""
    check_root()
    check_programs(options)
    check_options(options)
    check_address(options)
    check_networks(options)
    if stored.load(options.layout) is None:
        check_neighbourhood(options)
    check_encryption(options)
    check_servers(options)
    check_nodes(options, running=running)
    check_admission(options)
    check_identity(options)
    check_audit(options)
    check_kubelet(options)
    check_network(options)
    check_store(options)
    if not running:
        check_port(options.bind_address, options.port, "the API server", "--port")
        for port, user in NODE_PORTS.items():
            check_port("0.0.0.0", port, f"the {user}", "")


def check_network(options: Options) -> None:
    """The proxy's settings and the ports of Ingresses; nobody else may have these."""
    from sampan.cluster import ingress, node

    node.proxy_config(options)
    check_ways(options)
    place = ingress.place(options)
    if options.ingress and not ingress.running(options):
        for port in (place.http, place.https):
            check_port("0.0.0.0", port, "Ingresses", "--ingress-ports")


def check_ways(options: Options) -> None:
    """What a machine is told of the network around it."""
    from sampan.network import cni

    check_bgp(options)
    try:
        if options.no_masquerade:
            cni.split(options.no_masquerade)
    except ValueError as error:
        raise ClusterError(f"--no-masquerade: {error}: write CIDR,..., such as 10.0.0.0/8") from None


def check_bgp(options: Options) -> None:
    """Neighbours and passwords that can be read."""
    from sampan.network.bgp import passwords
    from sampan.network.bgp.fabric import fabric
    from sampan.network.errors import Unusable

    try:
        found = fabric(options.bgp_as, options.bgp_peers)
        if options.bgp_password_file:
            passwords.read(Path(options.bgp_password_file))
    except (ValueError, Unusable) as error:
        raise ClusterError(str(error)) from None
    if (options.bgp_as or options.bgp_peers or options.bgp_password_file) and not options.announced_network:
        raise ClusterError("--bgp-as, --bgp-peers and --bgp-password-file are for --pod-network bgp: name that, too")
    if options.announced_network:
        check_announced(options, found)


def check_announced(options: Options, found: Fabric) -> None:
    """Ranges of either family are told only to routers that are reached by it: packets go where the neighbour's address
    is. Nodes tell each other both."""
    reached = {ipaddress.ip_address(each.address).version for each in found.routers}
    for cidr in options.cluster_cidr.split(","):
        version = ipaddress.ip_network(cidr.strip()).version
        if reached and version not in reached:
            raise ClusterError(
                f"--pod-network bgp: nobody is told of the pods' IPv{version} ranges, of --cluster-cidr {cidr}: name a "
                f"router by its IPv{version} address in --bgp-peers, or leave that network out"
            )


def check_node(options: Options, *, running: bool) -> None:
    """The same for a machine that joins."""
    check_root()
    check_programs(options)
    check_address(options)
    if not running:
        for port, user in NODE_PORTS.items():
            check_port("0.0.0.0", port, f"the {user}", "")


def check_root() -> None:
    if os.geteuid():
        raise ClusterError("running containers needs root: run the same command with sudo")


def check_programs(options: Options, search_path: str | None = None) -> None:
    path = search_path or os.environ.get("PATH", "") + ":" + SEARCH_PATH
    programs = PROGRAMS | (SERVER_PROGRAMS if options.servers > 1 else {})
    programs = programs | (INGRESS_PROGRAMS if options.ingress else {})
    programs = programs | (BGP_PROGRAMS if options.announced_network else {})
    missing = {package for program, package in programs.items() if not shutil.which(program, path=path)}
    plugins = Path(options.cni_bin_dir)
    if not all((plugins / name).exists() for name in CNI_PLUGINS):
        missing.add("containernetworking-plugins")
    if missing:
        raise ClusterError(f"packages are missing: run `apt-get install {' '.join(sorted(missing))}`")


def check_options(options: Options) -> None:
    """A cluster's network and node name are fixed when it is made."""
    made = stored.load(options.layout)
    if made is None:
        return
    changed = [name for name in FIXED if getattr(made, name) != getattr(options, name)]
    if changed:
        was = ", ".join(f"--{name.replace('_', '-')} {getattr(made, name)}" for name in changed)
        raise ClusterError(
            f"the cluster in {options.data_dir} was made with {was}: use the same, "
            "or remove it first with `sampan down`" + MIGRATE.get(changed[0], "")
        )


def check_admission(options: Options) -> None:
    """What the API server would end with at its start."""
    if not any(options.admission):
        return
    from sampan.apiserver.admission import chain

    try:
        chain.check(*options.admission)
    except (ValueError, OSError) as error:
        raise ClusterError(str(error)) from None


def check_kubelet(options: Options) -> None:
    """A configuration that the kubelet would not start with."""
    if options.kubelet_config or options.image_credential_provider_config or options.image_credential_provider_bin_dir:
        from sampan.cluster.node import kubelet_config

        kubelet_config(options)


def check_identity(options: Options) -> None:
    """The files that say who is believed and what they may; the API server would end with the same words."""
    if not options.authentication_config and not options.authorization_config:
        return
    from sampan.apiserver.auth.configuration import authorization
    from sampan.apiserver.auth.oidc import checking

    try:
        if options.authentication_config:
            checking.read(Path(options.authentication_config), ())
        if options.authorization_config:
            kinds = {kind for kind, _ in authorization.read(Path(options.authorization_config))}
            if not {"Node", "RBAC"} <= kinds:
                raise ClusterError(
                    "--authorization-config: this cluster's own parts need the authorizers Node and RBAC"
                )
    except ValueError as error:
        raise ClusterError(str(error)) from None


def check_audit(options: Options) -> None:
    """An audit policy and a webhook that will do; a policy goes with a log or a webhook: alone it writes nothing."""
    from sampan.apiserver.audit.options import named

    audit = named(options.audit)
    if (audit.policy is None) != (audit.path is None and audit.webhook is None):
        raise ClusterError(
            "--audit-policy-file goes together with --audit-log-path or --audit-webhook-config-file: "
            "name both, or neither"
        )
    if audit.policy is None:
        return
    from sampan.apiserver.audit import policy
    from sampan.codec import kubeconfig

    try:
        policy.read(audit.policy)
        if audit.webhook is not None:
            kubeconfig.load(audit.webhook)
    except ValueError as error:
        raise ClusterError(str(error)) from None


def check_store(options: Options) -> None:
    """A store that exists, and an EncryptionConfiguration that can be used: its API server would not start."""
    from sampan.aio.clock import SystemClock
    from sampan.cluster import storage
    from sampan.store.errors import StoreError
    from sampan.store.memory import MemoryStore

    if bool(options.etcd_certfile) != bool(options.etcd_keyfile):
        raise ClusterError("--etcd-certfile and --etcd-keyfile go together: name both, or neither")
    clock = SystemClock()
    try:
        # The file in the data directory is made with it, later.
        store = MemoryStore(clock) if options.store == "sqlite" else storage.open_storage(options, clock)
        storage.encrypted(options, store, clock)
    except (ValueError, StoreError) as error:
        raise ClusterError(str(error)) from None


def check_servers(options: Options) -> None:
    """An odd number, each with an address in a network that nobody else uses; with others' etcd, one."""
    count = options.servers
    if not 1 <= count <= MOST_SERVERS or count % 2 == 0:
        raise ClusterError(
            f"--servers {count}: choose 1, 3, 5 or {MOST_SERVERS}. A majority of etcd's members must live, so an even "
            "number survives no more deaths than the odd one below it"
        )
    if count == 1:
        return
    if options.store != "sqlite":
        raise ClusterError(f"--servers {count} brings an etcd of its own: leave out --store {options.store}")
    network = _ipv4(options.server_cidr, "--server-cidr")
    if network.num_addresses < count + 4:
        raise ClusterError(f"--server-cidr {options.server_cidr} has no room for {count} servers: use a /28 or larger")
    for name, cidr in options.networks:
        if _overlap(network, ipaddress.ip_network(cidr)):
            raise ClusterError(f"--server-cidr {network} lies in {name}: choose another network")


def check_address(options: Options) -> None:
    """The address by which other nodes know this one must still be this machine's, or become so (`--nodes`)."""
    if options.node_ip == NodePlan(options).switch.gateway:
        return
    channel = Channel()
    try:
        held = link.holder(channel, options.node_ip)
    finally:
        channel.close()
    if not held:
        raise ClusterError(
            f"this machine does not have the address {options.node_ip}, by which its cluster knows it: `ip address` "
            "shows those it has; `sampan down --keep-data`, then start it again with --node-ip and one of these"
        )


def check_networks(options: Options) -> None:
    """Pods' and services' addresses: readable, nobody's twice, and not those of this machine's network."""
    known: list[tuple[str, ipaddress.IPv4Network | ipaddress.IPv6Network]] = []
    for name, cidr in options.networks:
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError as error:
            raise ClusterError(f"{name} {cidr}: {error}") from None
        for other, before in known:
            if _overlap(network, before):
                raise ClusterError(f"{name} {network} and {other} {before} overlap: choose another network for one")
            if name == other and network.version == before.version:
                raise ClusterError(f"{name} {before},{network}: one network of each address family, not two of one")
        if ipaddress.ip_address(options.node_ip) in network:
            raise ClusterError(
                f"this machine's own address, {options.node_ip}, lies in {name} {network}: choose another network"
            )
        known.append((name, network))
    check_families(options)


def check_neighbourhood(options: Options) -> None:
    """A new cluster's networks, or those of one that is joined, are none that this machine is in.

    Later the cluster's own interfaces are.
    """
    channel = Channel()
    try:
        found = link.networks(channel)
    finally:
        channel.close()
    for name, cidr in options.networks:
        for interface, near in found:
            if _overlap(ipaddress.ip_network(cidr), ipaddress.ip_network(near)):
                raise ClusterError(
                    f"{name} {cidr} overlaps {near}, which this machine is in (interface {interface}): packets to one "
                    "would go to the other; choose another network"
                )


def check_families(options: Options) -> None:
    """Services of no other families than pods, and of networks that the API server takes."""
    pods, services = (_versions(cidrs) for cidrs in (options.cluster_cidr, options.service_cidr))
    if not options.foreign_network and (lacking := services - pods):
        raise ClusterError(
            f"--service-cidr {options.service_cidr}: no pod could answer at a Service's IPv{min(lacking)} address: "
            "give --cluster-cidr a network of that family, too"
        )
    try:
        service_networks(options.service_cidr)
    except ValueError as error:
        raise ClusterError(f"--service-cidr {options.service_cidr}: {error}") from None


def _versions(cidrs: str) -> set[int]:
    return {ipaddress.ip_network(cidr.strip()).version for cidr in cidrs.split(",")}


def check_encryption(options: Options, module: Path = Path("/sys/module/wireguard")) -> None:
    """A kernel with WireGuard where pods' packets are to go encrypted."""
    if not options.encrypted_network or module.exists():
        return
    if subprocess.run(("modprobe", "wireguard"), capture_output=True, check=False).returncode:
        raise ClusterError(
            "--pod-network wireguard: this kernel has no WireGuard (Linux 5.6 and newer may have it): choose another "
            "network, or install a kernel with it"
        )


def _overlap(
    one: ipaddress.IPv4Network | ipaddress.IPv6Network, other: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    return one.version == other.version and one.overlaps(other)


def check_nodes(options: Options, *, running: bool) -> None:
    """As many as have room, in a network that nobody else uses, and this machine with an address that they reach."""
    count = options.nodes
    if not 1 <= count <= MOST_NODES:
        raise ClusterError(f"--nodes {count}: choose 1 to {MOST_NODES}")
    if count == 1:
        return
    network = _ipv4(options.node_cidr, "--node-cidr")
    if network.num_addresses < count + 2:
        raise ClusterError(f"--node-cidr {network} has no room for {count} nodes: use a /24 or larger")
    for name, cidr in (*options.networks, ("--server-cidr", options.server_cidr)):
        if _overlap(network, ipaddress.ip_network(cidr)):
            raise ClusterError(f"--node-cidr {network} and {name} overlap: choose another network")
    made = stored.load(options.layout)
    if running and made is not None and made.node_ip != options.node_ip:
        raise ClusterError(
            f"further nodes cannot reach {made.node_ip}, this machine's address in the cluster: stop it with "
            f"`sampan down --keep-data`, then start it again with --nodes {count}"
        )


def _ipv4(text: str, option: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        raise ClusterError(f"{option} {text}: {error}") from None


def check_port(address: str, port: int, user: str, option: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            advice = f", or choose another with {option}" if option else ""
            raise ClusterError(
                f"port {port} on {address}, which {user} needs, cannot be used ({error.strerror}): "
                f"`ss -ltnp 'sport = :{port}'` shows who has it; end that program{advice}"
            ) from None
