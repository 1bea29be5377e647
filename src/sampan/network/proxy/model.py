"""Where traffic to a Service may go, seen from one node: a plain function of the Service and its EndpointSlices.

A Service becomes one `ServicePort` per port. It holds the port's *frontends*, what clients address, and two lists of
endpoints: `everywhere`, which any traffic may reach, and `here`, those on this node, which traffic under a `Local`
policy is confined to. An empty list means that nothing answers.

Endpoints on nodes that do not answer (`network.liveness`) count only where there are no others: nothing is lost by
trying them, should the nodes be there after all.

Which endpoints count: those that are ready; when none is, those that still serve while they terminate, so that the
last pods of a Deployment go without an error (KEP-1669). The two lists fall back independently.
A `ServicePort` is immutable and comparable: equal means that no rule has to change.
Source: API reference "Service", "EndpointSlice"; KEP-2086 (internal traffic policy); KEP-2433 (topology hints).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from sampan.network.proxy.settings import family_of

OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name"
HEADLESS_LABEL = "service.kubernetes.io/headless"
DEFAULT_AFFINITY_SECONDS = 10800

FrontendKind = Literal["cluster", "external", "node"]


class Endpoint(NamedTuple):
    address: str
    port: int


class Frontend(NamedTuple):
    """What a client addresses. `address` is "" for a node port, which holds on every address of the node."""

    kind: FrontendKind
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of one Service. `affinity` is the seconds a client keeps its endpoint, 0 for none."""

    protocol: str
    frontends: tuple[Frontend, ...]
    everywhere: tuple[Endpoint, ...]
    here: tuple[Endpoint, ...]
    internal_local: bool = False
    external_local: bool = False
    affinity: int = 0
    hairpin: tuple[str, ...] = ()
    """Addresses of endpoints that may run on this node, and so may meet themselves through the service."""
    source_ranges: tuple[str, ...] = ()
    """Where load balancer traffic may come from; empty for everywhere."""
    guarded: tuple[str, ...] = ()
    """The load balancer addresses that `source_ranges` holds for."""
    name: str = ""
    """The port's name in its Service, "" for a single unnamed one."""


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """The node the rules are for. `skip` are service addresses that something on the node answers by itself;
    `unreachable`: nodes that do not answer."""

    node_name: str
    zone: str = ""
    family: Literal["IPv4", "IPv6"] = "IPv4"
    skip: frozenset[str] = frozenset()
    unreachable: frozenset[str] = frozenset()


def service_ports(service: Any, slices: Iterable[Any], view: Viewpoint) -> tuple[ServicePort, ...]:
    """The `ServicePort`s of a `core_v1.Service` with its `discovery_v1.EndpointSlice`s; none if nothing is to be done.

    Headless and ExternalName services have no rules, nor have those labelled for another proxy.
    """
    if not _is_proxied(service):
        return ()
    usable = [piece for piece in slices if piece.addressType == view.family and not _is_others(piece)]
    ports = (_service_port(service, port, usable, view) for port in service.spec.ports or ())
    return tuple(port for port in ports if port.frontends)


def service_endpoints(port: Any, slices: Iterable[Any], view: Viewpoint) -> tuple[Endpoint, ...]:
    """The endpoints any traffic to one port of a Service may go to, for who connects to them by itself."""
    usable = [piece for piece in slices if piece.addressType == view.family]
    return _in_use(_near(_reached(_candidates(port, usable), view), view))


def _is_proxied(service: Any) -> bool:
    spec = service.spec
    if spec is None or spec.type == "ExternalName" or OTHER_PROXY_LABEL in (service.metadata.labels or {}):
        return False
    return spec.clusterIP not in (None, "", "None")


def _is_others(piece: Any) -> bool:
    """A headless Service's slice, or one that is for another proxy."""
    return not {HEADLESS_LABEL, OTHER_PROXY_LABEL}.isdisjoint(piece.metadata.labels or {})


def _service_port(service: Any, port: Any, slices: list[Any], view: Viewpoint) -> ServicePort:
    spec = service.spec
    candidates = _candidates(port, slices)
    local = [candidate for candidate in candidates if candidate.node == view.node_name]
    balancers = tuple(_balancer_addresses(service, view))
    ranges = tuple(_source_ranges(spec, view)) if balancers else ()
    return ServicePort(
        protocol=(port.protocol or "TCP").lower(),
        frontends=tuple(_frontends(service, port, balancers, view)),
        everywhere=_in_use(_near(_reached(candidates, view), view)),
        here=_in_use(local),
        internal_local=spec.internalTrafficPolicy == "Local",
        external_local=spec.externalTrafficPolicy == "Local",
        affinity=_affinity_seconds(spec),
        hairpin=_hairpin(candidates, view),
        source_ranges=ranges,
        guarded=balancers if ranges else (),
        name=port.name or "",
    )


