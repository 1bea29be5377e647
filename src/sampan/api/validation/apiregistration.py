"""Rules of the apiregistration.k8s.io group. Source: API reference v1.36, APIService."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label_1035, path_segment, subdomain
from sampan.api.validation.conditions import STATUSES
from sampan.api.validation.network import PORT_RANGE
from sampan.api.validation.problems import each_invalid, invalid, not_supported, quote, required
from sampan.api.validation.rule import Rule

GROUP = "apiregistration.k8s.io"
Errors = list[FieldError]


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    group, version = spec.group or "", spec.version or ""
    wanted = f"{version}.{group}"
    text = f'must be `spec.version+"."+spec.group`: {quote(wanted)}'
    if obj.metadata.generateName:
        errors.append(invalid("metadata.generateName", obj.metadata.generateName, text))
    if obj.metadata.name and obj.metadata.name != wanted:
        errors.append(invalid("metadata.name", obj.metadata.name, text))
    if not group and version != "v1":
        errors.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
    if group:
        errors.extend(each_invalid("spec.group", group, subdomain(group)))
    errors.extend(each_invalid("spec.version", version, label_1035(version)))
    least, priority = spec.groupPriorityMinimum or 0, spec.versionPriority or 0
    if least <= 0 or least > 20000:
        errors.append(invalid("spec.groupPriorityMinimum", least, "must be positive and less than 20000"))
    if priority <= 0 or priority > 1000:
        errors.append(invalid("spec.versionPriority", priority, "must be positive and less than 1000"))
    if spec.service is None:
        local(spec, errors)
    else:
        served(spec, errors)


def local(spec: Any, errors: Errors) -> None:
    if spec.caBundle:
        errors.append(
            invalid("spec.caBundle", f"{len(spec.caBundle)} bytes", "local APIServices may not have a caBundle")
        )
    if spec.insecureSkipTLSVerify:
        text = "local APIServices may not have insecureSkipTLSVerify"
        errors.append(invalid("spec.insecureSkipTLSVerify", True, text))


def served(spec: Any, errors: Errors) -> None:
    for field in ("namespace", "name"):
        if not getattr(spec.service, field):
            errors.append(required(f"spec.service.{field}"))
    number = spec.service.port
    if number is not None and not 1 <= number <= 65535:
        errors.append(invalid("spec.service.port", number, f"port is not valid: {PORT_RANGE}"))
    if spec.insecureSkipTLSVerify and spec.caBundle:
        text = "may not be true if caBundle is present"
        errors.append(invalid("spec.insecureSkipTLSVerify", True, text))


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    for index, each in enumerate(new.status.conditions or ()):
        if each.status not in STATUSES:
            errors.append(not_supported(f"status.conditions[{index}].status", each.status or "", STATUSES))


RULES: dict[str, Rule] = {
    "APIService": Rule(
        name=path_segment, any_finalizer=True, create=create, update=update, subresources={"status": update_status}
    )
}
