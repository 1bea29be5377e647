"""The proxy's settings, from options and from a KubeProxyConfiguration file.

A file written for kube-proxy is read as it is: every field of v1alpha1 is known, a misspelt one is refused. Fields that
mean something here are applied; those that tune upstream's own machinery are accepted and have nothing to tune.
Source: "kube-proxy Configuration (v1alpha1)".
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from sampan.codec import yaml
from sampan.network.proxy.settings import FAMILIES, Family, Settings, family_of, of_family

MODES = ("nftables", "iptables", "ipvs", "ebpf")
HEALTH_PORT, METRICS_PORT = 10256, 10249
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
    conntrack: dict[str, Any] = {}
    configSyncPeriod: str = ""
    portRange: str = ""
    windowsRunAsService: bool = False


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """`cluster_cidrs`, `service_cidrs`: one of each family that is served; `scheduler` is IPVS's, `strict_arp` whether
    other interfaces keep silent about its addresses; a place that is None is not answered at."""

    mode: str = MODES[0]
    cluster_cidrs: tuple[str, ...] = ()
    service_cidrs: tuple[str, ...] = ()
    local_addresses: tuple[str, ...] = ()
    nodeport_addresses: tuple[str, ...] = ()
    localhost_nodeports: bool = True
    masquerade_all: bool = False
    local_interface: str = ""
    scheduler: str = "rr"
    strict_arp: bool = False
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
            nodeport_addresses=of_family(family, self.nodeport_addresses),
            localhost_nodeports=self.localhost_nodeports,
            masquerade_all=self.masquerade_all,
            local_interface=self.local_interface,
            cgroup=self.cgroup,
        )


def with_mode(config: ProxyConfig, mode: str) -> ProxyConfig:
    """Another mode; raises BadProxyConfig when there is no such."""
    if mode not in MODES:
        raise BadProxyConfig(f"there is no proxy mode {mode!r}: choose one of {', '.join(MODES)}")
    return replace(config, mode=mode)


def load(path: Path, base: ProxyConfig) -> ProxyConfig:
    """`base` with what the file says; raises BadProxyConfig with the file's name."""
    try:
        found = msgspec.convert(yaml.decode(path.read_bytes()), KubeProxyConfiguration)
        return _applied(base, found)
    except OSError as error:
        raise BadProxyConfig(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, BadProxyConfig) as error:
        raise BadProxyConfig(f"{path}: {error}") from None


def _applied(base: ProxyConfig, found: KubeProxyConfiguration) -> ProxyConfig:
    if (found.apiVersion, found.kind) != ("kubeproxy.config.k8s.io/v1alpha1", "KubeProxyConfiguration"):
        raise BadProxyConfig("not a KubeProxyConfiguration of kubeproxy.config.k8s.io/v1alpha1")
    config = with_mode(base, found.mode or base.mode)
    own = {"iptables": found.iptables, "ipvs": found.ipvs}.get(config.mode, found.nftables)
    localhost = found.iptables.localhostNodePorts
    return replace(
        config,
        cluster_cidrs=_cidrs(found.clusterCIDR.split(",")) or config.cluster_cidrs,
        nodeport_addresses=_cidrs(found.nodePortAddresses or ()),
        localhost_nodeports=config.localhost_nodeports if localhost is None else localhost,
        masquerade_all=own.masqueradeAll,
        local_interface=_local_interface(found),
        scheduler=found.ipvs.scheduler or config.scheduler,
        strict_arp=found.ipvs.strictARP,
        node_name=found.hostnameOverride or config.node_name,
        kubeconfig=found.clientConnection.get("kubeconfig", ""),
        health=_place(found.healthzBindAddress, config.health),
        metrics=_place(found.metricsBindAddress, config.metrics),
    )


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
