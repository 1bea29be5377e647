"""Health checks of Services, for load balancers outside: is there an endpoint of this service on this node? Pure.

A Service of type LoadBalancer with externalTrafficPolicy Local has a health check node port, at which every node's
proxy answers by HTTP. Source: API reference "ServiceSpec", healthCheckNodePort; KEP-27.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from sampan.network.httpserver import Reply


class HealthCheck(NamedTuple):
    """`local`: ready endpoints of the Service on this node."""

    port: int
    namespace: str
    name: str
    local: int


def health_check(service: Any, slices: Iterable[Any], node_name: str) -> HealthCheck | None:
    """The check that a Service asks for; None when it asks for none."""
    spec = service.spec
    wanted = spec.type == "LoadBalancer" and spec.externalTrafficPolicy == "Local" and spec.healthCheckNodePort
    if not wanted:
        return None
    here = {
        endpoint.addresses[0]
        for piece in slices
        for endpoint in piece.endpoints or ()
        if endpoint.addresses and endpoint.nodeName == node_name and _ready(endpoint)
    }
    return HealthCheck(spec.healthCheckNodePort, service.metadata.namespace, service.metadata.name, len(here))


def reply(check: HealthCheck, proxy_healthy: bool) -> Reply:
    """The answer, in upstream's form."""
    body = {
        "service": {"namespace": check.namespace, "name": check.name},
        "localEndpoints": check.local,
        "serviceProxyHealthy": proxy_healthy,
    }
    headers = {
        "Content-Type": "application/json",
        "X-Content-Type-Options": "nosniff",
        "X-Load-Balancing-Endpoint-Weight": str(check.local),
    }
    return Reply(200 if check.local and proxy_healthy else 503, headers, json.dumps(body, indent="\t"))


def _ready(endpoint: Any) -> bool:
    return endpoint.conditions is None or endpoint.conditions.ready is not False
