"""What a container sees of the node's file system: its volumes, and a hosts file of the pod's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sampan.cri.messages import pb
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.containerconfig import volume_mount
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.expansion import expand
from sampan.kubelet.hosts import hosts_text, pod_hostname
from sampan.volumes import subpath
from sampan.volumes.interface import PodVolumes

HOSTS = "/etc/hosts"


def container_mounts(
    spec: Any,
    pod: PodVolumes,
    paths: Mapping[str, Path],
    environment: Mapping[str, str],
    config: KubeletConfig,
    node_hosts: str,
) -> list[Any]:
    """The Mount messages; `paths` maps volumes to where they lie. Raises ConfigError, VolumeError and OSError."""
    mounts = []
    for index, mount in enumerate(spec.volumeMounts or ()):
        if mount.name not in paths:
            raise ConfigError(f'volume "{mount.name}" of container "{spec.name}" was not set up')
        path = inner_path(mount, environment)
        source = paths[mount.name]
        if path:
            target = pod.directory / "volume-subpaths" / mount.name / spec.name / str(index)
            source = subpath.bind(source, path, target, pod.mounter)
        mounts.append(volume_mount(mount, source))
    if not any(mount.mountPath == HOSTS for mount in spec.volumeMounts or ()):
        mounts.append(pb.Mount(container_path=HOSTS, host_path=str(hosts_file(pod, config, node_hosts))))
    return mounts


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
