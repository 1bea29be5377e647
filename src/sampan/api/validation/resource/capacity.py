"""Capacities of devices, and how much of one a request may take (KEP-5075)."""

from __future__ import annotations

from decimal import ROUND_CEILING
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.quantity import Quantity, parse
from sampan.api.validation.problems import forbidden, invalid, required
from sampan.api.validation.resource.lists import distinct

Errors = list[FieldError]

VALID_VALUES = 10
ONE_POLICY = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'


def capacity(given: Any, shared: bool, errors: Errors, path: str) -> None:
    """`shared`: the device may be allocated several times."""
    policy, path = given.requestPolicy, f"{path}.requestPolicy"
    if policy is None:
        return
    if not shared:
        errors.append(forbidden(path, "allowMultipleAllocations must be true"))
    elif policy.validValues and policy.validRange is not None:
        errors.append(forbidden(path, ONE_POLICY))
    elif policy.validValues:
        with_default(policy, given, "validValues", errors, path)
    elif policy.validRange is not None:
        with_default(policy, given, "validRange", errors, path)


def with_default(policy: Any, given: Any, field: str, errors: Errors, path: str) -> None:
    if policy.default is None:
        errors.append(required(f"{path}.default", f"required when {field} is defined"))
        return
    judge = values if field == "validValues" else between
    judge(getattr(policy, field), parse(policy.default), parse(given.value), errors, f"{path}.{field}")


def values(given: Any, default: Quantity, most: Quantity, errors: Errors, path: str) -> None:
    """Ascending, none of them more than there is, the default among them."""
    parsed = [parse(each) for each in given]
    for index in range(1, len(parsed)):
        if parsed[index] < parsed[index - 1]:
            text = "values must be sorted in ascending order"
            errors.append(invalid(f"{path}[{index}]", str(parsed[index]), text))

    def fits(each: Quantity, errors: Errors, path: str) -> None:
        if most < each:
            errors.append(invalid(path, str(each), f"option is larger than capacity value: {most}"))

    distinct(parsed, VALID_VALUES, fits, lambda each: str(whole(each)), errors, path)
    if default not in parsed[:VALID_VALUES]:
        errors.append(invalid(path, str(default), "default value is not valid according to the requestPolicy"))


def between(given: Any, default: Quantity, most: Quantity, errors: Errors, path: str) -> None:
    """From `min`, which there must be, by steps to `max`, or to all there is."""
    if given.min is None:
        errors.append(required(f"{path}.min", "required when validRange is defined"))
        return
    low, high = parse(given.min), parse(given.max) if given.max is not None else None
    if most < low:
        errors.append(invalid(f"{path}.min", str(low), f"min is larger than capacity value: {most}"))
    if default < low:
        errors.append(invalid(f"{path}.min", str(default), f"default is less than min: {low}"))
    if high is not None:
        upper(low, high, default, most, errors, f"{path}.max")
    if given.step is not None:
        steps(low, high, parse(given.step), default, most, errors, f"{path}.step")


def upper(low: Quantity, high: Quantity, default: Quantity, most: Quantity, errors: Errors, path: str) -> None:
    if high < low:
        errors.append(invalid(path, str(low), f"min is larger than max: {high}"))
    if most < high:
        errors.append(invalid(path, str(high), f"max is larger than capacity value: {most}"))
    if high < default:
        errors.append(invalid(path, str(default), f"default is more than max: {high}"))


def steps(
    low: Quantity,
    high: Quantity | None,
    step: Quantity,
    default: Quantity,
    most: Quantity,
    errors: Errors,
    path: str,
) -> None:
    """Upstream divides by a step of nothing and crashes."""
    if whole(step) <= 0:
        errors.append(invalid(path, str(step), "must be greater than zero"))
        return
    if most < low + step:
        errors.append(invalid(path, str(step), f"one step {low + step} is larger than capacity value: {most}"))
    for each in (default, high):
        if each is not None and (whole(each) - whole(low)) % whole(step):
            text = f"value is not a multiple of a given step ({step}) from ({low})"
            errors.append(invalid(path, str(each), text))


def whole(quantity: Quantity) -> int:
    """Rounded up, as steps are counted."""
    return int(quantity.value.to_integral_value(ROUND_CEILING))
