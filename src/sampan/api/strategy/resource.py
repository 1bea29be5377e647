"""Strategies of the resource.k8s.io group (KEP-4381, KEP-5055). Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

from sampan.api.strategy.habits import COUNTED, Strategy, content_changed, reset_metadata

GROUP = "resource.k8s.io"


def add_taint_time(o: Any) -> None:
    stamp_taint(o.spec.taint, o.metadata.creationTimestamp)


def stamp_taint(taint: Any, now: str) -> None:
    """A taint counts from when it was added."""
    if taint is not None and not taint.timeAdded:
        taint.timeAdded = now


def stamp_rule(new: Any, old: Any, now: str) -> None:
    """A taint with another effect counts from now, unless the client says otherwise."""
    after, before = new.spec.taint, old.spec.taint
    stamp_taint(after, now)
    if after is None or before is None or after.effect == before.effect:
        return
    if after.timeAdded == before.timeAdded:
        after.timeAdded = now


def add_slice_times(o: Any) -> None:
    stamp_slice(o, None, o.metadata.creationTimestamp)


def stamp_slice(new: Any, old: Any, now: str) -> None:
    for device in new.spec.devices or ():
        taints = getattr(device, "taints", None) or getattr(getattr(device, "basic", None), "taints", None)
        for taint in taints or ():
            stamp_taint(taint, now)


def update_claim_status(new: Any, old: Any) -> None:
    """What devices report of themselves goes with their allocation."""
    new.spec = old.spec
    reset_metadata(new.metadata, old.metadata)
    gone = allocated(old) - allocated(new)
    if gone and new.status is not None and new.status.devices:
        kept = [d for d in new.status.devices if (d.driver, d.pool, d.device) not in gone]
        new.status.devices = kept or None


def allocated(claim: Any) -> set[tuple[str, str, str]]:
    """(driver, pool, device) of each device that a claim has."""
    allocation = claim.status.allocation if claim.status is not None else None
    results = allocation.devices.results if allocation is not None and allocation.devices is not None else None
    return {(r.driver, r.pool, r.device) for r in results or ()}


STRATEGIES: dict[str, Strategy] = {
    "DeviceClass": COUNTED,
    "DeviceTaintRule": Strategy(
        generation=True, status_metadata=reset_metadata, create=add_taint_time, stamps={"": stamp_rule}
    ),
    "ResourceClaim": Strategy(status_metadata=reset_metadata, subresources={"status": update_claim_status}),
    "ResourcePoolStatusRequest": Strategy(status_metadata=reset_metadata),
    "ResourceSlice": Strategy(
        generation=True, changed=content_changed, create=add_slice_times, stamps={"": stamp_slice}
    ),
}
