"""Rules of the resource.k8s.io group: dynamic resource allocation (KEP-4381), in version 1.

Source: API reference v1.36.
"""

from __future__ import annotations

import re
from typing import Any

from sampan.api import cel
from sampan.api.errors import FieldError
from sampan.api.names import label, label_value, qualified, subdomain
from sampan.api.quantity import parse
from sampan.api.validation import resourcepools
from sampan.api.validation.conditions import conditions
from sampan.api.validation.core.scheduling import TAINT_EFFECTS
from sampan.api.validation.expressions import DEVICE
from sampan.api.validation.metadata import immutable, long_name
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from sampan.api.validation.rule import Rule
from sampan.api.validation.selectors import node_selector

GROUP = "resource.k8s.io"
Errors = list[FieldError]

MODES = ("All", "ExactCount")
SELECTORS = 32
REQUESTS = 32
CONSTRAINTS = 32
ALTERNATIVES = 8
TOLERATIONS = 16
DEVICES = 128
RULE_CONDITIONS = 8
CONSUMERS = 256
ATTRIBUTES = 32
VALUE_LENGTH = 64
DRIVER_LENGTH = 63
EXPRESSION_LENGTH = 10 * 1024
NODE_FIELDS = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
ONE_REQUEST = "exactly one of `exactly` or `firstAvailable` is required"
IDENTIFIER_LENGTH = 32
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
IDENTIFIER_FORM = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)
SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")
VALUES = ("int", "bool", "string", "version")


def create_class(obj: Any, errors: Errors) -> None:
    selectors(obj.spec.selectors or (), errors, "spec.selectors")
    for index, each in enumerate(obj.spec.config or ()):
        opaque(each.opaque, errors, f"spec.config[{index}]")
    name = obj.spec.extendedResourceName
    if name is not None and qualified(name):
        errors.extend(each_invalid("spec.extendedResourceName", name, qualified(name)))


def update_class(new: Any, old: Any, errors: Errors) -> None:
    create_class(new, errors)


def create_claim(obj: Any, errors: Errors) -> None:
    claim_spec(obj.spec, errors, "spec")


