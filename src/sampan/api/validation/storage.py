"""Rules of the storage.k8s.io group. Source: API reference v1.36."""

from __future__ import annotations

from typing import Any

import msgspec

from sampan.api.errors import FieldError
from sampan.api.names import qualified, subdomain
from sampan.api.quantity import parse
from sampan.api.validation.core.persistentvolumes import inline
from sampan.api.validation.core.volumes import csi_driver_name
from sampan.api.validation.metadata import immutable
from sampan.api.validation.numbers import NOT_NEGATIVE
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import label_selector

GROUP = "storage.k8s.io"
Errors = list[FieldError]

BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
PARAMETERS = 512
PARAMETERS_SIZE = 256 * 1024
NODE_ID_LENGTH = 192
MESSAGE_LENGTH = 1024
SHORTEST_PERIOD = 10
TOKEN_SECONDS = 600
LARGEST_TOKEN_SECONDS = 2**32


def create_class(obj: Any, errors: Errors) -> None:
    provisioner(obj.provisioner, errors, "provisioner")
    parameters(obj.parameters, True, errors, "parameters")
    if obj.reclaimPolicy and obj.reclaimPolicy not in ("Delete", "Retain"):
        errors.append(not_supported("reclaimPolicy", obj.reclaimPolicy, ("Delete", "Retain")))
    if obj.volumeBindingMode is None:
        errors.append(required("volumeBindingMode"))
    elif obj.volumeBindingMode not in BINDING_MODES:
        errors.append(not_supported("volumeBindingMode", obj.volumeBindingMode, BINDING_MODES))
    topologies(obj.allowedTopologies or (), errors, "allowedTopologies")


def provisioner(name: str | None, errors: Errors, path: str) -> None:
    if not name:
        errors.append(required(path))
    else:
        errors.extend(each_invalid(path, name.lower(), qualified(name.lower())))


def parameters(given: dict[str, str] | None, allow_empty: bool, errors: Errors, path: str) -> None:
    given = given or {}
    if len(given) > PARAMETERS:
        errors.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {PARAMETERS} bytes"))
    size = 0
    for key, value in given.items():
        if not key:
            errors.append(invalid(path, key, "field can not be empty."))
        size += len(key) + len(value or "")
    if size > PARAMETERS_SIZE:
        errors.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {PARAMETERS_SIZE} bytes"))
    if not given and not allow_empty:
        errors.append(required(path, "must contain at least one key/value pair"))


def topologies(given: Any, errors: Errors, path: str) -> None:
    """Each term once; a term that says nothing equals, for upstream, one more for each of the terms."""
    known: list[dict[str, frozenset[str]]] = [{} for _ in given]
    for index, term in enumerate(given):
        here = f"{path}[{index}].matchLabelExpressions"
        keys: dict[str, frozenset[str]] = {}
        for number, requirement in enumerate(term.matchLabelExpressions or ()):
            topology_requirement(requirement, keys, errors, f"{here}[{number}]")
        errors.extend(duplicate(here, "") for other in known if other == keys)
        known.append(keys)


def topology_requirement(requirement: Any, keys: dict[str, frozenset[str]], errors: Errors, path: str) -> None:
    key, values = requirement.key or "", requirement.values or ()
    if not values:
        errors.append(required(f"{path}.values"))
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            errors.append(duplicate(f"{path}.values[{index}]", value))
        seen.add(value)
    errors.extend(each_invalid(f"{path}.key", key, qualified(key)))
    if key in keys:
        errors.append(duplicate(f"{path}.key", key))
    keys[key] = frozenset(values)


CLASS_FIXED = (
    ("parameters", "updates to parameters are forbidden."),
    ("provisioner", "updates to provisioner are forbidden."),
)


def update_class(new: Any, old: Any, errors: Errors) -> None:
    create_class(new, errors)
    for field, text in CLASS_FIXED:
        if getattr(new, field) != getattr(old, field):
            errors.append(forbidden(field, text))
    if new.reclaimPolicy != old.reclaimPolicy:
        errors.append(forbidden("reclaimPolicy", "updates to reclaimPolicy are forbidden."))
    immutable(new.volumeBindingMode, old.volumeBindingMode, errors, "volumeBindingMode")


