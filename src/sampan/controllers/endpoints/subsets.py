"""The Endpoints form of a Service's pods: addresses grouped by the ports they share. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from sampan.api.kinds import core_v1
from sampan.controllers.endpoints import facts
from sampan.controllers.pods import is_ready

LIMIT = 1000


def subsets(service: Any, pods: Sequence[Any]) -> tuple[list[Any], bool]:
    """The subsets in a fixed order, and whether addresses beyond 1,000 were left out."""
    family = (facts.address_types(service) or ["IPv4"])[0]
    groups: dict[facts.Ports, tuple[list[Any], list[Any]]] = {}
    unready_count = bool(service.spec.publishNotReadyAddresses)
    entries = [(pod, facts.address(pod, family)) for pod in pods]
    usable = [(pod, ip) for pod, ip in entries if ip and (unready_count or pod.metadata.deletionTimestamp is None)]
    usable.sort(key=lambda entry: (not is_ready(entry[0]), int(ip_address(entry[1]))))
    for pod, ip in usable[:LIMIT]:
        ready, unready = groups.setdefault(facts.ports(service, pod), ([], []))
        (ready if unready_count or is_ready(pod) else unready).append(_address(service, pod, ip))
    made = [_subset(ports, *groups[ports]) for ports in sorted(groups, key=str)]
    return made, len(usable) > LIMIT


def _address(service: Any, pod: Any, ip: str) -> Any:
    return core_v1.EndpointAddress(
        ip=ip, hostname=facts.hostname(service, pod), nodeName=pod.spec.nodeName, targetRef=facts.reference(pod)
    )


def _subset(ports: facts.Ports, ready: list[Any], unready: list[Any]) -> Any:
    made = [
        core_v1.EndpointPort(name=name or None, protocol=protocol, port=number, appProtocol=application)
        for name, protocol, number, application in ports
    ]
    return core_v1.EndpointSubset(addresses=ready or None, notReadyAddresses=unready or None, ports=made or None)
