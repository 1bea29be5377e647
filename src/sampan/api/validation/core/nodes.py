"""Rules for nodes. Source: API reference v1.36, Node, Taint."""

from __future__ import annotations

from typing import Any

from sampan.api.names import label_value, qualified
from sampan.api.validation.core.context import Errors
from sampan.api.validation.core.scheduling import TAINT_EFFECTS
from sampan.api.validation.network import cidr, parse_network
from sampan.api.validation.problems import (
    Shown,
    duplicate,
    each_invalid,
    forbidden,
    invalid,
    not_supported,
    required,
)
from sampan.api.validation.resources import quantity, resource_name

TAINTS = "metadata.taints"  # where upstream tells of them, although they are part of the spec
ONE_PER_FAMILY = "may specify no more than one CIDR for each IP family"


def create(node: Any, errors: Errors) -> None:
    if node.spec.taints:
        taints(node.spec.taints, errors, TAINTS)
    resources(node.status, errors)
    pod_networks(node.spec.podCIDRs or [], errors)


def resources(status: Any, errors: Errors) -> None:
    for field in ("capacity", "allocatable"):
        amounts = (getattr(status, field) if status is not None else None) or {}
        for name, amount in amounts.items():
            path = f"status.{field}[{name}]"
            resource_name(name, errors, path)
            quantity(name, amount, errors, path)


def pod_networks(given: list[str], errors: Errors) -> None:
    for index, text in enumerate(given):
        cidr(text, errors, f"spec.podCIDRs[{index}]")
    families = [parse_network(text).version for text in given if parse_network(text)]
    if len(given) > 1 and len(families) != len(set(families)):
        errors.append(invalid("spec.podCIDRs", given, ONE_PER_FAMILY))


def taints(given: Any, errors: Errors, path: str) -> None:
    seen: set[tuple[str, str]] = set()
    for index, taint in enumerate(given):
        here = f"{path}[{index}]"
        key, value, effect = taint.key or "", taint.value or "", taint.effect or ""
        errors.extend(each_invalid(f"{here}.key", key, qualified(key)))
        if wrong := label_value(value):
            errors.append(invalid(f"{here}.value", value, ";".join(wrong)))
        if not effect:
            errors.append(required(f"{here}.effect"))
        elif effect not in TAINT_EFFECTS:
            errors.append(not_supported(f"{here}.effect", effect, TAINT_EFFECTS))
        if (effect, key) in seen:
            shown = f'{{"Key":"{key}","Value":"{value}","Effect":"{effect}","TimeAdded":null}}'
            errors.append(duplicate(here, Shown(shown)))
        seen.add((effect, key))


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)
    before, now = old.spec.podCIDRs or [], new.spec.podCIDRs or []
    if before and now != before:
        errors.append(forbidden("spec.podCIDRs", 'node updates may not change podCIDR except from "" to valid'))
    if old.spec.providerID and new.spec.providerID != old.spec.providerID:
        text = 'node updates may not change providerID except from "" to valid'
        errors.append(forbidden("spec.providerID", text))
    if new.spec.taints:
        taints(new.spec.taints, errors, TAINTS)


def update_status(new: Any, old: Any, errors: Errors) -> None:
    addresses = (new.status.addresses if new.status is not None else None) or ()
    seen: set[tuple[Any, Any]] = set()
    for index, address in enumerate(addresses):
        key = (address.type, address.address)
        if key in seen:
            errors.append(duplicate(f"status.addresses[{index}]", Shown(f'{{"Type":"{key[0]}","Address":"{key[1]}"}}')))
        seen.add(key)
    update(new, old, errors)
