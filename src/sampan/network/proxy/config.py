"""The proxy's settings, from options and from a KubeProxyConfiguration file.

A file written for kube-proxy is read as it is: every field of v1alpha1 is known, a misspelt one is refused. Fields that
mean something here are applied; those that tune upstream's own machinery are accepted and have nothing to tune.
Source: "kube-proxy Configuration (v1alpha1)".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from sampan.api.durations import read_duration
from sampan.codec import mergepatch, yaml
from sampan.network.proxy.ipvs.tuning import Tuning
from sampan.network.proxy.settings import FAMILIES, Family, Settings, family_of, of_family
from sampan.network.proxy.tracking import Tracking

MODES = ("nftables", "iptables", "ipvs", "ebpf")
HEALTH_PORT, METRICS_PORT = 10256, 10249
HEAD = {"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration"}
PRIMARY = "primary"
"""In place of networks: the node's own addresses answer node ports, no others."""
EMPTY: Mapping[str, Any] = {}
Place = tuple[str, int]


class BadProxyConfig(Exception):
    """The settings cannot be used; the text says which and why."""


class DetectLocal(msgspec.Struct, forbid_unknown_fields=True):
    bridgeInterface: str = ""
    interfaceNamePrefix: str = ""
    clusterCIDRs: list[str] = []


class Rules(msgspec.Struct, forbid_unknown_fields=True):
    masqueradeBit: int | None = None
    masqueradeAll: bool = False
    localhostNodePorts: bool | None = None
    syncPeriod: str = ""
    minSyncPeriod: str = ""


class Ipvs(Rules, forbid_unknown_fields=True):
    scheduler: str = ""
    excludeCIDRs: list[str] | None = None
    strictARP: bool = False
    tcpTimeout: str = ""
    tcpFinTimeout: str = ""
    udpTimeout: str = ""


class Conntrack(msgspec.Struct, forbid_unknown_fields=True):
    maxPerCore: int | None = None
    min: int | None = None
    tcpEstablishedTimeout: str | None = None
    tcpCloseWaitTimeout: str | None = None
    tcpBeLiberal: bool = False
    udpTimeout: str | None = None
    udpStreamTimeout: str | None = None


class KubeProxyConfiguration(msgspec.Struct, forbid_unknown_fields=True):
    apiVersion: str
    kind: str
    featureGates: dict[str, bool] | None = None
    clientConnection: dict[str, Any] = {}
    logging: dict[str, Any] = {}
    hostnameOverride: str = ""
    bindAddress: str = ""
    healthzBindAddress: str = ""
    metricsBindAddress: str = ""
    bindAddressHardFail: bool = False
    enableProfiling: bool = False
    showHiddenMetricsForVersion: str = ""
    mode: str = ""
    iptables: Rules = msgspec.field(default_factory=Rules)
    nftables: Rules = msgspec.field(default_factory=Rules)
    ipvs: Ipvs = msgspec.field(default_factory=Ipvs)
    winkernel: dict[str, Any] = {}
    detectLocalMode: str = ""
    detectLocal: DetectLocal = msgspec.field(default_factory=DetectLocal)
    clusterCIDR: str = ""
    nodePortAddresses: list[str] | None = None
    oomScoreAdj: int | None = None
    conntrack: Conntrack = msgspec.field(default_factory=Conntrack)
    configSyncPeriod: str = ""
    portRange: str = ""
    windowsRunAsService: bool = False


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """`cluster_cidrs`, `service_cidrs`: one of each family that is served; `node_addresses`: what "primary" stands for
    among `nodeport_addresses`; a place that is None is not answered at."""

    mode: str = MODES[0]
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    local_addresses: tuple[str, ...] = ()
    nodeport_addresses: tuple[str, ...] = ()
    localhost_nodeports: bool = True
    masquerade_all: bool = False
    local_interface: str = ""
    ipvs: Tuning = field(default_factory=Tuning)
    tracking: Tracking = field(default_factory=Tracking)
    node_addresses: tuple[str, ...] = ()
    cgroup: str = ""
    node_name: str = ""
    kubeconfig: str = ""
    health: Place | None = ("", HEALTH_PORT)
    metrics: Place | None = ("127.0.0.1", METRICS_PORT)

    @property
    def families(self) -> list[Family]:
        """Those that services have addresses of; IPv4 when nothing is said."""
        named = {family_of(cidr) for cidr in self.service_cidrs or self.cluster_cidrs}
        return [family for name, family in FAMILIES.items() if name in named] or [FAMILIES["IPv4"]]

    def settings(self, family: Family) -> Settings:
        """What the backend of one family is told."""
        return Settings(
            family=family,
            cluster_cidr=next(iter(of_family(family, self.cluster_cidrs)), ""),
            service_cidr=next(iter(of_family(family, self.service_cidrs)), ""),
            skip=tuple(sorted(of_family(family, self.local_addresses))),
            nodeport_addresses=self._answering(family),
            localhost_nodeports=self.localhost_nodeports,
            masquerade_all=self.masquerade_all,
            local_interface=self.local_interface,
            cgroup=self.cgroup,
        )

    def _answering(self, family: Family) -> tuple[str, ...]:
        """Networks whose addresses answer node ports. Without a primary address of the family it is the loopback's."""
        if PRIMARY not in self.nodeport_addresses:
            return of_family(family, self.nodeport_addresses)
        bits = 128 if family is FAMILIES["IPv6"] else 32
        return tuple(f"{one}/{bits}" for one in of_family(family, self.node_addresses)) or (family.loopback,)


