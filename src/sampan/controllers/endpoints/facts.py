"""What one pod contributes to a Service: an address, ports, conditions. Pure.

A pod counts once it has an address and until it has ended. It is `serving` while it is ready, `terminating` once it is
being deleted, and `ready` when it serves and does not terminate, or when the Service publishes unready addresses.
Rules: discovery.k8s.io/v1 API reference; KEP-1672 (terminating endpoints); KEP-4444, KEP-3015 (traffic distribution).
"""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, discovery_v1
from sampan.controllers.pods import ENDED, is_ready, phase

ZONE = "topology.kubernetes.io/zone"
Ports = tuple[tuple[str, str, int, str | None], ...]
"""Name, protocol, number, application protocol of each port; the same for all endpoints of one slice."""


def signature(pod: Any) -> tuple[Any, ...]:
    """All of a pod that endpoints depend on; two states with equal signatures make no difference."""
    return (
        phase(pod) in ENDED,
        tuple(addresses(pod)),
        is_ready(pod),
        pod.metadata.deletionTimestamp is not None,
        pod.metadata.labels,
        pod.spec.nodeName,
    )


def addresses(pod: Any) -> list[str]:
    """The pod's addresses, the primary one first; none when it has ended."""
    status = pod.status
    if status is None or phase(pod) in ENDED:
        return []
    listed = [item.ip for item in status.podIPs or () if item.ip]
    return listed or ([status.podIP] if status.podIP else [])


def address(pod: Any, address_type: str) -> str | None:
    """The pod's first address of that type (IPv4 or IPv6)."""
    wants_six = address_type == "IPv6"
    return next((ip for ip in addresses(pod) if (":" in ip) == wants_six), None)


def address_types(service: Any) -> list[str]:
    """The address types a Service has endpoints of; none for ExternalName."""
    if service.spec.type == "ExternalName":
        return []
    return list(service.spec.ipFamilies or ["IPv4"])


def ports(service: Any, pod: Any) -> Ports:
    """The Service's ports as this pod serves them; a named target port that the pod lacks is left out."""
    found = []
    for port in service.spec.ports or ():
        number = target_port(port, pod)
        if number is not None:
            found.append((port.name or "", port.protocol or "TCP", number, port.appProtocol))
    return tuple(found)


def target_port(port: Any, pod: Any) -> int | None:
    """The number of the pod's port that a Service port leads to; None when no container names it."""
    target = port.targetPort
    if isinstance(target, str) and not target.isdecimal():
        for container in [*(pod.spec.containers or ()), *_sidecars(pod)]:
            for offered in container.ports or ():
                if offered.name == target and (offered.protocol or "TCP") == (port.protocol or "TCP"):
                    return int(offered.containerPort)
        return None
    return int(target or port.port)


def _sidecars(pod: Any) -> list[Any]:
    return [container for container in pod.spec.initContainers or () if container.restartPolicy == "Always"]


def endpoint(service: Any, pod: Any, address_type: str, zone: str | None, *, hinted: bool = True) -> Any:
    """The pod as an Endpoint of an EndpointSlice, with the hints of a traffic distribution if `hinted`; None when it
    has no address of the type."""
    ip = address(pod, address_type)
    if ip is None:
        return None
    serving = is_ready(pod)
    terminating = pod.metadata.deletionTimestamp is not None
    ready = bool(service.spec.publishNotReadyAddresses) or (serving and not terminating)
    return discovery_v1.Endpoint(
        addresses=[ip],
        conditions=discovery_v1.EndpointConditions(ready=ready, serving=serving, terminating=terminating),
        hostname=hostname(service, pod),
        nodeName=pod.spec.nodeName,
        targetRef=reference(pod),
        zone=zone,
        hints=hints(service, pod, zone) if ready and hinted else None,
    )


def hostname(service: Any, pod: Any) -> str | None:
    """The pod's own DNS name under a headless Service, when the pod asks for one there."""
    named = pod.spec.hostname and pod.spec.subdomain == service.metadata.name
    return str(pod.spec.hostname) if named else None


def reference(pod: Any) -> Any:
    meta = pod.metadata
    return core_v1.ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)


def hints(service: Any, pod: Any, zone: str | None) -> Any:
    """Where a Service with a traffic distribution wants this endpoint used."""
    distribution = service.spec.trafficDistribution
    if not distribution:
        return None
    zones = [discovery_v1.ForZone(name=zone)] if zone else None
    node = pod.spec.nodeName if distribution == "PreferSameNode" else None
    nodes = [discovery_v1.ForNode(name=node)] if node else None
    return discovery_v1.EndpointHints(forZones=zones, forNodes=nodes) if zones or nodes else None
