"""persistentVolumeClaim: the volume that a claim is bound to.

The claim must be the pod's own, bound, and known to the volume as its claim; the volume must be for this node. What
it is then is one of SOURCES. ("Persistent Volumes" in upstream's docs: binding.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from sampan.api.nodefit import any_term
from sampan.volumes.errors import UnprocessedVolume, UnsupportedVolume, VolumeError
from sampan.volumes.host_path import HostPath
from sampan.volumes.interface import Made, PodVolumes, VolumeKind
from sampan.volumes.local import Local
from sampan.volumes.nfs import Nfs
from sampan.volumes.persistent import Persistent

SOURCES: tuple[VolumeKind, ...] = (Local(), Nfs(), HostPath())
DEVICES = ("local",)
"""Those that may be block devices."""
OPTIONS_ANNOTATION = "volume.beta.kubernetes.io/mount-options"


class Claim:
    source: ClassVar[str] = "persistentVolumeClaim"
    changes: ClassVar[bool] = False

    async def set_up(self, volume: Any, pod: PodVolumes) -> Made:
        asked = volume.persistentVolumeClaim
        try:
            found = await bound_volume(asked.claimName, pod)
            check_mode(volume.name, found.spec.volumeMode or "Filesystem", pod.pod)
        except VolumeError as error:
            raise UnprocessedVolume(f"error processing PVC {pod.namespace}/{asked.claimName}: {error}") from None
        check_node(found, pod.node_labels)
        made = await kind_of(found).set_up(persistent(found, read_only=bool(asked.readOnly)), pod)
        return replace(made, read_only=made.read_only or bool(asked.readOnly))

    async def refresh(self, volume: Any, pod: PodVolumes) -> None:
        return None


async def bound_volume(name: str, pod: PodVolumes) -> Any:
    """The PersistentVolume of the claim, once both know of each other."""
    claim = await pod.objects.claim(pod.namespace, name)
    if claim is None:
        raise VolumeError(f'failed to fetch PVC from API server: persistentvolumeclaims "{name}" not found')
    if claim.status is None or claim.status.phase != "Bound":
        raise VolumeError("PVC is not bound")
    if not claim.spec.volumeName:
        raise VolumeError("PVC has empty pvc.Spec.VolumeName")
    found = await pod.objects.persistent_volume(claim.spec.volumeName)
    if found is None:
        missing = f'persistentvolumes "{claim.spec.volumeName}" not found'
        raise VolumeError(f"failed to fetch PV {claim.spec.volumeName} from API server: {missing}")
    reference = found.spec.claimRef
    if reference is None or reference.uid != claim.metadata.uid:
        of = "no claim" if reference is None else f"the claim with the UID {reference.uid}"
        raise VolumeError(f"PV {found.metadata.name} is bound to {of}, not to this one ({claim.metadata.uid})")
    return found


def check_mode(name: str, mode: str, pod: Any) -> None:
    """Each container must take the volume as what it is."""
    containers = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    for field, fits in (("volumeMounts", "Filesystem"), ("volumeDevices", "Block")):
        asked = any(use.name == name for container in containers for use in getattr(container, field) or ())
        if asked and mode != fits:
            raise VolumeError(f"volume {name} has volumeMode {mode}, but is specified in {field}")


def kind_of(volume: Any) -> VolumeKind:
    for kind in SOURCES:
        if getattr(volume.spec, kind.source) is not None:
            if volume.spec.volumeMode == "Block" and kind.source not in DEVICES:
                raise UnsupportedVolume(f"PV {volume.metadata.name}: no volume of the kind {kind.source} is a device")
            return kind
    raise UnsupportedVolume(f"PV {volume.metadata.name} is of a kind that this node cannot mount")


def persistent(volume: Any, *, read_only: bool) -> Persistent:
    spec = volume.spec
    return Persistent(
        name=volume.metadata.name,
        local=spec.local,
        nfs=spec.nfs,
        hostPath=spec.hostPath,
        options=mount_options(volume),
        read_only=read_only,
        block=spec.volumeMode == "Block",
    )


def mount_options(volume: Any) -> tuple[str, ...]:
    """The annotation is the field's elder and goes before it, as upstream has it."""
    noted = (volume.metadata.annotations or {}).get(OPTIONS_ANNOTATION)
    return tuple(noted.split(",") if noted else volume.spec.mountOptions or ())


def check_node(volume: Any, labels: Mapping[str, str]) -> None:
    """The volume's node affinity, which the scheduler has looked at unless the pod was bound by hand."""
    affinity = volume.spec.nodeAffinity
    if affinity is None or affinity.required is None:
        return
    if not any_term(affinity.required.nodeSelectorTerms, labels, {}):
        raise VolumeError(f"MountVolume.NodeAffinity check failed for volume {volume.metadata.name}: no matching node")
