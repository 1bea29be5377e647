"""Defaults of the networking and discovery groups. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "discovery_v1.EndpointPort": {"name": "", "protocol": "TCP"},
    "networking_v1.IngressClassParametersReference": {"scope": "Cluster"},
    "networking_v1.NetworkPolicyPort": {"protocol": "TCP"},
}


def network_policy_spec(o: Any) -> None:
    """A policy speaks of ingress always, of egress when it has egress rules."""
    if not o.policyTypes:
        o.policyTypes = ["Ingress", "Egress"] if o.egress else ["Ingress"]


HOOKS = {"networking_v1.NetworkPolicySpec": network_policy_spec}
