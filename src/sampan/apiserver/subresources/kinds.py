"""Kinds that are nobody's resource, only the body of a subresource, and so stand in no registry."""

from __future__ import annotations

from functools import cache

from sampan.api.kinds import authentication_v1, autoscaling_v1, policy_v1
from sampan.api.registry import Kind


@cache
def eviction() -> Kind:
    """policy/v1 Eviction."""
    return Kind(
        group="policy", version="v1", kind="Eviction", plural="evictions", struct=policy_v1.Eviction, namespaced=True
    )


@cache
def scale() -> Kind:
    """autoscaling/v1 Scale."""
    return Kind(
        group="autoscaling", version="v1", kind="Scale", plural="scales", struct=autoscaling_v1.Scale, namespaced=True
    )


@cache
def token_request() -> Kind:
    """authentication.k8s.io/v1 TokenRequest."""
    return Kind(
        group="authentication.k8s.io",
        version="v1",
        kind="TokenRequest",
        plural="tokenrequests",
        struct=authentication_v1.TokenRequest,
        namespaced=True,
    )
