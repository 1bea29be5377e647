"""Taints of devices, tolerations of them, and rules of DeviceTaintRule (KEP-5055)."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label_value, qualified
from sampan.api.validation.conditions import conditions
from sampan.api.validation.problems import each_invalid, invalid, not_supported, required, too_many
from sampan.api.validation.resource import names

Errors = list[FieldError]

EFFECTS = ("NoExecute", "NoSchedule", "None")
OPERATORS = ("Equal", "Exists")
CONDITIONS = 8


def taint(each: Any, errors: Errors, path: str, *, before: str | None = None) -> None:
    """`before`: an effect that it had already, which is good whatever it is."""
    errors.extend(each_invalid(f"{path}.key", each.key or "", qualified(each.key or "")))
    errors.extend(each_invalid(f"{path}.value", each.value or "", label_value(each.value or "")))
    if not each.effect:
        errors.append(required(f"{path}.effect"))
    elif each.effect not in EFFECTS and each.effect != before:
        errors.append(not_supported(f"{path}.effect", each.effect, EFFECTS))


def toleration(each: Any, errors: Errors, path: str) -> None:
    if each.key:
        errors.extend(each_invalid(f"{path}.key", each.key, qualified(each.key)))
    operator, value = each.operator, each.value or ""
    if not operator:
        errors.append(required(f"{path}.operator"))
    elif operator == "Equal":
        errors.extend(each_invalid(f"{path}.value", value, label_value(value)))
    elif operator != "Exists":
        errors.append(not_supported(f"{path}.operator", operator, OPERATORS))
    elif value:
        errors.append(invalid(f"{path}.value", value, "must be empty for operator `Exists`"))
    if each.effect and each.effect not in EFFECTS:
        errors.append(not_supported(f"{path}.effect", each.effect, EFFECTS))


def create_rule(obj: Any, errors: Errors) -> None:
    selection(obj.spec.deviceSelector, errors, "spec.deviceSelector")
    taint(obj.spec.taint, errors, "spec.taint")


def update_rule(new: Any, old: Any, errors: Errors) -> None:
    selection(new.spec.deviceSelector, errors, "spec.deviceSelector")
    taint(new.spec.taint, errors, "spec.taint", before=old.spec.taint.effect)


def selection(given: Any, errors: Errors, path: str) -> None:
    """Which devices a taint is on."""
    if given is None:
        return
    if given.driver is not None:
        names.driver(given.driver, errors, f"{path}.driver")
    if given.pool is not None:
        names.pool(given.pool, errors, f"{path}.pool")
    if given.device is not None:
        names.labelled(given.device, errors, f"{path}.device")


def update_rule_status(new: Any, old: Any, errors: Errors) -> None:
    given = (new.status.conditions if new.status is not None else None) or ()
    conditions(given, errors, "status.conditions")
    if len(given) > CONDITIONS:
        errors.append(too_many("status.conditions", len(given), CONDITIONS))