def create_driver(obj: Any, errors: Errors) -> None:
    driver_spec(obj.spec, errors)


def driver_spec(spec: Any, errors: Errors) -> None:
    for field in ("attachRequired", "podInfoOnMount", "storageCapacity"):
        if getattr(spec, field) is None:
            errors.append(required(f"spec.{field}"))
    if spec.fsGroupPolicy is not None and spec.fsGroupPolicy not in FS_GROUP_POLICIES:
        errors.append(not_supported("spec.fsGroupPolicy", spec.fsGroupPolicy, FS_GROUP_POLICIES))
    period = spec.nodeAllocatableUpdatePeriodSeconds
    if period is not None and period < SHORTEST_PERIOD:
        text = f"must be greater than or equal to {SHORTEST_PERIOD} seconds"
        errors.append(invalid("spec.nodeAllocatableUpdatePeriodSeconds", period, text))
    audiences: set[str] = set()
    for index, request in enumerate(spec.tokenRequests or ()):
        path, audience = f"spec.tokenRequests[{index}]", request.audience or ""
        if audience in audiences:
            errors.append(duplicate(f"{path}.audience", audience))
        audiences.add(audience)
        seconds = request.expirationSeconds
        if seconds is not None:
            if seconds < TOKEN_SECONDS:
                text = "may not specify a duration less than 10 minutes"
                errors.append(invalid(f"{path}.expirationSeconds", seconds, text))
            if seconds > LARGEST_TOKEN_SECONDS:
                text = "may not specify a duration larger than 2^32 seconds"
                errors.append(invalid(f"{path}.expirationSeconds", seconds, text))
    for mode in spec.volumeLifecycleModes or ():
        if mode not in LIFECYCLES:
            errors.append(not_supported("spec.volumeLifecycleModes", mode, LIFECYCLES))


def update_driver(new: Any, old: Any, errors: Errors) -> None:
    driver_spec(new.spec, errors)
    for field, path in (("attachRequired", "attachedRequired"), ("fsGroupPolicy", "fsGroupPolicy")):
        if field == "attachRequired":
            immutable(getattr(new.spec, field), getattr(old.spec, field), errors, f"spec.{path}")
    immutable(new.spec.volumeLifecycleModes, old.spec.volumeLifecycleModes, errors, "spec.volumeLifecycleModes")


def create_node(obj: Any, errors: Errors) -> None:
    names: set[str] = set()
    for index, driver in enumerate(obj.spec.drivers or ()):
        path = f"spec.drivers[{index}]"
        csi_driver_name(driver.name, errors, f"{path}.name")
        node_id(driver.nodeID, errors, f"{path}.nodeID")
        if driver.allocatable is not None and driver.allocatable.count is not None and driver.allocatable.count < 0:
            text = "must be greater than or equal to 0"
            errors.append(invalid(f"{path}.allocatable.count", driver.allocatable.count, text))
        if driver.name in names and driver.name:
            errors.append(duplicate(f"{path}.name", driver.name))
        names.add(driver.name or "")
        keys: set[str] = set()
        for key in driver.topologyKeys or ():
            if not key:
                errors.append(required(path))
            if key in keys:
                errors.append(duplicate(path, key))
            keys.add(key)
            errors.extend(each_invalid(path, key, qualified(key)))


def node_id(text: str | None, errors: Errors, path: str) -> None:
    if not text:
        errors.append(required(path))
    elif len(text) > NODE_ID_LENGTH:
        errors.append(invalid(path, text, f"must be {NODE_ID_LENGTH} characters or less"))


def update_node(new: Any, old: Any, errors: Errors) -> None:
    """A driver that is there stays as it is, but for how many volumes it allows; drivers may come and go."""
    create_node(new, errors)
    for known in old.spec.drivers or ():
        for driver in new.spec.drivers or ():
            if driver.name == known.name:
                now, before = (msgspec.structs.replace(each, allocatable=None) for each in (driver, known))
                immutable(now, before, errors, "spec.drivers")


