"""Rules for persistent volume claims, and for the claim templates of other kinds. Source: API reference v1.36."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.api.names import label, qualified, subdomain
from sampan.api.quantity import parse
from sampan.api.validation.core.context import Errors
from sampan.api.validation.differences import difference
from sampan.api.validation.metadata import annotation_map, immutable, labels
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.selectors import label_selector

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
ALONE = "ReadWriteOncePod"
VOLUME_MODES = ("Block", "Filesystem")
SPEC_FIXED = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"


def create(claim: Any, errors: Errors) -> None:
    claim_spec(claim.spec, errors, "spec")


def claim_spec(spec: Any, errors: Errors, path: str) -> None:
    if not spec.accessModes:
        errors.append(required(f"{path}.accessModes", "at least 1 access mode is required"))
    label_selector(spec.selector, errors, f"{path}.selector", any_values=False)
    access_modes(spec.accessModes or (), errors, f"{path}.accessModes")
    storage(spec.resources.requests, errors, f"{path}.resources[storage]")
    if spec.storageClassName:
        errors.extend(each_invalid(f"{path}.storageClassName", spec.storageClassName, subdomain(spec.storageClassName)))
    if spec.volumeMode is not None and spec.volumeMode not in VOLUME_MODES:
        errors.append(not_supported(f"{path}.volumeMode", spec.volumeMode, VOLUME_MODES))
    if spec.dataSource is not None:
        data_source(spec.dataSource, errors, f"{path}.dataSource")
    if spec.dataSourceRef is not None:
        data_source(spec.dataSourceRef, errors, f"{path}.dataSourceRef")
        namespaced_source(spec, errors, path)
    if spec.volumeAttributesClassName:
        wrong = subdomain(spec.volumeAttributesClassName)
        errors.extend(each_invalid(f"{path}.volumeAttributesClassName", spec.volumeAttributesClassName, wrong))


def access_modes(modes: Iterable[str], errors: Errors, path: str) -> None:
    modes = list(modes)
    for mode in modes:
        if mode not in ACCESS_MODES:
            errors.append(not_supported(path, mode, ACCESS_MODES))
    if ALONE in modes and any(m != ALONE and m in ACCESS_MODES for m in modes):
        errors.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))


def storage(requests: Any, errors: Errors, path: str) -> None:
    amount = (requests or {}).get("storage")
    if amount is None:
        errors.append(required(path))
    elif parse(amount).value <= 0:
        errors.append(invalid(path, amount, "must be greater than zero"))


def data_source(source: Any, errors: Errors, path: str) -> None:
    if not source.name:
        errors.append(required(f"{path}.name"))
    if not source.kind:
        errors.append(required(f"{path}.kind"))
    group = source.apiGroup or ""
    if not group and source.kind != "PersistentVolumeClaim":
        errors.append(
            invalid(path, source.kind or "", "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
        )
    if group:
        errors.extend(each_invalid(f"{path}.apiGroup", group, subdomain(group)))


def namespaced_source(spec: Any, errors: Errors, path: str) -> None:
    namespace = spec.dataSourceRef.namespace
    if namespace:
        errors.extend(each_invalid(f"{path}.dataSourceRef.namespace", namespace, label(namespace)))
        if spec.dataSource is not None:
            text = "may not be specified when dataSourceRef.namespace is specified"
            errors.append(invalid(f"{path}.dataSource", spec.dataSource, text))
    elif spec.dataSource is not None and not same_source(spec.dataSource, spec.dataSourceRef):
        errors.append(invalid(path, path, "must match dataSourceRef"))


def same_source(source: Any, reference: Any) -> bool:
    return bool(
        (source.apiGroup or "") == (reference.apiGroup or "")
        and source.kind == reference.kind
        and source.name == reference.name
    )


def template(given: Any, errors: Errors, path: str) -> None:
    """The template of a claim that comes with a pod."""
    meta = given.metadata
    if meta is not None:
        if meta.annotations:
            annotation_map(meta.annotations, errors, f"{path}.annotations")
        if meta.labels:
            labels(meta.labels, errors, f"{path}.labels")
    claim_spec(given.spec, errors, f"{path}.spec")


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)
    now, before = frozen_part(new.spec), frozen_part(old.spec)
    bound = bool(old.status is not None and old.status.phase == "Bound")
    if not old.spec.volumeName:
        now.pop("volumeName", None), before.pop("volumeName", None)
    if now != before or (not bound and requests_of(new) != requests_of(old)):
        errors.append(forbidden("spec", f"{SPEC_FIXED}\n{difference(new.spec, old.spec)}"))
    elif requests_of(new) and requests_of(old) and parse(requests_of(new)) < parse(capacity_of(old)):
        errors.append(forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"))
    immutable(new.spec.volumeMode, old.spec.volumeMode, errors, "volumeMode")


def capacity_of(claim: Any) -> str:
    capacity = (claim.status.capacity if claim.status is not None else None) or {}
    return capacity.get("storage") or "0"


def requests_of(claim: Any) -> Any:
    return (claim.spec.resources.requests or {}).get("storage")


def frozen_part(spec: Any) -> dict[str, Any]:
    """What may never change: all but the requested size and the attributes class."""
    names = [n for n in spec.__struct_fields__ if n not in ("resources", "volumeAttributesClassName")]
    return {n: getattr(spec, n) for n in names}


def update_status(new: Any, old: Any, errors: Errors) -> None:
    conditions = (new.status.conditions if new.status is not None else None) or ()
    for index, condition in enumerate(conditions):
        if not condition.type:
            errors.append(required(f"status.conditions[{index}].type"))
    for name, amount in ((new.status.capacity if new.status is not None else None) or {}).items():
        errors.extend(each_invalid(f"status.capacity[{name}]", name, qualified(name)))
        if parse(amount).value < 0:
            errors.append(invalid(f"status.capacity[{name}]", amount, "must be greater than or equal to 0"))