def _frontends(service: Any, port: Any, balancers: tuple[str, ...], view: Viewpoint) -> Iterator[Frontend]:
    spec = service.spec
    seen = set(view.skip)
    cluster = spec.clusterIPs or [spec.clusterIP]
    external = [*(spec.externalIPs or ()), *balancers]
    kinds: list[tuple[FrontendKind, Iterable[str]]] = [("cluster", cluster), ("external", external)]
    for kind, addresses in kinds:
        for address in addresses:
            if family_of(address) == view.family and address not in seen:
                seen.add(address)
                yield Frontend(kind, address, port.port)
    if port.nodePort and spec.type in ("NodePort", "LoadBalancer"):
        yield Frontend("node", "", port.nodePort)


def _balancer_addresses(service: Any, view: Viewpoint) -> Iterator[str]:
    """Ingress addresses of a load balancer that passes packets on unchanged (ipMode VIP, the default; KEP-1860)."""
    status = service.status
    if service.spec.type != "LoadBalancer" or status is None or status.loadBalancer is None:
        return
    for ingress in status.loadBalancer.ingress or ():
        if ingress.ip and ingress.ipMode != "Proxy" and family_of(ingress.ip) == view.family:
            yield ingress.ip


def _source_ranges(spec: Any, view: Viewpoint) -> Iterator[str]:
    for text in spec.loadBalancerSourceRanges or ():
        try:
            network = ipaddress.ip_network(text.strip(), strict=False)
        except ValueError:
            continue
        if f"IPv{network.version}" == view.family:
            yield str(network)


def _affinity_seconds(spec: Any) -> int:
    if spec.sessionAffinity != "ClientIP":
        return 0
    config = spec.sessionAffinityConfig
    client = config.clientIP if config is not None else None
    return (client.timeoutSeconds if client is not None else None) or DEFAULT_AFFINITY_SECONDS


class _Candidate(NamedTuple):
    endpoint: Endpoint
    ready: bool
    draining: bool
    node: str | None
    zones: frozenset[str]
    nodes: frozenset[str]


def _candidates(port: Any, slices: list[Any]) -> list[_Candidate]:
    """Every endpoint of one service port, each address and port once: the readier of two mentions stands."""
    found: dict[Endpoint, _Candidate] = {}
    for piece in slices:
        for number in _target_ports(piece, port):
            for endpoint in piece.endpoints or ():
                candidate = _candidate(endpoint, number)
                if candidate is None:
                    continue
                known = found.get(candidate.endpoint)
                if known is None or (candidate.ready and not known.ready):
                    found[candidate.endpoint] = candidate
    return [found[key] for key in sorted(found)]


def _target_ports(piece: Any, port: Any) -> Iterator[int]:
    for target in piece.ports or ():
        same_name = (target.name or "") == (port.name or "")
        if same_name and (target.protocol or "TCP") == (port.protocol or "TCP") and target.port:
            yield target.port


def _candidate(endpoint: Any, port: int) -> _Candidate | None:
    if not endpoint.addresses or not family_of(endpoint.addresses[0]):
        return None
    conditions = endpoint.conditions
    ready = conditions is None or conditions.ready is not False
    serving = ready if conditions is None or conditions.serving is None else conditions.serving
    terminating = conditions is not None and bool(conditions.terminating)
    hints = endpoint.hints
    return _Candidate(
        endpoint=Endpoint(endpoint.addresses[0], port),
        ready=ready,
        draining=serving and terminating and not ready,
        node=endpoint.nodeName,
        zones=frozenset(hint.name for hint in (hints.forZones if hints else None) or ()),
        nodes=frozenset(hint.name for hint in (hints.forNodes if hints else None) or ()),
    )


def _in_use(candidates: list[_Candidate]) -> tuple[Endpoint, ...]:
    ready = tuple(candidate.endpoint for candidate in candidates if candidate.ready)
    return ready or tuple(candidate.endpoint for candidate in candidates if candidate.draining)


def _reached(candidates: list[_Candidate], view: Viewpoint) -> list[_Candidate]:
    """Without those on unreachable nodes, unless nobody else would answer."""
    reached = [candidate for candidate in candidates if candidate.node not in view.unreachable]
    return reached if _in_use(reached) else candidates


def _near(candidates: list[_Candidate], view: Viewpoint) -> list[_Candidate]:
    """Confined to those hinted for this node, else this zone, when every ready endpoint is hinted and one is."""
    ready = [candidate for candidate in candidates if candidate.ready]
    if not ready:
        return candidates
    if all(candidate.nodes for candidate in ready):
        near = [candidate for candidate in ready if view.node_name in candidate.nodes]
        if near:
            return near
    if view.zone and all(candidate.zones for candidate in ready):
        near = [candidate for candidate in ready if view.zone in candidate.zones]
        if near:
            return near
    return candidates


def _hairpin(candidates: list[_Candidate], view: Viewpoint) -> tuple[str, ...]:
    addresses = {candidate.endpoint.address for candidate in candidates if candidate.node in (None, view.node_name)}
    return tuple(sorted(addresses))
