"""What a Service keeps when it is updated: addresses and ports that were given out stay its own.

Source: API reference v1.36, ServiceSpec (`clusterIP`, `nodePort`, `healthCheckNodePort`).
"""

from __future__ import annotations

from typing import Any

WITH_NODE_PORTS = ("NodePort", "LoadBalancer")


def create(o: Any) -> None:
    drop_type_dependent(o.spec, None)
    normalise_addresses(o.spec, None)


def update(new: Any, old: Any) -> None:
    keep_allocated(new.spec, old.spec)
    drop_type_dependent(new.spec, old.spec)
    normalise_addresses(new.spec, old.spec)


def needs_address(spec: Any) -> bool:
    return spec.type != "ExternalName"


def keep_allocated(new: Any, old: Any) -> None:
    """What the update does not name it keeps, as long as the type still needs it."""
    if needs_address(new) and needs_address(old):
        if not new.clusterIP:
            new.clusterIP = old.clusterIP
        if not new.clusterIPs and new.clusterIP == old.clusterIP:
            new.clusterIPs = list(old.clusterIPs) if old.clusterIPs else None
    if new.type in WITH_NODE_PORTS and old.type in WITH_NODE_PORTS:
        taken = {p.nodePort for p in new.ports or () if p.nodePort}
        given = {(p.protocol, p.port): p.nodePort for p in old.ports or () if p.nodePort}
        for port in new.ports or ():
            candidate = given.get((port.protocol, port.port))
            if not port.nodePort and candidate and candidate not in taken:
                port.nodePort = candidate
    if needs_health_check(new) and needs_health_check(old) and not new.healthCheckNodePort:
        new.healthCheckNodePort = old.healthCheckNodePort


def needs_health_check(spec: Any) -> bool:
    return spec.type == "LoadBalancer" and spec.externalTrafficPolicy == "Local"


def drop_type_dependent(new: Any, old: Any) -> None:
    """A change of type drops what the new type cannot have, unless the update itself changes it."""
    if old is None:
        return
    if needs_address(old) and not needs_address(new) and new.clusterIP == old.clusterIP:
        new.clusterIP = new.clusterIPs = new.ipFamilies = new.ipFamilyPolicy = None
    if old.type in WITH_NODE_PORTS and new.type not in WITH_NODE_PORTS:
        before = {(p.protocol, p.port): p.nodePort for p in old.ports or ()}
        for port in new.ports or ():
            if port.nodePort and before.get((port.protocol, port.port)) == port.nodePort:
                port.nodePort = None
    if needs_health_check(old) and not needs_health_check(new) and new.healthCheckNodePort == old.healthCheckNodePort:
        new.healthCheckNodePort = None
    if old.type == "LoadBalancer" and new.type != "LoadBalancer":
        if new.allocateLoadBalancerNodePorts == old.allocateLoadBalancerNodePorts:
            new.allocateLoadBalancerNodePorts = None
        if new.loadBalancerClass == old.loadBalancerClass:
            new.loadBalancerClass = None
    if new.type not in WITH_NODE_PORTS and new.externalTrafficPolicy == old.externalTrafficPolicy:
        new.externalTrafficPolicy = None


def normalise_addresses(new: Any, old: Any) -> None:
    """`clusterIP` is the first of `clusterIPs`: whichever the request names, the other follows."""
    if old is None:
        if new.clusterIP and not new.clusterIPs:
            new.clusterIPs = [new.clusterIP]
        return
    same_one = new.clusterIP == old.clusterIP
    same_all = (new.clusterIPs or []) == (old.clusterIPs or [])
    if same_all and not same_one:
        new.clusterIPs = [new.clusterIP] if new.clusterIP else None
    elif same_one and not same_all and not new.clusterIPs:
        new.clusterIP = None
