"""Defaults of the resource.k8s.io group, in its versions (KEP-4381). Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

VERSIONS = ("v1", "v1beta2", "v1beta1")

CONSTANTS: dict[str, dict[str, Any]] = {
    "resource_v1alpha3.ResourcePoolStatusRequestSpec": {"limit": 100},
    **{f"resource_{version}.DeviceToleration": {"operator": "Equal"} for version in VERSIONS},
}


def request(o: Any) -> None:
    """One device, unless all are asked for."""
    if not o.allocationMode:
        o.allocationMode = "ExactCount"
    if o.allocationMode == "ExactCount" and not o.count:
        o.count = 1


def request_v1beta1(o: Any) -> None:
    """In v1beta1 a request either lists alternatives or is the request itself."""
    if not o.firstAvailable:
        request(o)


HOOKS = {
    "resource_v1beta1.DeviceRequest": request_v1beta1,
    **{f"resource_{version}.ExactDeviceRequest": request for version in ("v1", "v1beta2")},
    **{f"resource_{version}.DeviceSubRequest": request for version in VERSIONS},
}
