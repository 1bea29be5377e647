"""What a plugin gives a container with its devices, in the runtime's configuration."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.cri.messages import pb


def apply(container: Any, responses: Iterable[Any]) -> None:
    """Adds to a ContainerConfig what each ContainerAllocateResponse says; the pod's own variables and mounts win."""
    named = {variable.key for variable in container.envs}
    mounted = {mount.container_path for mount in container.mounts}
    for response in responses:
        for name, value in sorted(response.envs.items()):
            if name not in named:
                container.envs.append(pb.KeyValue(key=name, value=value))
        for mount in response.mounts:
            if mount.container_path not in mounted:
                bind = (mount.container_path, mount.host_path, mount.read_only)
                container.mounts.append(pb.Mount(container_path=bind[0], host_path=bind[1], readonly=bind[2]))
        for device in response.devices:
            paths = (device.container_path, device.host_path, device.permissions)
            container.devices.append(pb.Device(container_path=paths[0], host_path=paths[1], permissions=paths[2]))
        for name, value in response.annotations.items():
            container.annotations[name] = value
        container.CDI_devices.extend(pb.CDIDevice(name=device.name) for device in response.cdi_devices)
