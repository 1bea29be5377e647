"""What an update changed of what it may not change, as a diff: the last part of some of upstream's messages.

Upstream prints its internal objects as JSON, with Go's field names in the order of their declaration, absent fields
included, and diffs the two. Only the most common types have their declared order here (ORDER); others keep that of the
schema.
"""

from __future__ import annotations

import difflib
from typing import Any

import msgspec

from sampan.api import schema
from sampan.api.schema import presence

ORDER = {
    "core_v1.PersistentVolumeClaimSpec": (
        "accessModes selector resources volumeName storageClassName volumeMode dataSource dataSourceRef "
        "volumeAttributesClassName"
    ),
    "core_v1.VolumeResourceRequirements": "limits requests",
    "core_v1.ResourceRequirements": "limits requests claims",
    "core_v1.HostPathVolumeSource": "path type",
    "core_v1.NFSVolumeSource": "server path readOnly",
    "core_v1.PodSpec": (
        "volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds "
        "activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken nodeName "
        "securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName tolerations "
        "hostAliases priorityClassName priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead "
        "enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources"
    ),
    "core_v1.Container": (
        "name image command args workingDir ports envFrom env resources resizePolicy restartPolicy volumeMounts "
        "volumeDevices livenessProbe readinessProbe startupProbe lifecycle terminationMessagePath "
        "terminationMessagePolicy imagePullPolicy securityContext stdin stdinOnce tty"
    ),
}
SOURCES = [
    *("gcePersistentDisk", "awsElasticBlockStore", "hostPath", "glusterfs", "nfs", "rbd", "quobyte", "iscsi"),
    *("flexVolume", "cinder", "cephfs", "fc", "flocker", "azureFile", "vsphereVolume", "azureDisk"),
    *("photonPersistentDisk", "portworxVolume", "scaleIO", "local", "storageos", "csi"),
]
NAMES = {
    "awsElasticBlockStore": "AWSElasticBlockStore",
    "cephfs": "CephFS",
    "csi": "CSI",
    "dnsConfig": "DNSConfig",
    "dnsPolicy": "DNSPolicy",
    "fc": "FC",
    "gcePersistentDisk": "GCEPersistentDisk",
    "iscsi": "ISCSI",
    "nfs": "NFS",
    "os": "OS",
    "rbd": "RBD",
    "storageos": "StorageOS",
    "tty": "TTY",
}
LIKE_THE_WIRE = "meta_v1."
CONTEXT = 3


def difference(new: Any, old: Any, names: list[str] | None = None) -> str:
    """A unified diff from `old` to `new`, Structs of one type; with `names`, of these fields alone."""
    before, after = _lines(old, names), _lines(new, names)
    diff = list(difflib.unified_diff(before, after, n=CONTEXT, lineterm=""))[2:]
    return "".join(f"{line}\n" for line in diff)


def _lines(value: Any, names: list[str] | None) -> list[str]:
    return msgspec.json.format(msgspec.json.encode(internal(value, names)), indent=1).decode().splitlines()


def internal(value: Any, names: list[str] | None = None) -> Any:
    """A Struct as upstream's internal type of the same name would print."""
    if isinstance(value, list):
        return [internal(v) for v in value]
    if isinstance(value, dict):
        return {k: internal(v) for k, v in sorted(value.items())}
    if not isinstance(value, msgspec.Struct):
        return value
    info = schema.info(type(value))
    name = f"{schema.namespace_of(info.definition)}.{info.name}"
    if name.startswith(LIKE_THE_WIRE):
        return msgspec.to_builtins(value)
    order = names or ORDER.get(name, "").split() or list(info.fields)
    shown = {}
    for field in (info.fields[n] for n in order):
        inner = getattr(value, field.attribute)
        shown[NAMES.get(field.name, field.name[:1].upper() + field.name[1:])] = (
            _absent(name, field) if inner is None else internal(inner)
        )
    return shown


def _absent(name: str, field: schema.Field) -> Any:
    """What Go prints for a field that is not set."""
    if field.shape != "scalar":
        return None
    if field.scalar == "string":
        return None if field.name in presence.of(presence.POINTER_STRINGS, name) else ""
    if field.required or field.name in presence.of(presence.VALUE_SCALARS, name):
        return False if field.scalar == "boolean" else 0
    return None
