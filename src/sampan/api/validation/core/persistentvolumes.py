"""Rules for persistent volumes. Source: API reference v1.36, PersistentVolume."""

from __future__ import annotations

from typing import Any

from sampan.api.names import subdomain
from sampan.api.quantity import parse
from sampan.api.validation.core.claims import VOLUME_MODES, access_modes
from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.volumes import JUDGES, NEEDED, needed
from sampan.api.validation.differences import SOURCES as DECLARED
from sampan.api.validation.differences import difference
from sampan.api.validation.metadata import immutable
from sampan.api.validation.numbers import NOT_NEGATIVE
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.selectors import node_selector

RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
SOURCES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "flocker",
    "nfs",
    "rbd",
    "quobyte",
    "cephfs",
    "iscsi",
    "cinder",
    "fc",
    "flexVolume",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "scaleIO",
    "local",
    "storageos",
    "csi",
)


NOT_INLINE = "may not be specified in the context of inline volumes"


def create(volume: Any, errors: Errors) -> None:
    spec = volume.spec
    modes(spec, errors, "spec")
    capacity(spec.capacity, errors)
    if spec.persistentVolumeReclaimPolicy and spec.persistentVolumeReclaimPolicy not in RECLAIM_POLICIES:
        value = spec.persistentVolumeReclaimPolicy
        errors.append(not_supported("spec.persistentVolumeReclaimPolicy", value, RECLAIM_POLICIES))
    if spec.nodeAffinity is not None:
        node_affinity(spec.nodeAffinity, errors, "spec.nodeAffinity")
    source(spec, errors, "spec")
    recycled(spec, errors, "spec")
    if spec.storageClassName:
        errors.extend(each_invalid("spec.storageClassName", spec.storageClassName, subdomain(spec.storageClassName)))
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        errors.append(not_supported("spec.volumeMode", spec.volumeMode, VOLUME_MODES))
    attributes_class(spec, errors, "spec")


def inline(spec: Any, errors: Errors, path: str) -> None:
    """The specification of a volume inside of a volume attachment."""
    for field in ("claimRef", "capacity"):
        if getattr(spec, field):
            errors.append(forbidden(f"{path}.{field}", NOT_INLINE))
    if spec.csi is None:
        errors.append(required(f"{path}.csi", "has to be specified in the context of inline volumes"))
    modes(spec, errors, path)
    if spec.persistentVolumeReclaimPolicy and spec.persistentVolumeReclaimPolicy != "Retain":
        text = "may only be Retain in the context of inline volumes"
        errors.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", text))
    if spec.nodeAffinity is not None:
        errors.append(forbidden(f"{path}.nodeAffinity", NOT_INLINE))
    source(spec, errors, path)
    recycled(spec, errors, path)
    if spec.storageClassName:
        errors.append(forbidden(f"{path}.storageClassName", NOT_INLINE))
    if spec.volumeMode is not None and spec.volumeMode != "Filesystem":
        text = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        errors.append(forbidden(f"{path}.volumeMode", text))
    attributes_class(spec, errors, path)


def modes(spec: Any, errors: Errors, path: str) -> None:
    if not spec.accessModes:
        errors.append(required(f"{path}.accessModes"))
    access_modes(spec.accessModes or (), errors, f"{path}.accessModes")


def recycled(spec: Any, errors: Errors, path: str) -> None:
    host_path = spec.hostPath.path if spec.hostPath is not None else ""
    if host_path == "/" and spec.persistentVolumeReclaimPolicy == "Recycle":
        text = "may not be 'recycle' for a hostPath mount of '/'"
        errors.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", text))


def capacity(given: Any, errors: Errors) -> None:
    if not given:
        errors.append(required("spec.capacity"))
    if not given or "storage" not in given or len(given) > 1:
        errors.append(not_supported("spec.capacity", given, ("storage",)))
    for name, amount in (given or {}).items():
        value = parse(amount).value
        if value < 0:
            errors.append(invalid(f"spec.capacity[{name}]", amount, NOT_NEGATIVE))
        if value <= 0:
            errors.append(invalid(f"spec.capacity[{name}]", amount, "must be greater than zero"))


def node_affinity(given: Any, errors: Errors, path: str) -> None:
    if given.required is None:
        errors.append(required(f"{path}.required", "must specify required node constraints"))
    else:
        node_selector(given.required, errors, f"{path}.required")


def source(spec: Any, errors: Errors, path: str) -> None:
    given = [name for name in SOURCES if getattr(spec, name) is not None]
    if not given:
        errors.append(required(path, "must specify a volume type"))
        return
    for extra in given[1:]:
        errors.append(forbidden(f"{path}.{extra}", "may not specify more than 1 volume type"))
    name = given[0]
    value, path = getattr(spec, name), f"{path}.{name}"
    if name == "csi":
        csi(value, errors, path)
    elif name == "local":
        local(value, spec, errors, path)
    else:
        needed(value, NEEDED.get(name, ()), errors, path)
        if name in JUDGES and name not in ("secret", "configMap"):
            JUDGES[name](value, errors, path)


def csi(value: Any, errors: Errors, path: str) -> None:
    from sampan.api.validation.core.volumes import csi_driver_name

    csi_driver_name(value.driver, errors, f"{path}.driver")
    if not value.volumeHandle:
        errors.append(required(f"{path}.volumeHandle"))
    for field in (
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ):
        reference = getattr(value, field)
        if reference is not None:
            for part in ("name", "namespace"):
                if not getattr(reference, part):
                    errors.append(required(f"{path}.{field}.{part}"))


def local(value: Any, spec: Any, errors: Errors, path: str) -> None:
    from sampan.api.validation.core.paths import no_backsteps

    if not value.path:
        errors.append(required(f"{path}.path"))
    else:
        no_backsteps(value.path, errors, f"{path}.path")
    if spec.nodeAffinity is None:
        errors.append(required("metadata.annotations", "Local volume requires node affinity"))


def attributes_class(spec: Any, errors: Errors, path: str) -> None:
    name = spec.volumeAttributesClassName
    if name is None:
        return
    if not name:
        errors.append(required(f"{path}.volumeAttributesClassName", "an empty string is disallowed"))
    else:
        errors.extend(each_invalid(f"{path}.volumeAttributesClassName", name, subdomain(name)))
    if spec.csi is None:
        errors.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)
    create(new, errors)  # upstream judges the new volume twice, and so tells all twice
    for name in SOURCES:
        if getattr(new.spec, name) != getattr(old.spec, name):
            text = "spec.persistentvolumesource is immutable after creation"
            changes = difference(new.spec, old.spec, DECLARED)
            errors.append(forbidden("spec.persistentvolumesource", f"{text}\n{changes}"))
            break
    immutable(new.spec.volumeMode, old.spec.volumeMode, errors, "volumeMode")
    if old.spec.nodeAffinity is not None:
        immutable(new.spec.nodeAffinity, old.spec.nodeAffinity, errors, "nodeAffinity")
