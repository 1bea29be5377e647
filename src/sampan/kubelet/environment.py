"""A container's environment variables.

Later wins: variables for the services of the pod's namespace, then `envFrom` in its order, then `env` in its order,
where `$(NAME)` may use all that came before. What is missing and not optional is a `ConfigError`, shown as
CreateContainerConfigError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sampan.kubelet import envfile
from sampan.kubelet.expansion import expand
from sampan.volumes.errors import VolumeError
from sampan.volumes.fields import field_value, resource_value
from sampan.volumes.interface import PodVolumes
from sampan.volumes.payload import config_map_data, secret_data

NAME = re.compile(r"[^=\x00-\x1f\x7f]+")
"""What upstream takes as a variable's name (relaxed validation, KEP-4369)."""

Skipped = Callable[[str, Sequence[str]], None]


class ConfigError(Exception):
    """The container cannot be configured as its spec says; it may work once something else exists."""


def service_variables(services: Iterable[Any], namespace: str, *, links: bool) -> dict[str, str]:
    """HOST and PORT of services, and docker's link variables ("Service", environment variables).

    Of the namespace's own services with `links` (enableServiceLinks); of `default/kubernetes` always.
    """
    found: dict[str, str] = {}
    for service in sorted(services, key=lambda s: (s.metadata.namespace == namespace, s.metadata.name)):
        meta, spec = service.metadata, service.spec
        master = meta.namespace == "default" and meta.name == "kubernetes"
        if not (master or (links and meta.namespace == namespace)) or spec.clusterIP in (None, "", "None"):
            continue
        found |= variables_of(meta.name, spec)
    return found


def variables_of(name: str, spec: Any) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    ports = spec.ports or ()
    if not ports:
        return {}
    host = f"[{spec.clusterIP}]" if ":" in spec.clusterIP else spec.clusterIP
    found = {f"{prefix}_SERVICE_HOST": spec.clusterIP, f"{prefix}_SERVICE_PORT": str(ports[0].port)}
    for index, port in enumerate(ports):
        protocol = (port.protocol or "TCP").lower()
        url = f"{protocol}://{host}:{port.port}"
        link = f"{prefix}_PORT_{port.port}_{protocol.upper()}"
        if port.name:
            found[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        if index == 0:
            found[f"{prefix}_PORT"] = url
        found |= {link: url, f"{link}_PROTO": protocol, f"{link}_PORT": str(port.port), f"{link}_ADDR": spec.clusterIP}
    return found


async def container_environment(
    container: Any, pod: PodVolumes, services: Mapping[str, str], *, paths: Mapping[str, Path], skipped: Skipped
) -> dict[str, str]:
    """Every variable of the container by name; raises ConfigError.

    `paths` are where the pod's volumes lie, by name; `skipped` is told of keys that cannot be names of variables.
    """
    found = dict(services)
    for source in container.envFrom or ():
        found |= await from_source(source, pod, skipped)
    # Only what the spec itself defines may be referred to, beside the services.
    for variable in container.env or ():
        if variable.valueFrom is not None:
            value = await from_reference(variable.valueFrom, container, pod, paths)
            if value is None:
                continue
        else:
            value = expand(variable.value or "", found)
        found[variable.name] = value
    return found


async def from_source(source: Any, pod: PodVolumes, skipped: Skipped) -> dict[str, str]:
    """All keys of a ConfigMap or Secret that can be names of variables, each behind the prefix."""
    kind, reference = ("configMap", source.configMapRef) if source.configMapRef else ("secret", source.secretRef)
    if reference is None:
        return {}
    data = await all_data(kind.lower(), reference, pod)
    named = {(source.prefix or "") + key: value for key, value in data.items()}
    wrong = sorted(name for name in named if not NAME.fullmatch(name))
    if wrong:
        skipped(f"{kind} {pod.namespace}/{reference.name}", wrong)
    return {name: value.decode(errors="replace") for name, value in named.items() if name not in wrong}


async def from_reference(source: Any, container: Any, pod: PodVolumes, paths: Mapping[str, Path]) -> str | None:
    """The value that `valueFrom` points to; None when it is missing and may be."""
    if source.fieldRef is not None:
        return read_field(source.fieldRef.fieldPath, pod)
    if source.resourceFieldRef is not None:
        reference = source.resourceFieldRef
        spec = pod.pod.spec
        named = [c for c in [*(spec.initContainers or ()), *spec.containers] if c.name == reference.containerName]
        return resource_value(named[0] if named else container, reference, pod.allocatable)
    if source.configMapKeyRef is not None:
        return await one_key("configmap", source.configMapKeyRef, pod)
    if source.secretKeyRef is not None:
        return await one_key("secret", source.secretKeyRef, pod)
    if source.fileKeyRef is not None:
        return from_file(source.fileKeyRef, paths)
    raise ConfigError("this node does not know the source of an environment variable's value")


def from_file(reference: Any, paths: Mapping[str, Path]) -> str | None:
    """A key of an env file in a volume, which the container need not mount."""
    if reference.volumeName not in paths:
        raise ConfigError(f'cannot find the volume "{reference.volumeName}" of an environment variable')
    try:
        found = envfile.read(paths[reference.volumeName], reference.path or "")
    except envfile.EnvFileError as error:
        raise ConfigError(str(error)) from None
    if found is None and not reference.optional:
        raise ConfigError(f'env file "{reference.path}" not found in volume "{reference.volumeName}"')
    value = (found or {}).get(reference.key)
    if value is None and not reference.optional:
        raise ConfigError(f'environment variable key "{reference.key}" not found in file "{reference.path}"')
    return value


def read_field(path: str, pod: PodVolumes) -> str:
    try:
        return field_value(pod.pod, path, host_ips=pod.host_ips, pod_ips=pod.pod_ips)
    except VolumeError as error:
        raise ConfigError(str(error)) from None


async def one_key(kind: str, reference: Any, pod: PodVolumes) -> str | None:
    data = await all_data(kind, reference, pod)
    if reference.key in data:
        return data[reference.key].decode(errors="replace")
    if reference.optional:
        return None
    what = "ConfigMap" if kind == "configmap" else "Secret"
    raise ConfigError(f"couldn't find key {reference.key} in {what} {pod.namespace}/{reference.name}")


async def all_data(kind: str, reference: Any, pod: PodVolumes) -> dict[str, bytes]:
    name = reference.name or ""
    try:
        if kind == "configmap":
            config_map = await pod.objects.config_map(pod.namespace, name)
            found = config_map_data(config_map) if config_map is not None else None
        else:
            secret = await pod.objects.secret(pod.namespace, name)
            found = secret_data(secret) if secret is not None else None
    except VolumeError as error:
        raise ConfigError(str(error)) from None
    if found is None and not reference.optional:
        raise ConfigError(f'{kind} "{name}" not found')
    return found or {}
