"""Rules for a pod's volumes. Source: API reference v1.36, Volume.

A volume has exactly one source. Most sources only need some of their fields set: those are a table. The others have a
function each.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from sampan.api import accountvolume
from sampan.api.names import config_key, label, path_segment, subdomain
from sampan.api.quantity import parse
from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.environment import container_resource, pod_field
from sampan.api.validation.core.paths import local_descending, local_non_reserved, no_backsteps
from sampan.api.validation.numbers import within
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from sampan.api.validation.selectors import label_selector

MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
HOST_PATH_TYPES = ("", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket")
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
TOKEN_LIFETIME = 600
LARGEST_LIFETIME = 2**32
CERTIFICATE_KEYS = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")

CERTIFICATE_FILES = ("credentialBundlePath", "keyPath", "certificateChainPath")

# Source -> fields that must be set, in the order in which they are told.
NEEDED: dict[str, tuple[str, ...]] = {
    "awsElasticBlockStore": ("volumeID",),
    "azureDisk": ("diskName", "diskURI"),
    "azureFile": ("secretName", "shareName"),
    "cephfs": ("monitors",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "gcePersistentDisk": ("pdName",),
    "gitRepo": ("repository",),
    "glusterfs": ("endpoints", "path"),
    "hostPath": ("path",),
    "iscsi": ("targetPortal", "iqn"),
    "nfs": ("server", "path"),
    "persistentVolumeClaim": ("claimName",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "quobyte": ("registry", "volume"),
    "rbd": ("monitors", "image"),
    "scaleIO": ("gateway", "system", "volumeName"),
    "secret": ("secretName",),
    "configMap": ("name",),
    "storageos": ("volumeName",),
    "vsphereVolume": ("volumePath",),
}
# The order in which sources are looked at; the second one found is one too many.
SOURCES = (
    "emptyDir",
    "hostPath",
    "gitRepo",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "secret",
    "nfs",
    "iscsi",
    "glusterfs",
    "flocker",
    "persistentVolumeClaim",
    "rbd",
    "cinder",
    "cephfs",
    "quobyte",
    "downwardAPI",
    "fc",
    "flexVolume",
    "configMap",
    "azureFile",
    "vsphereVolume",
    "photonPersistentDisk",
    "portworxVolume",
    "azureDisk",
    "storageos",
    "projected",
    "scaleIO",
    "csi",
    "ephemeral",
    "image",
)

all_sources = attrgetter(*SOURCES)


def volumes(given: Any, pod_name: str, errors: Errors, path: str) -> dict[str, Any]:
    """The well-formed volumes, by name."""
    known: dict[str, Any] = {}
    for index, volume in enumerate(given or ()):
        here, found = f"{path}[{index}]", list[Any]()
        name = volume.name or ""
        source(volume, pod_name, found, here)
        if not name:
            found.append(required(f"{here}.name"))
        elif wrong := label(name):
            found.extend(each_invalid(f"{here}.name", name, wrong))
        if name in known:
            found.append(duplicate(f"{here}.name", name))
        if found:
            errors.extend(found)
        else:
            known[name] = volume
    return known


def source(volume: Any, pod_name: str, errors: Errors, path: str) -> None:
    """Exactly one source, and that well-formed."""
    values = all_sources(volume)
    given = [name for name, value in zip(SOURCES, values, strict=True) if value is not None]
    if not given:
        errors.append(required(path, "must specify a volume type"))
        return
    for extra in given[1:]:
        errors.append(forbidden(f"{path}.{extra}", "may not specify more than 1 volume type"))
    name = given[0]
    value, here = getattr(volume, name), f"{path}.{name}"
    needed(value, NEEDED.get(name, ()), errors, here)
    judge = JUDGES.get(name)
    if judge is not None:
        judge(value, errors, here)
    elif name == "ephemeral":
        ephemeral(value, pod_name, volume.name or "", errors, here)


def needed(value: Any, fields: tuple[str, ...], errors: Errors, path: str) -> None:
    for field in fields:
        if not getattr(value, field):
            errors.append(required(f"{path}.{field}"))


def mode(value: int | None, errors: Errors, path: str) -> None:
    if value is not None and not 0 <= value <= 0o777:
        errors.append(invalid(path, value, MODE_RANGE))


def empty_dir(value: Any, errors: Errors, path: str) -> None:
    if value.sizeLimit is not None and parse(value.sizeLimit).value < 0:
        text = "SizeLimit field must be a valid resource quantity"
        errors.append(forbidden(f"{path}.sizeLimit", text))


def host_path(value: Any, errors: Errors, path: str) -> None:
    if value.path:
        no_backsteps(value.path, errors, f"{path}.path")
    if value.type is not None and value.type not in HOST_PATH_TYPES:
        errors.append(not_supported(f"{path}.type", value.type, HOST_PATH_TYPES))


def git_repo(value: Any, errors: Errors, path: str) -> None:
    local_descending(value.directory or "", errors, f"{path}.directory")


def partition(value: Any, errors: Errors, path: str) -> None:
    within(value.partition, 0, 255, errors, f"{path}.partition")


def keyed(value: Any, errors: Errors, path: str) -> None:
    """A Secret or ConfigMap."""
    mode(value.defaultMode, errors, f"{path}.defaultMode")
    items(value.items, errors, f"{path}.items")


def items(given: Any, errors: Errors, path: str) -> None:
    for index, item in enumerate(given or ()):
        here = f"{path}[{index}]"
        if not item.key:
            errors.append(required(f"{here}.key"))
        else:
            errors.extend(each_invalid(f"{here}.key", item.key, config_key(item.key)))
        if not item.path:
            errors.append(required(f"{here}.path"))
        local_non_reserved(item.path or "", errors, f"{here}.path")
        mode(item.mode, errors, f"{here}.mode")


def nfs(value: Any, errors: Errors, path: str) -> None:
    if value.path and not value.path.startswith("/"):
        errors.append(invalid(f"{path}.path", value.path, "must be an absolute path"))


def iscsi(value: Any, errors: Errors, path: str) -> None:
    iqn = value.iqn or ""
    if iqn and not iqn.startswith(("iqn", "eui", "naa")):
        errors.append(invalid(f"{path}.iqn", iqn, "must be valid format starting with iqn, eui, or naa"))
    within(value.lun, 0, 255, errors, f"{path}.lun")
    if (value.chapAuthDiscovery or value.chapAuthSession) and value.secretRef is None:
        errors.append(required(f"{path}.secretRef"))


def flocker(value: Any, errors: Errors, path: str) -> None:
    if not value.datasetName and not value.datasetUUID:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if value.datasetName and value.datasetUUID:
        errors.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in (value.datasetName or ""):
        errors.append(invalid(f"{path}.datasetName", value.datasetName, "must not contain '/'"))


def fibre_channel(value: Any, errors: Errors, path: str) -> None:
    if not value.targetWWNs and not value.wwids:
        errors.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if value.targetWWNs:
        if value.lun is None:
            errors.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
        else:
            within(value.lun, 0, 255, errors, f"{path}.lun")


def downward(value: Any, errors: Errors, path: str) -> None:
    mode(value.defaultMode, errors, f"{path}.defaultMode")
    for file in value.items or ():
        downward_file(file, errors, path)


def downward_file(file: Any, errors: Errors, path: str) -> None:
    if not file.path:
        errors.append(required(f"{path}.path"))
    local_non_reserved(file.path or "", errors, f"{path}.path")
    if file.fieldRef is not None:
        pod_field(file.fieldRef, VOLUME_FIELDS, errors, f"{path}.fieldRef")
        if file.resourceFieldRef is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", text))
    elif file.resourceFieldRef is not None:
        container_resource(file.resourceFieldRef, errors, f"{path}.resourceFieldRef", in_volume=True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    mode(file.mode, errors, f"{path}.mode")


def projected(value: Any, errors: Errors, path: str) -> None:
    if value == accountvolume.projected():
        return
    mode(value.defaultMode, errors, f"{path}.defaultMode")
    paths: set[str] = set()
    for index, each in enumerate(value.sources or ()):
        projected_source(each, paths, errors, f"{path}.sources[{index}]")


def projected_source(each: Any, paths: set[str], errors: Errors, path: str) -> None:
    given = [n for n in PROJECTIONS if getattr(each, n) is not None]
    for extra in given[1:]:
        errors.append(forbidden(f"{path}.{extra}", "may not specify more than 1 volume type"))
    if not given:
        errors.append(required(path, "must specify at least one volume type"))
        return
    value = getattr(each, given[0])
    PROJECTIONS[given[0]](value, errors, f"{path}.{given[0]}")
    written = [value] if given[0] in ("serviceAccountToken", "clusterTrustBundle") else getattr(value, "items", None)
    files = [item.path for item in written or ()]
    if given[0] == "podCertificate":
        files = [getattr(value, field) for field in CERTIFICATE_FILES]
    for file in filter(None, files):
        if file in paths:
            errors.append(invalid(path, file, "conflicting duplicate paths"))
        paths.add(file)


def projected_keys(value: Any, errors: Errors, path: str) -> None:
    if not value.name:
        errors.append(required(f"{path}.name"))
    items(value.items, errors, f"{path}.items")


def projected_downward(value: Any, errors: Errors, path: str) -> None:
    for file in value.items or ():
        downward_file(file, errors, path)


def token(value: Any, errors: Errors, path: str) -> None:
    seconds = value.expirationSeconds or 0
    if seconds < TOKEN_LIFETIME:
        errors.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LARGEST_LIFETIME:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(f"{path}.expirationSeconds", seconds, text))
    if not value.path:
        errors.append(required(f"{path}.path"))
    else:
        local_non_reserved(value.path, errors, f"{path}.path")


def trust_bundle(value: Any, errors: Errors, path: str) -> None:
    """Trust anchors by the bundle's name, or by their signer."""
    from sampan.api.validation.certificates import signer

    if value.name and value.signerName:
        errors.append(invalid(path, value, "only one of name and signerName may be used"))
    elif value.name is not None:
        errors.extend(each_invalid(f"{path}.name", value.name, path_segment(value.name)))
        if not value.name:
            errors.append(required(f"{path}.name"))
        if value.labelSelector is not None:
            text = "labelSelector is only valid if signerName is used"
            errors.append(invalid(f"{path}.labelSelector", value.labelSelector, text))
    elif value.signerName is not None:
        signer(value.signerName, errors, f"{path}.signerName")
        label_selector(value.labelSelector, errors, f"{path}.labelSelector")
    else:
        errors.append(required(path, "either name or signerName must be specified"))
    if not value.path:
        errors.append(required(f"{path}.path"))
    local_non_reserved(value.path or "", errors, f"{path}.path")


