"""Device requests and devices in resource.k8s.io/v1beta1, whose fields later versions group (KEP-4381).

A request for exactly one kind of device holds its details itself in v1beta1, under `exactly` later. A device holds them
under `basic` in v1beta1, itself later.
"""

from __future__ import annotations

from typing import Any

GROUP = "resource.k8s.io"
OLD = f"{GROUP}/v1beta1"
NEW = (f"{GROUP}/v1", f"{GROUP}/v1beta2")
APART = ("name", "firstAvailable")


def _requests(plain: dict[str, Any]) -> list[dict[str, Any]]:
    spec = plain.get("spec") or {}
    spec = spec.get("spec") or spec
    found: list[dict[str, Any]] = (spec.get("devices") or {}).get("requests") or []
    return found


def group_requests(plain: dict[str, Any]) -> None:
    for request in _requests(plain):
        details = {k: request.pop(k) for k in list(request) if k not in APART}
        if any(details.values()):
            request["exactly"] = details


def spread_requests(plain: dict[str, Any]) -> None:
    for request in _requests(plain):
        request.update(request.pop("exactly", None) or {})


def spread_devices(plain: dict[str, Any]) -> None:
    for device in (plain.get("spec") or {}).get("devices") or ():
        device.update(device.pop("basic", None) or {})


def group_devices(plain: dict[str, Any]) -> None:
    for device in (plain.get("spec") or {}).get("devices") or ():
        device["basic"] = {k: device.pop(k) for k in list(device) if k != "name"}


WAYS = {
    **{(kind, OLD, new): group_requests for new in NEW for kind in ("ResourceClaim", "ResourceClaimTemplate")},
    **{(kind, new, OLD): spread_requests for new in NEW for kind in ("ResourceClaim", "ResourceClaimTemplate")},
    **{("ResourceSlice", OLD, new): spread_devices for new in NEW},
    **{("ResourceSlice", new, OLD): group_devices for new in NEW},
}
