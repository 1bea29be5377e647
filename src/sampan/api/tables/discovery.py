"""Tables of discovery.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, shortened


def endpoint_slice(obj: Any, now: float) -> Cells:
    ports = [str(p.port) if p.port is not None else "*" if p.name is None else p.name for p in obj.ports or []]
    addresses = [a for e in obj.endpoints or [] for a in e.addresses or []]
    return [obj.metadata.name, obj.addressType or "", shortened(ports), shortened(addresses), age(obj, now)]


ENDPOINT_SLICE = (
    NAME,
    Column("AddressType", "discovery.v1.EndpointSlice.addressType"),
    Column("Ports", "discovery.v1.EndpointSlice.ports"),
    Column("Endpoints", "discovery.v1.EndpointSlice.endpoints"),
    AGE,
)

TABLES = {"EndpointSlice": Table(ENDPOINT_SLICE, endpoint_slice)}
