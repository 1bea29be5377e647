"""Rules for what a container mounts. Source: API reference v1.36, VolumeMount, VolumeDevice."""

from __future__ import annotations

from typing import Any

from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.paths import local_descending
from sampan.api.validation.problems import forbidden, invalid, not_found, not_supported, required

PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def volume_mounts(container: Any, volumes: dict[str, Any], errors: Errors, path: str) -> None:
    paths: set[str] = set()
    devices = {d.name: d.devicePath for d in container.volumeDevices or ()}
    for index, mount in enumerate(container.volumeMounts):
        name, where = mount.name or "", mount.mountPath or ""
        if not name:
            errors.append(required(f"{path}[{index}].name"))
        if name not in volumes:
            errors.append(not_found(f"{path}[{index}].name", name))
        if not where:
            errors.append(required(f"{path}[{index}].mountPath"))
        if where in paths:
            errors.append(invalid(f"{path}[{index}].mountPath", where, "must be unique"))
        paths.add(where)
        if devices:
            if name in devices:
                errors.append(invalid(f"{path}[{index}].name", name, "must not already exist in volumeDevices"))
            if where in devices.values():
                text = "must not already exist as a path in volumeDevices"
                errors.append(invalid(f"{path}[{index}].mountPath", where, text))
        special(mount, container, errors, path, f"{path}[{index}]")


def special(mount: Any, container: Any, errors: Errors, path: str, here: str) -> None:
    """What few mounts say."""
    if mount.subPath:
        local_descending(mount.subPath, errors, f"{path}.subPath")
    if mount.subPathExpr:
        if mount.subPath:
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(f"{here}.subPathExpr", mount.subPathExpr, text))
        local_descending(mount.subPathExpr, errors, f"{path}.subPathExpr")
    if mount.mountPropagation is not None:
        propagation(mount.mountPropagation, container, errors, f"{path}.mountPropagation")
    if mount.recursiveReadOnly is not None:
        recursive_read_only(mount, errors, f"{path}.recursiveReadOnly")


def propagation(value: str, container: Any, errors: Errors, path: str) -> None:
    if value not in PROPAGATIONS:
        errors.append(not_supported(path, value, PROPAGATIONS))
    privileged = container.securityContext is not None and container.securityContext.privileged
    if value == "Bidirectional" and not privileged:
        errors.append(forbidden(path, "Bidirectional mount propagation is available only to privileged containers"))


def recursive_read_only(mount: Any, errors: Errors, path: str) -> None:
    value = mount.recursiveReadOnly
    if value not in RECURSIVE:
        errors.append(not_supported(path, value, RECURSIVE))
    elif value != "Disabled":
        if not mount.readOnly:
            errors.append(forbidden(path, "may only be specified when readOnly is true"))
        if mount.mountPropagation not in (None, "None"):
            errors.append(forbidden(path, "may only be specified when mountPropagation is None or not specified"))


def volume_devices(container: Any, volumes: dict[str, Any], errors: Errors, path: str) -> None:
    names: set[str] = set()
    paths: set[str] = set()
    mounted = {m.name: m.mountPath for m in container.volumeMounts or ()}
    for index, device in enumerate(container.volumeDevices):
        here, name, where = f"{path}[{index}]", device.name or "", device.devicePath or ""
        if not name:
            errors.append(required(f"{here}.name"))
        if name in names:
            errors.append(invalid(f"{here}.name", name, "must be unique"))
        source = volumes.get(name)
        if source is None:
            errors.append(not_found(f"{here}.name", name))
        elif source.persistentVolumeClaim is None and source.ephemeral is None:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(f"{here}.name", name, text))
        if not where:
            errors.append(required(f"{here}.devicePath"))
        if where in paths:
            errors.append(invalid(f"{here}.devicePath", where, "must be unique"))
        if where and ".." in where.split("/"):
            errors.append(invalid(f"{here}.devicePath", where, "can not contain backsteps ('..')"))
        names.add(name)
        paths.add(where)
        if name in mounted:
            errors.append(invalid(f"{here}.name", name, "must not already exist in volumeMounts"))
        if where in mounted.values():
            errors.append(invalid(f"{here}.devicePath", where, "must not already exist as a path in volumeMounts"))
