"""Services and their EndpointSlices as this node's parts see them, and which belong together: by the slice's label, not
its name or owner (API reference "EndpointSlice")."""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1, discovery_v1
from sampan.client import lean
from sampan.client.informer import Informer
from sampan.client.informers import Informers

SERVICE_NAME_LABEL = "kubernetes.io/service-name"
SERVICE_INDEX = "service"


def services_of(piece: Any) -> list[str]:
    """`namespace/name` of its Service, as an indexer's values; none when the label is missing."""
    name = (piece.metadata.labels or {}).get(SERVICE_NAME_LABEL)
    return [f"{piece.metadata.namespace}/{name}"] if name else []


def on_nodes(piece: Any, nodes: frozenset[str]) -> bool:
    """Whether an endpoint of the slice is on one of them."""
    return any(endpoint.nodeName in nodes for endpoint in piece.endpoints or ())


def services(informers: Informers) -> Informer[Any]:
    return informers.of(core_v1.Service, trim=lean.service)


def endpoint_slices(informers: Informers) -> Informer[Any]:
    """Indexed by Service."""
    return informers.of(discovery_v1.EndpointSlice, {SERVICE_INDEX: services_of}, trim=lean.endpoint_slice)
