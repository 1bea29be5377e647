"""Tables of storage.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.quantity import canonical
from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import NONE, UNSET, age, at

DEFAULT_ANNOTATIONS = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


def storage_class(obj: Any, now: float) -> Cells:
    annotations = obj.metadata.annotations or {}
    default = any(annotations.get(key) == "true" for key in DEFAULT_ANNOTATIONS)
    return [
        f"{obj.metadata.name} (default)" if default else obj.metadata.name,
        obj.provisioner or "",
        obj.reclaimPolicy or "Delete",
        obj.volumeBindingMode or "Immediate",
        bool(obj.allowVolumeExpansion),
        age(obj, now),
    ]


def attributes_class(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.driverName or "", age(obj, now)]


def attachment(obj: Any, now: float) -> Cells:
    return [
        obj.metadata.name,
        at(obj, "spec.attacher", ""),
        at(obj, "spec.source.persistentVolumeName", ""),
        at(obj, "spec.nodeName", ""),
        at(obj, "status.attached", False),
        age(obj, now),
    ]


def csi_node(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, len(at(obj, "spec.drivers", ())), age(obj, now)]


def csi_driver(obj: Any, now: float) -> Cells:
    requests = at(obj, "spec.tokenRequests")
    return [
        obj.metadata.name,
        at(obj, "spec.attachRequired", True),
        at(obj, "spec.podInfoOnMount", False),
        at(obj, "spec.storageCapacity", False),
        UNSET if requests is None else ",".join(r.audience or "" for r in requests),
        at(obj, "spec.requiresRepublish", False),
        ",".join(at(obj, "spec.volumeLifecycleModes", ())) or NONE,
        age(obj, now),
    ]


def storage_capacity(obj: Any, now: float) -> Cells:
    return [obj.metadata.name, obj.storageClassName or "", UNSET if obj.capacity is None else canonical(obj.capacity)]


STORAGE_CLASS = (
    NAME,
    Column("Provisioner", "storage.v1.StorageClass.provisioner"),
    Column("ReclaimPolicy", "storage.v1.StorageClass.reclaimPolicy"),
    Column("VolumeBindingMode", "storage.v1.StorageClass.volumeBindingMode"),
    Column("AllowVolumeExpansion", "storage.v1.StorageClass.allowVolumeExpansion"),
    AGE,
)
ATTACHMENT = (
    NAME,
    Column("Attacher", "storage.v1.VolumeAttachmentSpec.attacher", format="name"),
    Column("PV", "storage.v1.VolumeAttachmentSource.persistentVolumeName"),
    Column("Node", "storage.v1.VolumeAttachmentSpec.nodeName"),
    Column("Attached", "storage.v1.VolumeAttachmentStatus.attached", type="boolean"),
    AGE,
)
CSI_DRIVER = (
    NAME,
    Column("AttachRequired", "storage.v1.CSIDriverSpec.attachRequired", type="boolean"),
    Column("PodInfoOnMount", "storage.v1.CSIDriverSpec.podInfoOnMount", type="boolean"),
    Column("StorageCapacity", "storage.v1.CSIDriverSpec.storageCapacity", type="boolean"),
    Column("TokenRequests", "storage.v1.CSIDriverSpec.tokenRequests"),
    Column("RequiresRepublish", "storage.v1.CSIDriverSpec.requiresRepublish", type="boolean"),
    Column("Modes", "storage.v1.CSIDriverSpec.volumeLifecycleModes"),
    AGE,
)
CSI_NODE = (
    NAME,
    Column("Drivers", text="Drivers indicates the number of CSI drivers registered on the node", type="integer"),
    AGE,
)
STORAGE_CAPACITY = (
    NAME,
    Column("StorageClassName", "storage.v1.CSIStorageCapacity.storageClassName"),
    Column("Capacity", "storage.v1.CSIStorageCapacity.capacity"),
)

TABLES = {
    "CSIDriver": Table(CSI_DRIVER, csi_driver),
    "CSINode": Table(CSI_NODE, csi_node),
    "CSIStorageCapacity": Table(STORAGE_CAPACITY, storage_capacity),
    "StorageClass": Table(STORAGE_CLASS, storage_class),
    "VolumeAttachment": Table(ATTACHMENT, attachment),
    "VolumeAttributesClass": Table(
        (NAME, Column("DriverName", "storage.v1.VolumeAttributesClass.driverName"), AGE), attributes_class
    ),
}
