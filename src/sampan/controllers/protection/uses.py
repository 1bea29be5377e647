"""Which storage a pod, a claim or a volume uses. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.controllers.ownership import controller_of


def claims_of(pod: Any) -> Iterator[str]:
    """Keys of the claims that a pod keeps from being deleted, once it is on a node: one that is not will not be started
    with a claim that goes. A claim made for the pod alone is free when the kubelet has done with it."""
    if not pod.spec.nodeName:
        return
    for volume in pod.spec.volumes or ():
        if volume.persistentVolumeClaim is not None:
            yield f"{pod.metadata.namespace}/{volume.persistentVolumeClaim.claimName}"
        elif volume.ephemeral is not None and not _done(pod):
            yield f"{pod.metadata.namespace}/{pod.metadata.name}-{volume.name}"


def uses_claim(pod: Any, claim: Any) -> bool:
    """Whether the pod keeps that claim. One of an ephemeral volume's name that belongs to somebody else is not its."""
    if f"{claim.metadata.namespace}/{claim.metadata.name}" not in claims_of(pod):
        return False
    named = (volume.persistentVolumeClaim for volume in pod.spec.volumes or ())
    if any(one is not None and one.claimName == claim.metadata.name for one in named):
        return True
    owner = controller_of(claim)
    return owner is not None and owner.uid == pod.metadata.uid


def _done(pod: Any) -> bool:
    return pod.metadata.deletionTimestamp is not None and pod.metadata.deletionGracePeriodSeconds == 0


def classes_of(obj: Any) -> Iterator[str]:
    """Names of the VolumeAttributesClasses that a claim or volume has, had last, or is about to have."""
    if obj.spec.volumeAttributesClassName:
        yield obj.spec.volumeAttributesClassName
    status = obj.status
    current = getattr(status, "currentVolumeAttributesClassName", None)
    if current:
        yield current
    pending = getattr(status, "modifyVolumeStatus", None)
    if pending is not None and pending.targetVolumeAttributesClassName:
        yield pending.targetVolumeAttributesClassName
