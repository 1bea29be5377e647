"""Tables of internal.apiserver.k8s.io."""

from __future__ import annotations

from typing import Any

from sampan.api.tables import AGE, NAME, Cells, Column, Table
from sampan.api.tables.cells import UNSET, age, at, shortened


def storage_version(obj: Any, now: float) -> Cells:
    versions = [f"{v.apiServerID}={v.encodingVersion}" for v in at(obj, "status.storageVersions", [])]
    return [obj.metadata.name, at(obj, "status.commonEncodingVersion", UNSET), shortened(versions), age(obj, now)]


STATUS = "apiserverinternal.v1alpha1.StorageVersionStatus"
STORAGE_VERSION = (
    NAME,
    Column("CommonEncodingVersion", f"{STATUS}.commonEncodingVersion"),
    Column("StorageVersions", f"{STATUS}.storageVersions"),
    AGE,
)

TABLES = {"StorageVersion": Table(STORAGE_VERSION, storage_version)}
