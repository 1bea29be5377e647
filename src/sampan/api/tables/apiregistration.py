"""Tables of apiregistration.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import age, at, condition


def api_service(obj: Any, now: float) -> Cells:
    service = at(obj, "spec.service")
    where = "Local" if service is None else f"{service.namespace or ''}/{service.name or ''}"
    return [obj.metadata.name, where, available(obj), age(obj, now)]


def available(obj: Any) -> str:
    found = condition(obj, "Available")
    if found is None:
        return "Unknown"
    return "True" if found.status == "True" else f"{found.status} ({found.reason or ''})"


API_SERVICE = (
    NAME,
    Column("Service", text="The reference to the service that hosts this API endpoint."),
    Column("Available", text="Whether this service is available."),
    AGE,
)

TABLES = {"APIService": Table(API_SERVICE, api_service)}
