"""Rules for environment variables and where their values come from.

Source: API reference v1.36, EnvVar, EnvFromSource.
"""

from __future__ import annotations

from typing import Any

from sampan.api.names import config_key, environment_name, qualified, subdomain
from sampan.api.validation.core.context import Errors, PodContext
from sampan.api.validation.problems import each_invalid, invalid, not_found, not_supported, required
from sampan.api.validation.resources import parse

POD_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
CONTAINER_RESOURCES = (
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
)
KNOWN_FIELDS = frozenset(
    {
        *POD_FIELDS,
        "metadata.labels",
        "metadata.annotations",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.hostNetwork",
        "status.phase",
        "status.nominatedNodeName",
    }
)
SUBSCRIPTED = ("metadata.annotations", "metadata.labels")
DIVISORS = {
    "cpu": (("1m", "1"), "only divisor's values 1m and 1 are supported with the cpu resource"),
    "memory": (
        ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"),
        "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the memory "
        "resource",
    ),
    "ephemeral-storage": (
        ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"),
        "only divisor's values 1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei are supported with the local "
        "ephemeral storage resource",
    ),
}
SOURCES = ("fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef")


def environment(given: Any, pod: PodContext, errors: Errors, path: str) -> None:
    for index, variable in enumerate(given):
        if not variable.name:
            errors.append(required(f"{path}[{index}].name"))
        elif wrong := environment_name(variable.name):
            errors.extend(each_invalid(f"{path}[{index}].name", variable.name, wrong))
        if variable.valueFrom is not None:
            value_from(variable, pod, errors, f"{path}[{index}].valueFrom")


def value_from(variable: Any, pod: PodContext, errors: Errors, path: str) -> None:
    source = variable.valueFrom
    if source.fieldRef is not None:
        pod_field(source.fieldRef, POD_FIELDS, errors, f"{path}.fieldRef")
    if source.resourceFieldRef is not None:
        container_resource(source.resourceFieldRef, errors, f"{path}.resourceFieldRef", in_volume=False)
    if source.configMapKeyRef is not None:
        key_of(source.configMapKeyRef, errors, f"{path}.configMapKeyRef")
    if source.secretKeyRef is not None:
        key_of(source.secretKeyRef, errors, f"{path}.secretKeyRef")
    if source.fileKeyRef is not None:
        file_key(source.fileKeyRef, pod, errors, f"{path}.fileKeyRef")
    given = sum(getattr(source, name) is not None for name in SOURCES)
    if not given:
        text = "must specify one of: `configMapKeyRef`, `fieldRef`, `fileKeyRef`, `resourceFieldRef` or `secretKeyRef`"
        errors.append(invalid(path, "", text))
    if variable.value:
        if given:
            errors.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif given > 1:
        errors.append(invalid(path, "", "may not have more than one field specified at a time"))


def pod_field(reference: Any, supported: tuple[str, ...], errors: Errors, path: str) -> None:
    """A reference to a field of the pod (downward API)."""
    if not reference.apiVersion:
        errors.append(required(f"{path}.apiVersion"))
        return
    field = reference.fieldPath or ""
    if not field:
        errors.append(required(f"{path}.fieldPath"))
        return
    base, bracket, rest = field.partition("[")
    if bracket and base in SUBSCRIPTED and rest.startswith("'") and rest.endswith("']"):
        key = rest[1:-2]
        checked = key.lower() if base == "metadata.annotations" else key
        errors.extend(each_invalid(path, key, qualified(checked)))
        return
    if field not in KNOWN_FIELDS:
        text = f"error converting fieldPath: field label not supported: {field}"
        errors.append(invalid(f"{path}.fieldPath", field, text))
    elif field not in supported:
        errors.append(not_supported(f"{path}.fieldPath", field, supported))


def container_resource(reference: Any, errors: Errors, path: str, *, in_volume: bool) -> None:
    """A reference to what a container requests or is limited to."""
    if in_volume and not reference.containerName:
        errors.append(required(f"{path}.containerName"))
        return
    resource = reference.resource or ""
    if not resource:
        errors.append(required(f"{path}.resource"))
        return
    if resource.startswith(("limits.hugepages-", "requests.hugepages-")):
        return
    if resource not in CONTAINER_RESOURCES:
        errors.append(not_supported(f"{path}.resource", resource, CONTAINER_RESOURCES))
    divisor(resource, reference.divisor, errors, path)


def divisor(resource: str, amount: str | None, errors: Errors, path: str) -> None:
    value = parse(amount or "0")
    if value.value == 0:
        return
    allowed, text = DIVISORS.get(resource.partition(".")[2], ((), ""))
    if allowed and str(value) not in allowed:
        errors.append(invalid(f"{path}.divisor", str(value), text))


def key_of(reference: Any, errors: Errors, path: str) -> None:
    """A key of a ConfigMap or Secret."""
    errors.extend(each_invalid(f"{path}.name", reference.name or "", subdomain(reference.name or "")))
    if not reference.key:
        errors.append(required(f"{path}.key"))
    else:
        errors.extend(each_invalid(f"{path}.key", reference.key, config_key(reference.key)))


def file_key(reference: Any, pod: PodContext, errors: Errors, path: str) -> None:
    """A variable in a file that an init container wrote to an emptyDir (KEP-3721)."""
    for name in ("volumeName", "path", "key"):
        if not getattr(reference, name):
            errors.append(required(f"{path}.{name}"))
    if reference.volumeName and reference.volumeName not in pod.volumes:
        errors.append(not_found(f"{path}.volumeName", reference.volumeName))


def environment_sources(given: Any, errors: Errors, path: str) -> None:
    for index, source in enumerate(given):
        here = f"{path}[{index}]"
        if source.prefix:
            errors.extend(each_invalid(f"{here}.prefix", source.prefix, environment_name(source.prefix)))
        for name in ("configMapRef", "secretRef"):
            reference = getattr(source, name)
            if reference is None:
                continue
            if not reference.name:
                errors.append(required(f"{here}.{name}.name"))
            else:
                errors.extend(each_invalid(f"{here}.{name}.name", reference.name, subdomain(reference.name)))
        count = (source.configMapRef is not None) + (source.secretRef is not None)
        if count == 0:
            errors.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif count > 1:
            errors.append(invalid(path, "", "may not have more than one field specified at a time"))
