"""What runs on a node: kubelet, service proxy and DNS, each made from the cluster's options."""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, SystemClock
from sampan.aio.tasks import TaskOwner
from sampan.client.informers import Informers
from sampan.client.interface import Client
from sampan.cluster import ingress
from sampan.cluster.errors import ClusterError
from sampan.cluster.gate import GATE
from sampan.cluster.options import Options
from sampan.cluster.together import Runs, Together
from sampan.cri.client import CriClient
from sampan.cri.containerd import Host
from sampan.cri.snapshots import Snapshots
from sampan.kubelet.cgroup.names import SYSTEMD, path_of
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.configuration import load as configuration
from sampan.kubelet.configuration.load import BadConfiguration
from sampan.kubelet.kubelet import Kubelet
from sampan.network import bandwidth, cni, duplicates
from sampan.network.bgp import passwords
from sampan.network.bgp.component import BgpRoutes
from sampan.network.bgp.fabric import AS_ANNOTATION, fabric
from sampan.network.bgp.process import Bird
from sampan.network.cni import PodNetwork
from sampan.network.dns import interface
from sampan.network.dns.component import DnsServer
from sampan.network.dns.metrics import PORT as DNS_METRICS_PORT
from sampan.network.liveness.component import PeerLiveness
from sampan.network.ownaddress import OwnAddress
from sampan.network.policy import packetfilter
from sampan.network.policy.component import PolicyEnforcer
from sampan.network.policy.packetfilter import PacketFilter
from sampan.network.proxy import config as proxyconfig
from sampan.network.proxy import machine, modes
from sampan.network.proxy.config import BadProxyConfig, ProxyConfig
from sampan.network.proxy.daemon import ProxyDaemon
from sampan.network.routes import wireguard
from sampan.network.routes.component import PodRoutes
from sampan.network.routes.kernel import link_local, near
from sampan.network.routes.kernel import remove as remove_routes
from sampan.network.routes.mtu import pod_mtu
from sampan.network.routes.peers import KEY_ANNOTATION
from sampan.network.upkeep import Upkeep

if TYPE_CHECKING:
    from sampan.kubelet.credentials.configuration import Provider

HEALTHZ_PORT = 10248
MEND_SECONDS = 5.0
"""Between two looks at whether others have been at the rules that the pods' network needs."""
log = logging.getLogger(__name__)


class NodeKubelet:
    """A kubelet with its connection to the runtime, and the pod network installed as soon as its range is known."""

    def __init__(self, options: Options, client: Client, clock: Clock, rng: random.Random) -> None:
        self._options = options
        self._clock = clock
        self._rng = rng
        self._ranges: asyncio.Queue[str] = asyncio.Queue()
        self._upkeep: Upkeep | None = None
        self._runtime = CriClient(options.runtime_socket)
        self._views = Snapshots(options.runtime_socket)
        self._kubelet = Kubelet(
            client=client,
            runtime=self._runtime,
            clock=clock,
            rng=rng,
            config=kubelet_config(options),
            views=self._views,
            on_pod_cidr=self._ranges.put_nowait,
            guard=self._admit,
        )

    async def run(self) -> None:
        """Until cancelled."""
        backoff = Backoff(base=1.0, cap=60.0, rng=self._rng, jitter=0.2)
        try:
            async with TaskOwner("node", clock=self._clock, backoff=backoff) as tasks:
                if not self._options.foreign_network:
                    tasks.start(self._install_networks, name="pod network", policy="restart")
                tasks.start(self._watch_address, name="own address", policy="restart")
                tasks.start(self._kubelet.run, name="kubelet")
                await tasks.wait()
        finally:
            await self._runtime.close()
            await self._views.close()

    async def _admit(self, pod: Any, addresses: Sequence[str]) -> None:
        """Before a pod's first container starts: its policies are in force, its bandwidth is limited, IPv6 works."""
        await GATE.admit(pod, addresses)
        if not self._options.foreign_network:
            await duplicates.use_at_once(addresses, self._clock)
            await bandwidth.tighten(pod, addresses)

    async def _install_networks(self) -> None:
        while True:
            try:
                pod_cidr = await self._clock.wait_for(self._ranges.get(), MEND_SECONDS)
            except TimeoutError:
                await self._mend()
                continue
            network = pod_network(self._options, pod_cidr)
            try:
                remarks = await cni.install(network)
            except BaseException:
                self._ranges.put_nowait(pod_cidr)
                raise
            log.info("pod network installed cidr=%s", pod_cidr)
            self._upkeep = Upkeep(network)
            _tell(remarks)

    async def _watch_address(self) -> None:
        own = OwnAddress(self._options.node_ip)
        while True:
            await self._clock.sleep(MEND_SECONDS)
            if (found := own.look()) is None:
                continue
            held, words = found
            log.log(logging.INFO if held else logging.ERROR, "%s", words)
            self._kubelet.tell("Normal" if held else "Warning", "NodeAddressBack" if held else "NodeAddressGone", words)

    async def _mend(self) -> None:
        if self._upkeep is not None:
            _tell(await self._upkeep.mend())


