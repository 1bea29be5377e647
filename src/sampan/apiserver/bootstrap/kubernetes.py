"""The service through which pods reach this server:

`default/kubernetes`, with its endpoints, and the service network as an object.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

from sampan.api.kinds import core_v1, discovery_v1, meta_v1, networking_v1

NAME = "kubernetes"
NAMESPACE = "default"
LABELS = {"component": "apiserver", "provider": "kubernetes"}
NETWORK_MANAGER = "kubernetes-service-cidr-controller"
MIRRORING = {"endpointslice.kubernetes.io/skip-mirror": "true"}


def service(network: ipaddress.IPv4Network | ipaddress.IPv6Network, port: int) -> Any:
    """The service on the first address of the service network."""
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels=dict(LABELS)),
        spec=core_v1.ServiceSpec(
            clusterIP=str(next(network.hosts())),
            ports=[core_v1.ServicePort(name="https", port=443, targetPort=port, protocol="TCP")],
            sessionAffinity="None",
            ipFamilyPolicy="SingleStack",
            type="ClusterIP",
        ),
    )


def endpoints(addresses: Sequence[str], port: int) -> Any:
    """The service's endpoints in the older form; without any address, no subset."""
    subset = core_v1.EndpointSubset(
        addresses=[core_v1.EndpointAddress(ip=address) for address in sorted(addresses)],
        ports=[core_v1.EndpointPort(name="https", port=port, protocol="TCP")],
    )
    metadata = meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels=dict(MIRRORING))
    return core_v1.Endpoints(metadata=metadata, subsets=[subset] if addresses else None)


def endpoint_slice(addresses: Sequence[str], port: int) -> Any:
    """The service's endpoints in the newer form."""
    version = ipaddress.ip_address(addresses[0]).version if addresses else 4
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels={"kubernetes.io/service-name": NAME}),
        addressType=f"IPv{version}",
        endpoints=[
            discovery_v1.Endpoint(addresses=[address], conditions=discovery_v1.EndpointConditions(ready=True))
            for address in sorted(addresses)
        ],
        ports=[discovery_v1.EndpointPort(name="https", port=port, protocol="TCP")],
    )


def service_cidr(networks: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> Any:
    """The service networks (KEP-1880)."""
    return networking_v1.ServiceCIDR(
        metadata=meta_v1.ObjectMeta(name=NAME), spec=networking_v1.ServiceCIDRSpec(cidrs=[*map(str, networks)])
    )


def ready_status(now: str) -> dict[str, Any]:
    """The applied status of the service network once addresses are given out of it."""
    condition = {
        "type": "Ready",
        "status": "True",
        "lastTransitionTime": now,
        "message": "Kubernetes default Service CIDR is ready",
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "ServiceCIDR",
        "metadata": {"name": NAME},
        "status": {"conditions": [condition]},
    }