def update_claim(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def create_template(obj: Any, errors: Errors) -> None:
    claim_spec(obj.spec.spec, errors, "spec.spec")


def update_template(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def claim_spec(spec: Any, errors: Errors, path: str) -> None:
    devices = spec.devices
    given = devices.requests or ()
    if len(given) > REQUESTS:
        errors.append(too_many(f"{path}.devices.requests", len(given), REQUESTS))
    names: set[str] = set()
    for index, each in enumerate(given):
        here, name = f"{path}.devices.requests[{index}]", each.name or ""
        if name in names:
            errors.append(duplicate(here, name))
        names.add(name)
        request(each, errors, here)
    known = names | {f"{r.name}/{s.name}" for r in given for s in r.firstAvailable or ()}
    for index, each in enumerate(devices.constraints or ()):
        constraint(each, known, errors, f"{path}.devices.constraints[{index}]")
    for index, each in enumerate(devices.config or ()):
        here = f"{path}.devices.config[{index}]"
        references(each.requests or (), known, errors, f"{here}.requests")
        opaque(each.opaque, errors, here)


def request(each: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.name", each.name or "", label(each.name or "")))
    given = (each.exactly is not None) + bool(each.firstAvailable)
    if given == 0:
        errors.append(required(path, ONE_REQUEST))
    elif given == 2:
        errors.append(
            invalid(path, None, "exactly one of `exactly` or `firstAvailable` is required, but multiple fields are set")
        )
    if each.exactly is not None:
        device_request(each.exactly, errors, f"{path}.exactly")
    alternatives = each.firstAvailable or ()
    if len(alternatives) > ALTERNATIVES:
        errors.append(too_many(f"{path}.firstAvailable", len(alternatives), ALTERNATIVES))
    names: set[str] = set()
    for index, sub in enumerate(alternatives):
        here, name = f"{path}.firstAvailable[{index}]", sub.name or ""
        errors.extend(each_invalid(f"{here}.name", name, label(name)))
        if name in names:
            errors.append(duplicate(here, name))
        names.add(name)
        device_request(sub, errors, here)


def device_request(each: Any, errors: Errors, path: str) -> None:
    name = each.deviceClassName or ""
    if not name:
        errors.append(required(f"{path}.deviceClassName"))
    else:
        errors.extend(each_invalid(f"{path}.deviceClassName", name, subdomain(name)))
    selectors(each.selectors or (), errors, f"{path}.selectors")
    mode, count = each.allocationMode or "", each.count or 0
    if mode == "All":
        if count:
            text = f"must not be specified when allocationMode is '{mode}'"
            errors.append(invalid(f"{path}.count", count, text))
    elif mode == "ExactCount":
        if count <= 0:
            errors.append(invalid(f"{path}.count", count, "must be greater than zero"))
    else:
        errors.append(not_supported(f"{path}.allocationMode", mode, MODES))
    if len(each.tolerations or ()) > TOLERATIONS:
        errors.append(too_many(f"{path}.tolerations", len(each.tolerations), TOLERATIONS))
    for index, toleration in enumerate(each.tolerations or ()):
        device_toleration(toleration, errors, f"{path}.tolerations[{index}]")


def device_toleration(each: Any, errors: Errors, path: str) -> None:
    if each.key:
        errors.extend(each_invalid(f"{path}.key", each.key, qualified(each.key)))
    if each.operator == "Exists":
        if each.value:
            errors.append(invalid(f"{path}.value", each.value, "must be empty for operator `Exists`"))
    elif each.operator != "Equal":
        errors.append(not_supported(f"{path}.operator", each.operator or "", ("Equal", "Exists")))
    if each.effect and each.effect not in (*TAINT_EFFECTS, "None"):
        errors.append(not_supported(f"{path}.effect", each.effect, ("NoExecute", "NoSchedule")))


def selectors(given: Any, errors: Errors, path: str) -> None:
    if len(given) > SELECTORS:
        errors.append(too_many(path, len(given), SELECTORS))
    for index, selector in enumerate(given):
        here = f"{path}[{index}].cel"
        if selector.cel is None:
            errors.append(required(here))
            continue
        text = selector.cel.expression or ""
        if len(text) > EXPRESSION_LENGTH:
            errors.append(too_long(f"{here}.expression", EXPRESSION_LENGTH))
        elif wrong := cel.check(text, DEVICE):
            errors.append(invalid(f"{here}.expression", text, f"compilation failed: {wrong}"))


def constraint(each: Any, known: set[str], errors: Errors, path: str) -> None:
    references(each.requests or (), known, errors, f"{path}.requests")
    if each.matchAttribute is not None:
        qualified_attribute(each.matchAttribute, errors, f"{path}.matchAttribute")
    elif each.distinctAttribute is not None:
        qualified_attribute(each.distinctAttribute, errors, f"{path}.distinctAttribute")
    else:
        errors.append(required(f"{path}.matchAttribute"))


def references(given: Any, known: set[str], errors: Errors, path: str) -> None:
    for index, name in enumerate(given):
        if name not in known:
            text = (
                "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
            )
            errors.append(invalid(f"{path}[{index}]", name, text))


def qualified_attribute(name: str, errors: Errors, path: str) -> None:
    """A name with its domain."""
    domain, slash, rest = name.partition("/")
    if not slash:
        errors.append(invalid(path, name, "must include a domain"))
    elif not domain:
        errors.append(required(f"{path}", "the domain must not be empty"))
    elif not rest:
        errors.append(required(f"{path}", "the name must not be empty"))


def attribute_name(name: str, errors: Errors, path: str) -> None:
    """An identifier, with a domain or of the driver's own."""
    domain, slash, rest = name.rpartition("/")
    if slash:
        qualified_attribute(name, errors, path)
        if domain:
            driver_name(domain, errors, path)
    if rest and len(rest) > IDENTIFIER_LENGTH:
        errors.append(too_long(path, IDENTIFIER_LENGTH))
    if (rest or not slash) and not IDENTIFIER.fullmatch(rest):
        errors.append(invalid(path, rest, IDENTIFIER_FORM))


def opaque(given: Any, errors: Errors, path: str) -> None:
    if given is None:
        errors.append(required(f"{path}.opaque"))
        return
    driver_name(given.driver, errors, f"{path}.opaque.driver")
    if given.parameters is None:
        errors.append(required(f"{path}.opaque.parameters"))
    elif not isinstance(given.parameters, dict):
        errors.append(invalid(f"{path}.opaque.parameters", "<value omitted>", "must be a valid JSON object"))


def driver_name(name: str | None, errors: Errors, path: str) -> None:
    if not name:
        errors.append(required(path))
        return
    if len(name) > DRIVER_LENGTH:
        errors.append(too_long(path, DRIVER_LENGTH))
    errors.extend(each_invalid(path, name, subdomain(name)))


def update_claim_status(new: Any, old: Any, errors: Errors) -> None:
    """Who reserved a claim is told once each; an allocation stays while anyone does."""
    status, before = new.status, old.status
    if status is None:
        return
    if len(status.reservedFor or ()) > CONSUMERS:
        errors.append(too_many("status.reservedFor", len(status.reservedFor), CONSUMERS))
    seen: set[str] = set()
    for index, consumer in enumerate(status.reservedFor or ()):
        path = f"status.reservedFor[{index}]"
        for field in ("resource", "name", "uid"):
            if not getattr(consumer, field):
                errors.append(required(f"{path}.{field}"))
        if consumer.uid in seen:
            errors.append(duplicate(f"{path}.uid", consumer.uid))
        seen.add(consumer.uid or "")
    if status.reservedFor and status.allocation is None:
        errors.append(forbidden("status.reservedFor", "may not be specified when `allocated` is not set"))
    if before is not None and before.allocation is not None and status.allocation is not None:
        immutable(status.allocation, before.allocation, errors, "status.allocation")
    results = status.allocation.devices.results if status.allocation and status.allocation.devices else None
    known = {(r.driver, r.pool, r.device) for r in results or ()}
    for index, reported in enumerate(status.devices or ()):
        device_status(reported, known, errors, f"status.devices[{index}]")


def device_status(reported: Any, known: set[tuple[str, str, str]], errors: Errors, path: str) -> None:
    """What a driver says of a device that the claim has."""
    driver_name(reported.driver, errors, f"{path}.driver")
    resourcepools.pool_name(reported.pool or "", errors, f"{path}.pool")
    errors.extend(each_invalid(f"{path}.device", reported.device or "", label(reported.device or "")))
    key = (reported.driver, reported.pool, reported.device)
    if key not in known:
        shown = "/".join(part or "" for part in key)
        errors.append(invalid(path, shown, "must be an allocated device in the claim"))
    if len(reported.conditions or ()) > RULE_CONDITIONS:
        errors.append(too_many(f"{path}.conditions", len(reported.conditions), RULE_CONDITIONS))
    conditions(reported.conditions, errors, f"{path}.conditions")


def create_slice(obj: Any, errors: Errors) -> None:
    source(obj.spec, errors)
    contents(obj.spec, errors)


def source(spec: Any, errors: Errors) -> None:
    driver_name(spec.driver, errors, "spec.driver")
    pool(spec.pool, errors, "spec.pool")


def contents(spec: Any, errors: Errors) -> None:
    places(spec, errors)
    devices = spec.devices or ()
    if len(devices) > DEVICES:
        errors.append(too_many("spec.devices", len(devices), DEVICES))
    names: set[str] = set()
    for index, each in enumerate(devices):
        path, name = f"spec.devices[{index}]", each.name or ""
        if name in names:
            errors.append(duplicate(path, name))
        names.add(name)
        device(each, errors, path)


def pool(given: Any, errors: Errors, path: str) -> None:
    name = (given.name if given is not None else None) or ""
    if not name:
        errors.append(required(f"{path}.name"))
    else:
        for part in name.split("/"):
            errors.extend(each_invalid(f"{path}.name", part, subdomain(part)))
    count = (given.resourceSliceCount if given is not None else None) or 0
    if count <= 0:
        errors.append(invalid(f"{path}.resourceSliceCount", count, "must be greater than zero"))
    generation = (given.generation if given is not None else None) or 0
    if generation < 0:
        errors.append(invalid(f"{path}.generation", generation, "must be greater than or equal to zero"))


def places(spec: Any, errors: Errors) -> None:
    """Where its devices are: one answer."""
    given = 0
    if spec.nodeName is not None:
        if not spec.nodeName:
            errors.append(invalid("spec.nodeName", "", "must be either unset or set to a non-empty string"))
        else:
            given += 1
            errors.extend(each_invalid("spec.nodeName", spec.nodeName, subdomain(spec.nodeName)))
    if spec.nodeSelector is not None:
        given += 1
        node_selector(spec.nodeSelector, errors, "spec.nodeSelector")
        if len(spec.nodeSelector.nodeSelectorTerms or ()) != 1:
            text = "must have exactly one node selector term"
            errors.append(invalid("spec.nodeSelector.nodeSelectorTerms", spec.nodeSelector.nodeSelectorTerms, text))
    for field in ("allNodes", "perDeviceNodeSelection"):
        value = getattr(spec, field)
        if value is False:
            errors.append(invalid(f"spec.{field}", value, "must be either unset or set to true"))
        given += bool(value)
    if given == 0:
        errors.append(required("spec", ONE_PLACE))
    elif given > 1:
        errors.append(invalid("spec", None, f"{ONE_PLACE}, but multiple fields are set"))


def device(each: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.name", each.name or "", label(each.name or "")))
    count = len(each.attributes or ()) + len(each.capacity or ())
    for name, attribute in (each.attributes or {}).items():
        attribute_name(name, errors, f"{path}.attributes[{name}]")
        attribute_value(attribute, errors, f"{path}.attributes[{name}]")
    if count > ATTRIBUTES:
        text = f"the total number of attributes and capacities must not exceed {ATTRIBUTES}"
        errors.append(invalid(path, count, text))
    for name, capacity in (each.capacity or {}).items():
        attribute_name(name, errors, f"{path}.capacity[{name}]")
        if capacity.value is not None and parse(capacity.value).value < 0:
            text = "must be greater than or equal to zero"
            errors.append(invalid(f"{path}.capacity[{name}].value", capacity.value, text))
    for index, taint in enumerate(each.taints or ()):
        device_taint(taint, errors, f"{path}.taints[{index}]")


def attribute_value(attribute: Any, errors: Errors, path: str) -> None:
    given = [f for f in VALUES if getattr(attribute, f) is not None]
    if attribute.string is not None and len(attribute.string) > VALUE_LENGTH:
        errors.append(too_long(f"{path}.string", VALUE_LENGTH))
    if attribute.version is not None:
        if len(attribute.version) > VALUE_LENGTH:
            errors.append(too_long(f"{path}.version", VALUE_LENGTH))
        if not SEMVER.fullmatch(attribute.version):
            text = "must be a string compatible with semver.org spec 2.0.0"
            errors.append(invalid(f"{path}.version", attribute.version, text))
    if not given:
        errors.append(invalid(path, "", "exactly one value must be specified"))
    elif len(given) > 1:
        errors.append(invalid(path, attribute, "exactly one value must be specified"))


def device_taint(taint: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.key", taint.key or "", qualified(taint.key or "")))
    errors.extend(each_invalid(f"{path}.value", taint.value or "", label_value(taint.value or "")))
    if not taint.effect:
        errors.append(required(f"{path}.effect"))
    elif taint.effect not in (*TAINT_EFFECTS, "None"):
        errors.append(not_supported(f"{path}.effect", taint.effect, ("NoExecute", "NoSchedule", "None")))


def update_slice(new: Any, old: Any, errors: Errors) -> None:
    source(new.spec, errors)
    immutable(new.spec.pool.name, old.spec.pool.name, errors, "spec.pool.name")
    for field in ("driver", "nodeName"):
        immutable(getattr(new.spec, field), getattr(old.spec, field), errors, f"spec.{field}")
    contents(new.spec, errors)


def create_taint_rule(obj: Any, errors: Errors) -> None:
    if obj.spec.deviceSelector is not None:
        tainted(obj.spec.deviceSelector, errors, "spec.deviceSelector")
    device_taint(obj.spec.taint, errors, "spec.taint")


def tainted(given: Any, errors: Errors, path: str) -> None:
    """Which devices a taint is on."""
    if given.driver is not None:
        driver_name(given.driver, errors, f"{path}.driver")
    if given.pool is not None:
        resourcepools.pool_name(given.pool, errors, f"{path}.pool")
    if given.device is not None:
        errors.extend(each_invalid(f"{path}.device", given.device, label(given.device)))


def update_taint_rule(new: Any, old: Any, errors: Errors) -> None:
    create_taint_rule(new, errors)


def update_taint_rule_status(new: Any, old: Any, errors: Errors) -> None:
    given = (new.status.conditions if new.status is not None else None) or ()
    conditions(given, errors, "status.conditions")
    if len(given) > RULE_CONDITIONS:
        errors.append(too_many("status.conditions", len(given), RULE_CONDITIONS))


RULES: dict[str, Rule] = {
    **resourcepools.RULES,
    "DeviceClass": Rule(name=long_name, create=create_class, update=update_class),
    "DeviceTaintRule": Rule(
        create=create_taint_rule,
        update=update_taint_rule,
        subresources={"status": update_taint_rule_status},
        any_version=True,
    ),
    "ResourceClaim": Rule(create=create_claim, update=update_claim, subresources={"status": update_claim_status}),
    "ResourceClaimTemplate": Rule(create=create_template, update=update_template),
    "ResourceSlice": Rule(create=create_slice, update=update_slice),
}
