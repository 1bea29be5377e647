"""What a container sees of the node's file system: its volumes, and a hosts file of the pod's own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sampan.cri.messages import pb
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.expansion import expand
from sampan.kubelet.hosts import hosts_text, pod_hostname
from sampan.kubelet.security import id_mapping
from sampan.volumes import subpath
from sampan.volumes.interface import Made, PodVolumes

HOSTS = "/etc/hosts"
PROPAGATIONS = {"None": 0, "HostToContainer": 1, "Bidirectional": 2}


async def container_mounts(
    spec: Any,
    pod: PodVolumes,
    made: Mapping[str, Made],
    environment: Mapping[str, str],
    config: KubeletConfig,
    node_hosts: str,
    *,
    recursive: bool,
    users: int | None = None,
) -> list[Any]:
    """The Mount messages; `made` are the pod's volumes by name.

    `recursive`: whether the runtime can make what is mounted in a volume read-only, too; `users`: where the pod's own
    user ids begin on the node. Raises ConfigError, VolumeError and OSError.
    """
    mounts = [
        await volume_mount(spec, index, made, pod, environment, recursive=recursive, users=users)
        for index in range(len(spec.volumeMounts or ()))
    ]
    if not any(mount.mountPath == HOSTS for mount in spec.volumeMounts or ()):
        mounts.append(pb.Mount(container_path=HOSTS, host_path=str(hosts_file(pod, config, node_hosts))))
    return mounts


def container_devices(spec: Any, made: Mapping[str, Made]) -> list[Any]:
    """The Device messages of the container's volumeDevices; raises ConfigError."""
    return [volume_device(spec, device, made) for device in spec.volumeDevices or ()]


def volume_device(spec: Any, device: Any, made: Mapping[str, Made]) -> Any:
    volume = made.get(device.name)
    if volume is None or not volume.device:
        raise ConfigError(f'volume "{device.name}" of container "{spec.name}" is no device')
    return pb.Device(
        container_path=device.devicePath, host_path=str(volume.path), permissions="r" if volume.read_only else "mrw"
    )


async def volume_mount(
    spec: Any,
    index: int,
    made: Mapping[str, Made],
    pod: PodVolumes,
    environment: Mapping[str, str],
    *,
    recursive: bool,
    users: int | None,
) -> Any:
    """One of the container's volumeMounts; a subPath is first bound to a place that no container can change."""
    mount = spec.volumeMounts[index]
    if mount.name not in made or made[mount.name].device:
        raise ConfigError(f'volume "{mount.name}" of container "{spec.name}" was not set up')
    volume, path = made[mount.name], inner_path(mount, environment)
    source = volume.path
    if path:
        target = pod.directory / "volume-subpaths" / mount.name / spec.name / str(index)
        source = await pod.mounter.aside(partial(subpath.bind, source, path, target, pod.mounter))
    return pb.Mount(
        container_path=mount.mountPath if mount.mountPath.startswith("/") else f"/{mount.mountPath}",
        host_path=str(source),
        readonly=bool(mount.readOnly) or volume.read_only,
        propagation=PROPAGATIONS[mount.mountPropagation or "None"],
        recursive_read_only=is_recursive(mount, recursive),
        uidMappings=id_mapping(users),
        gidMappings=id_mapping(users),
    )


def is_recursive(mount: Any, possible: bool) -> bool:
    """Whether the mount is recursively read-only (KEP-3857); raises ConfigError in upstream's words."""
    wanted = mount.recursiveReadOnly or "Disabled"
    if wanted == "Disabled":
        return False
    asks = f'volume "{mount.name}" requested recursive read-only mode, but'
    if not mount.readOnly:
        raise ConfigError(f"{asks} it is not read-only")
    if (mount.mountPropagation or "None") != "None":
        raise ConfigError(f'{asks} it is not compatible with propagation "{mount.mountPropagation}"')
    if wanted == "Enabled" and not possible:
        raise ConfigError(f"{asks} it is not supported by the runtime")
    return possible


def inner_path(mount: Any, environment: Mapping[str, str]) -> str:
    """The subPath, or the subPathExpr with the container's variables put in; "" for the whole volume."""
    if mount.subPath:
        return mount.subPath
    if not mount.subPathExpr:
        return ""
    path = expand(mount.subPathExpr, environment)
    if "$(" in path or path.startswith("/") or ".." in Path(path).parts:
        raise ConfigError(f'subPathExpr "{mount.subPathExpr}" of volume "{mount.name}" gives no path: "{path}"')
    return path


def hosts_file(pod: PodVolumes, config: KubeletConfig, node_hosts: str) -> Path:
    """Writes the pod's /etc/hosts anew and returns its path."""
    hostname, domain = pod_hostname(pod.pod, config.cluster_domain)
    short = hostname.split(".", 1)[0] if domain else hostname
    path = pod.directory / "etc-hosts"
    path.write_text(hosts_text(pod.pod, ips=pod.pod_ips, hostname=short, domain=domain, node_hosts=node_hosts))
    path.chmod(0o644)
    return path