def _tell(remarks: Sequence[str]) -> None:
    for remark in remarks:
        log.warning("pod network remark=%s", remark)


def kubelet(options: Options, client: Client, clock: Clock, rng: random.Random) -> NodeKubelet:
    return NodeKubelet(options, client, clock, rng)


def node_annotations(options: Options) -> dict[str, str]:
    """What other nodes must know of this one beyond its addresses."""
    if options.announced_network and options.bgp_as:
        return {AS_ANNOTATION: options.bgp_as}
    if not options.encrypted_network:
        return {}
    return {KEY_ANNOTATION: wireguard.public_key(wireguard.private_key(options.layout.wireguard_key))}


def kubelet_config(options: Options) -> KubeletConfig:
    layout = options.layout
    made = KubeletConfig(
        node_name=options.node_name,
        node_ips=(options.node_ip,),
        root=layout.kubelet,
        log_root=layout.pod_logs,
        cluster_dns=options.dns_ips[:1],
        cluster_domain=options.cluster_domain,
        cgroup_root=options.cgroup_root,
        node_annotations=node_annotations(options),
        cgroup_driver=cgroup_driver(),
        server_cert=layout.pki / "kubelet-serving.crt",
        server_key=layout.pki / "kubelet-serving.key",
        client_ca=layout.pki / "ca.crt",
        healthz_port=HEALTHZ_PORT,
        shutdown_on_stop=options.end_pods_on_stop,
        credential_providers=credential_providers(options),
        credential_programs=Path(options.image_credential_provider_bin_dir),
    )
    if options.kubelet_config:
        made = configured(made, options.kubelet_config)
    return flagged(made, options)


def flagged(config: KubeletConfig, options: Options) -> KubeletConfig:
    """With what upstream's flags say that have a field in the configuration, too: they win. Raises ClusterError."""
    headers: dict[str, list[str]] = {}
    for line in ",".join(options.manifest_url_header).split(","):
        name, colon, value = line.partition(":")
        if line.strip() and not colon:
            raise ClusterError(f"--manifest-url-header {line!r} is no header: write it as NAME:VALUE")
        if line.strip():
            headers.setdefault(name.strip(), []).append(value.strip())
    named = {
        "staticPodPath": options.pod_manifest_path,
        "staticPodURL": options.manifest_url,
        "staticPodURLHeader": headers,
    }
    document = {"kind": "KubeletConfiguration", **{field: value for field, value in named.items() if value}}
    try:
        return configuration.applied(document, config)[0]
    except BadConfiguration as error:
        raise ClusterError(str(error)) from None


def credential_providers(options: Options) -> tuple[Provider, ...]:
    """The programs that give credentials for images. Raises ClusterError."""
    config, programs = options.image_credential_provider_config, options.image_credential_provider_bin_dir
    if not config and not programs:
        return ()
    if not config or not programs:
        raise ClusterError("--image-credential-provider-config and --image-credential-provider-bin-dir go together")
    from sampan.kubelet.credentials.configuration import BadProviders, load

    try:
        return load(Path(config), Path(programs))
    except BadProviders as error:
        raise ClusterError(str(error)) from None


def cgroup_driver() -> str:
    return SYSTEMD if Host.detect().systemd else "cgroupfs"


def configured(defaults: KubeletConfig, path: str) -> KubeletConfig:
    """With what the machine's KubeletConfiguration says. Raises ClusterError."""
    try:
        found, warnings = configuration.load(Path(path), defaults)
    except BadConfiguration as error:
        raise ClusterError(str(error)) from None
    for warning in warnings:
        log.warning("kubelet configuration file=%s remark=%s", path, warning)
    return found


def network(options: Options, client: Client, clock: Clock, rng: random.Random) -> Together:
    """Ways to other nodes, service proxy, network policies and DNS."""
    informers = Informers(client, clock, rng)
    names = dns(options, client, clock, rng, informers)
    ways = ways_to_others(options, clock, rng, informers)

    def beside() -> dict[str, Any]:
        return {name: each.statistics() for name, each in ways.items()}

    parts: dict[str, Runs] = {
        "policy": policies(options, clock, rng, informers),
        "proxy": proxy(options, client, clock, rng, informers, beside, names.avoid),
        "dns": names,
        **ways,
    }
    return Together(informers, parts, clock, rng)


def ways_to_others(
    options: Options, clock: Clock, rng: random.Random, informers: Informers
) -> dict[str, PodRoutes | BgpRoutes]:
    if options.foreign_network:
        return {}
    make = announced_routes if options.announced_network else routes
    return {"routes": make(options, clock, rng, informers)}