def with_mode(config: ProxyConfig, mode: str) -> ProxyConfig:
    """Another mode; raises BadProxyConfig when there is no such."""
    if mode not in MODES:
        raise BadProxyConfig(f"there is no proxy mode {mode!r}: choose one of {', '.join(MODES)}")
    return replace(config, mode=mode)


def load(path: Path, base: ProxyConfig, flags: Mapping[str, Any] = EMPTY) -> ProxyConfig:
    """`base` with what the file says, and over that `flags`, of the file's form; raises BadProxyConfig with the file's
    name."""
    try:
        return _read(yaml.decode(path.read_bytes()), base, flags)
    except OSError as error:
        raise BadProxyConfig(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, BadProxyConfig) as error:
        raise BadProxyConfig(f"{path}: {error}") from None


def flagged(base: ProxyConfig, flags: Mapping[str, Any]) -> ProxyConfig:
    """`base` with kube-proxy's flags, which are fields of its file; raises BadProxyConfig."""
    try:
        return _read(HEAD, base, flags) if flags else base
    except ValueError as error:
        raise BadProxyConfig(f"options: {error}") from None


def _read(given: Any, base: ProxyConfig, flags: Mapping[str, Any]) -> ProxyConfig:
    over = mergepatch.apply(given, flags) if isinstance(given, dict) else given
    return _applied(base, msgspec.convert(over, KubeProxyConfiguration))


def _applied(base: ProxyConfig, found: KubeProxyConfiguration) -> ProxyConfig:
    if {"apiVersion": found.apiVersion, "kind": found.kind} != HEAD:
        raise BadProxyConfig("not a KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1")
    config = with_mode(base, found.mode or base.mode)
    own = {"iptables": found.iptables, "ipvs": found.ipvs}.get(config.mode, found.nftables)
    localhost = found.iptables.localhostNodePorts
    return replace(
        config,
        cluster_cidrs=_cidrs(found.clusterCIDR.split(",")) or config.cluster_cidrs,
        nodeport_addresses=_node_ports(found.nodePortAddresses or ()),
        localhost_nodeports=config.localhost_nodeports if localhost is None else localhost,
        masquerade_all=own.masqueradeAll,
        local_interface=_local_interface(found),
        ipvs=_tuning(found.ipvs),
        tracking=_tracking(found.conntrack),
        node_name=found.hostnameOverride or config.node_name,
        kubeconfig=found.clientConnection.get("kubeconfig", ""),
        health=_place(found.healthzBindAddress, config.health),
        metrics=_place(found.metricsBindAddress, config.metrics),
    )


def _tuning(found: Ipvs) -> Tuning:
    return Tuning(
        scheduler=found.scheduler or Tuning.scheduler,
        strict_arp=found.strictARP,
        exclude=_cidrs(found.excludeCIDRs or ()),
        tcp_seconds=_seconds(found.tcpTimeout),
        tcp_fin_seconds=_seconds(found.tcpFinTimeout),
        udp_seconds=_seconds(found.udpTimeout),
    )


def _tracking(found: Conntrack) -> Tracking:
    return Tracking(
        per_core=found.maxPerCore,
        least=found.min,
        established_seconds=_seconds(found.tcpEstablishedTimeout),
        close_wait_seconds=_seconds(found.tcpCloseWaitTimeout),
        liberal=found.tcpBeLiberal,
        udp_seconds=_seconds(found.udpTimeout),
        udp_stream_seconds=_seconds(found.udpStreamTimeout),
    )


def _seconds(text: str | None) -> int:
    """Whole seconds; 0 for what is not said."""
    return int(read_duration(text)) if text else 0


def _node_ports(texts: list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (PRIMARY,) if PRIMARY in texts else _cidrs(texts)


def _local_interface(found: KubeProxyConfiguration) -> str:
    detect = found.detectLocal
    choices = {
        "": "",
        "ClusterCIDR": "",
        "BridgeInterface": detect.bridgeInterface,
        "InterfaceNamePrefix": f"{detect.interfaceNamePrefix}*" if detect.interfaceNamePrefix else "",
    }
    mode = found.detectLocalMode
    if mode not in choices:
        raise BadProxyConfig(f"detectLocalMode {mode!r}: choose one of {', '.join(filter(None, choices))}")
    if mode not in ("", "ClusterCIDR") and not choices[mode]:
        raise BadProxyConfig(f"detectLocalMode {mode} needs the interface's name in detectLocal")
    return choices[mode]


def _cidrs(texts: Any) -> tuple[str, ...]:
    """The networks, checked; empty texts are left out."""
    found = []
    for text in (text.strip() for text in texts):
        if not text:
            continue
        try:
            found.append(str(ipaddress.ip_network(text, strict=False)))
        except ValueError:
            raise BadProxyConfig(f"{text!r} is no network: write it as 192.0.2.0/24") from None
    return tuple(found)


def _place(text: str, default: Place | None) -> Place | None:
    """`0.0.0.0:10256`, `[::]:10256`, or an address alone; port 0 for nowhere."""
    if not text:
        return default
    host, _, port = text.rpartition(":") if ":" in text and not _is_address(text) else (text, "", "")
    host = host.strip("[]")
    if (host and not _is_address(host)) or not (port or "0").isdecimal() or int(port or 0) > 65535:
        raise BadProxyConfig(f"{text!r} is no place to listen at: write it as 0.0.0.0:{HEALTH_PORT}")
    number = int(port) if port else (default or ("", 0))[1]
    return (host, number) if number else None


def _is_address(text: str) -> bool:
    return "/" not in text and bool(family_of(text))