def pod_certificate(value: Any, errors: Errors, path: str) -> None:
    """A key and a certificate for it, in one file or in two (KEP-4317)."""
    from sampan.api.validation.certificates import signer
    from sampan.api.validation.podcertificates import lifetime_of

    if value.signerName:
        signer(value.signerName, errors, f"{path}.signerName")
    else:
        errors.append(required(f"{path}.signerName"))
    if value.keyType not in CERTIFICATE_KEYS:
        errors.append(not_supported(f"{path}.keyType", value.keyType or "", CERTIFICATE_KEYS))
    if value.maxExpirationSeconds is not None:
        lifetime_of(value.signerName or "", value.maxExpirationSeconds, errors, f"{path}.maxExpirationSeconds")
    if not any(getattr(value, field) for field in CERTIFICATE_FILES):
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(path, text))
    for field in CERTIFICATE_FILES:
        if getattr(value, field):
            local_non_reserved(getattr(value, field), errors, f"{path}.{field}")


PROJECTIONS: dict[str, Any] = {
    "secret": projected_keys,
    "configMap": projected_keys,
    "downwardAPI": projected_downward,
    "serviceAccountToken": token,
    "clusterTrustBundle": trust_bundle,
    "podCertificate": pod_certificate,
}


def csi(value: Any, errors: Errors, path: str) -> None:
    csi_driver_name(value.driver, errors, f"{path}.driver")
    if value.nodePublishSecretRef is not None and not value.nodePublishSecretRef.name:
        errors.append(required(f"{path}.nodePublishSecretRef.name"))


