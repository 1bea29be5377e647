"""The proxy's settings as a KubeProxyConfiguration, which `config.load` reads as the same settings."""

from __future__ import annotations

import dataclasses
from typing import Any

from sampan.codec import yaml
from sampan.network.proxy.config import HEAD, Place, ProxyConfig

DEFAULTS = ProxyConfig()


def written(config: ProxyConfig) -> str:
    """What the file says of these settings, in YAML; what is as it always is says nothing."""
    rules = {"masqueradeAll": config.masquerade_all}
    tuning = dataclasses.asdict(config.ipvs)
    told = {
        **HEAD,
        "mode": config.mode,
        "clusterCIDR": ",".join(config.cluster_cidrs),
        "hostnameOverride": config.node_name,
        "nodePortAddresses": list(config.nodeport_addresses),
        "healthzBindAddress": _place(config.health, DEFAULTS.health),
        "metricsBindAddress": _place(config.metrics, DEFAULTS.metrics),
        "clientConnection": {"kubeconfig": config.kubeconfig} if config.kubeconfig else {},
        "iptables": {**rules, "localhostNodePorts": config.localhost_nodeports},
        "nftables": rules,
        "ipvs": {
            **rules,
            "scheduler": tuning["scheduler"],
            "strictARP": tuning["strict_arp"],
            "excludeCIDRs": list(tuning["exclude"]),
            "tcpTimeout": f"{tuning['tcp_seconds']}s",
            "tcpFinTimeout": f"{tuning['tcp_fin_seconds']}s",
            "udpTimeout": f"{tuning['udp_seconds']}s",
        },
        "conntrack": _tracking(config),
        **_locality(config.local_interface),
    }
    return yaml.encode(told)


def _place(place: Place | None, default: Place | None) -> str:
    if place == default:
        return ""
    host, port = place or ("0.0.0.0", 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _tracking(config: ProxyConfig) -> dict[str, Any]:
    known = config.tracking
    return {
        "maxPerCore": known.per_core,
        "min": known.least,
        "tcpEstablishedTimeout": f"{known.established_seconds}s",
        "tcpCloseWaitTimeout": f"{known.close_wait_seconds}s",
        "tcpBeLiberal": known.liberal,
        "udpTimeout": f"{known.udp_seconds}s",
        "udpStreamTimeout": f"{known.udp_stream_seconds}s",
    }


def _locality(interface: str) -> dict[str, Any]:
    if not interface:
        return {"detectLocalMode": "ClusterCIDR"}
    if interface.endswith("*"):
        return {"detectLocalMode": "InterfaceNamePrefix", "detectLocal": {"interfaceNamePrefix": interface[:-1]}}
    return {"detectLocalMode": "BridgeInterface", "detectLocal": {"bridgeInterface": interface}}