def create_capacity(obj: Any, errors: Errors) -> None:
    label_selector(obj.nodeTopology, errors, "nodeTopology")
    name = obj.storageClassName or ""
    errors.extend(each_invalid("storageClassName", name, subdomain(name)))
    if obj.capacity is not None and parse(obj.capacity).value < 0:
        errors.append(invalid("capacity", obj.capacity, NOT_NEGATIVE))


def update_capacity(new: Any, old: Any, errors: Errors) -> None:
    create_capacity(new, errors)
    immutable(new.nodeTopology, old.nodeTopology, errors, "nodeTopology")
    immutable(new.storageClassName, old.storageClassName, errors, "storageClassName")


def create_attachment(obj: Any, errors: Errors) -> None:
    attachment(obj.spec, errors)
    if obj.spec.attacher:
        csi_driver_name(obj.spec.attacher, errors, "spec.attacher")
    name = obj.spec.source.persistentVolumeName
    if name is not None:
        errors.extend(each_invalid("spec.source.persistentVolumeName", name, subdomain(name)))


def attachment(spec: Any, errors: Errors) -> None:
    if not spec.attacher:
        errors.append(required("spec.attacher"))
    attachment_source(spec.source, errors, "spec.source")
    errors.extend(each_invalid("spec.nodeName", spec.nodeName or "", subdomain(spec.nodeName or "")))


def attachment_source(source: Any, errors: Errors, path: str) -> None:
    given, name = source.inlineVolumeSpec, source.persistentVolumeName
    if given is None and name is None:
        errors.append(required(path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName"))
    elif given is not None and name is not None:
        errors.append(forbidden(path, "must specify exactly one of inlineVolumeSpec and persistentVolumeName"))
    elif given is not None:
        inline(given, errors, f"{path}.inlineVolumeSpec")
    elif not name:
        errors.append(required(f"{path}.persistentVolumeName", "must specify non empty persistentVolumeName"))


def update_attachment(new: Any, old: Any, errors: Errors) -> None:
    attachment(new.spec, errors)
    immutable(new.spec, old.spec, errors, "spec")


def update_attachment_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    size = sum(len(k.encode()) + len((v or "").encode()) for k, v in (status.attachmentMetadata or {}).items())
    if size > PARAMETERS_SIZE:
        errors.append(too_long("status.attachmentMetadata", PARAMETERS_SIZE))
    for field in ("attachError", "detachError"):
        problem = getattr(status, field)
        if problem is None:
            continue
        if len((problem.message or "").encode()) > MESSAGE_LENGTH:
            errors.append(too_long(f"status.{field}.message", MESSAGE_LENGTH))
        if problem.errorCode is not None and problem.errorCode < 0:
            text = "must be between 0 and 2147483647, inclusive"
            errors.append(invalid(f"status.{field}.errorCode", problem.errorCode, text))


def create_attributes(obj: Any, errors: Errors) -> None:
    provisioner(obj.driverName, errors, "driverName")
    parameters(obj.parameters, False, errors, "parameters")


def update_attributes(new: Any, old: Any, errors: Errors) -> None:
    if new.driverName != old.driverName:
        errors.append(forbidden("driverName", "updates to driverName are forbidden."))
    if new.parameters != old.parameters:
        errors.append(forbidden("parameters", "updates to parameters are forbidden."))
    create_attributes(new, errors)


RULES: dict[str, Rule] = {
    "CSIDriver": Rule(create=create_driver, update=update_driver),
    "CSINode": Rule(create=create_node, update=update_node),
    "CSIStorageCapacity": Rule(create=create_capacity, update=update_capacity),
    "StorageClass": Rule(create=create_class, update=update_class),
    "VolumeAttachment": Rule(
        create=create_attachment, update=update_attachment, subresources={"status": update_attachment_status}
    ),
    "VolumeAttributesClass": Rule(create=create_attributes, update=update_attributes, any_version=True),
}