def csi_driver_name(name: str | None, errors: Errors, path: str) -> None:
    if not name:
        errors.append(required(path))
        return
    if len(name) > 63:
        errors.append(too_long(path, 63))
    errors.extend(each_invalid(path, name, subdomain(name.lower())))


def flex(value: Any, errors: Errors, path: str) -> None:
    for key in value.options or {}:
        namespace = key.partition("/")[0]
        if "/" in key and (
            namespace == "kubernetes.io" or namespace.endswith((".kubernetes.io", ".k8s.io")) or namespace == "k8s.io"
        ):
            text = "kubernetes.io and k8s.io namespaced options are reserved"
            errors.append(invalid(f"{path}.options[{key}]", key, text))


def image(value: Any, errors: Errors, path: str) -> None:
    if not value.reference:
        errors.append(required(f"{path}.reference"))
    if value.pullPolicy not in ("Always", "IfNotPresent", "Never"):
        errors.append(not_supported(f"{path}.pullPolicy", value.pullPolicy or "", ("Always", "IfNotPresent", "Never")))


def ephemeral(value: Any, pod_name: str, volume_name: str, errors: Errors, path: str) -> None:
    from sampan.api.validation.core import claims

    template = value.volumeClaimTemplate
    if template is None:
        errors.append(required(f"{path}.volumeClaimTemplate"))
        return
    claims.template(template, errors, f"{path}.volumeClaimTemplate")
    name = f"{pod_name}-{volume_name}" if pod_name else ""
    if name:
        for message in subdomain(name):
            errors.append(invalid(path.replace(".ephemeral", ".name"), volume_name, f'PVC name "{name}": {message}'))


JUDGES: dict[str, Any] = {
    "awsElasticBlockStore": partition,
    "configMap": keyed,
    "csi": csi,
    "downwardAPI": downward,
    "emptyDir": empty_dir,
    "fc": fibre_channel,
    "flexVolume": flex,
    "flocker": flocker,
    "gcePersistentDisk": partition,
    "gitRepo": git_repo,
    "hostPath": host_path,
    "image": image,
    "iscsi": iscsi,
    "nfs": nfs,
    "projected": projected,
    "secret": keyed,
}
