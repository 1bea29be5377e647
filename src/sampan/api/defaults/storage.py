"""Defaults of the storage.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

CONSTANTS: dict[str, dict[str, Any]] = {
    "storage_v1.CSIDriverSpec": {
        "attachRequired": True,
        "podInfoOnMount": False,
        "storageCapacity": False,
        "fsGroupPolicy": "ReadWriteOnceWithFSType",
        "volumeLifecycleModes": ["Persistent"],
        "requiresRepublish": False,
        "seLinuxMount": False,
    },
    "storage_v1.StorageClass": {"reclaimPolicy": "Delete", "volumeBindingMode": "Immediate"},
}

HOOKS: dict[str, Any] = {}