def names_alone(options: Options, client: Client, clock: Clock, rng: random.Random) -> Together:
    """DNS in a process of its own, which has nobody to tell it which nodes do not answer."""
    informers = Informers(client, clock, rng)
    names = dns(options, client, clock, rng, informers)
    liveness = PeerLiveness(informers=informers, clock=clock, rng=rng, node_name=options.node_name, tell=[names.avoid])
    return Together(informers, {"dns": names, "liveness": liveness}, clock, rng)


def routes(options: Options, clock: Clock, rng: random.Random, informers: Informers) -> PodRoutes:
    return PodRoutes(
        informers=informers,
        clock=clock,
        rng=rng,
        node_name=options.node_name,
        mode=options.pod_network,
        key=wireguard.private_key(options.layout.wireguard_key) if options.encrypted_network else b"",
    )


def announced_routes(options: Options, clock: Clock, rng: random.Random, informers: Informers) -> BgpRoutes:
    return BgpRoutes(
        informers=informers,
        clock=clock,
        rng=rng,
        node_name=options.node_name,
        fabric=fabric(options.bgp_as, options.bgp_peers),
        cluster=[str(cidr) for cidr in cni.split(options.cluster_cidr)],
        speaker=Bird(options.layout.bgp, clock),
        near=near,
        link_local=link_local,
        passwords=lambda: passwords.read(Path(options.bgp_password_file)) if options.bgp_password_file else {},
    )


def policies(options: Options, clock: Clock, rng: random.Random, informers: Informers) -> PolicyEnforcer:
    """Asked by this process's kubelet before each pod."""
    made = PolicyEnforcer(
        informers=informers, clock=clock, rng=rng, node_name=options.node_name, packet_filter=PacketFilter()
    )
    GATE.keeper = made.admit
    return made


def proxy(
    options: Options,
    client: Client,
    clock: Clock,
    rng: random.Random,
    informers: Informers | None = None,
    beside: Callable[[], dict[str, Any]] = dict,
    avoid: Callable[[frozenset[str]], None] | None = None,
) -> ProxyDaemon:
    config = proxy_config(options)
    return ProxyDaemon(
        client=client, clock=clock, rng=rng, config=config, informers=informers, beside=beside, avoid=avoid
    )


def proxy_config(options: Options) -> ProxyConfig:
    """The proxy's settings: the cluster's, then the file's, then the mode; raises ClusterError."""
    config = ProxyConfig(
        cluster_cidrs=tuple(options.cluster_cidr.split(",")),
        service_cidrs=tuple(options.service_cidr.split(",")),
        local_addresses=options.dns_ips,
        cgroup=path_of([options.cgroup_root], cgroup_driver()),
        node_name=options.node_name,
        node_addresses=tuple(filter(None, options.node_ip.split(","))),
    )
    try:
        if options.proxy_config:
            config = proxyconfig.load(Path(options.proxy_config), config, options.proxy_flags)
        else:
            config = proxyconfig.flagged(config, options.proxy_flags)
        return proxyconfig.with_mode(config, options.proxy_mode or config.mode)
    except BadProxyConfig as error:
        raise ClusterError(str(error)) from None


def dns(
    options: Options, client: Client, clock: Clock, rng: random.Random, informers: Informers | None = None
) -> DnsServer:
    return DnsServer(
        informers=informers,
        client=client,
        clock=clock,
        rng=rng,
        addresses=options.dns_ips,
        zone=options.cluster_domain,
        networks=tuple(cidr for _, cidr in options.networks),
        metrics=("127.0.0.1", DNS_METRICS_PORT),
        memory=options.layout.names,
    )


async def remove_network(options: Options) -> None:
    """Takes away service rules, the DNS interface and the pod network, whoever left them."""
    config = proxy_config(options)
    for part in modes.all_parts(config):
        await part.remove()
    for family in config.families:
        await machine.restore(config.settings(family))
    await ingress.remove(options)
    await interface.remove()
    remove_routes()
    await Bird(options.layout.bgp, SystemClock()).remove(options.cluster_cidr.split(","))
    await packetfilter.remove()
    await cni.remove(pod_network(options, installed_range(options) or options.cluster_cidr))


def installed_range(options: Options) -> str:
    """The range of pod addresses in the CNI configuration; "" when there is none."""
    try:
        written = json.loads((options.cni_configuration / cni.FILE_NAME).read_text())
    except FileNotFoundError:
        return ""
    return ",".join(str(chosen[0]["subnet"]) for chosen in written["plugins"][0]["ipam"]["ranges"])


def pod_network(options: Options, pod_cidr: str) -> PodNetwork:
    """The CNI set-up for this node's range of pod addresses."""
    folder = options.layout.cni
    return PodNetwork(
        pod_cidr=pod_cidr,
        cluster_cidr=options.cluster_cidr,
        service_cidr=options.service_cidr,
        configuration=options.cni_configuration,
        state=folder / "state",
        mtu=pod_mtu(options.pod_network, options.node_ip),
        unhidden=options.no_masquerade,
    )
