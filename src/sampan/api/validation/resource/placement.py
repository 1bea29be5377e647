"""Where devices are: exactly one answer, for a slice's devices together or for each of them."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import subdomain
from sampan.api.validation.problems import each_invalid, invalid, required
from sampan.api.validation.selectors import node_selector

Errors = list[FieldError]

FLAGS = ("allNodes", "perDeviceNodeSelection")
ONE_FOR_ALL = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
ONE_FOR_EACH = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
NOT_FOR_EACH = (
    "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in the "
    "ResourceSlice spec"
)


def of_all(spec: Any, errors: Errors, path: str) -> None:
    given = answers(spec, errors, path, empty="must be either unset or set to a non-empty string")
    if spec.nodeSelector is not None and len(spec.nodeSelector.nodeSelectorTerms or ()) != 1:
        terms = spec.nodeSelector.nodeSelectorTerms
        errors.append(
            invalid(f"{path}.nodeSelector.nodeSelectorTerms", terms, "must have exactly one node selector term")
        )
    if not given:
        errors.append(required(path, ONE_FOR_ALL))
    elif len(given) > 1:
        errors.append(invalid(path, shown(given), f"{ONE_FOR_ALL}, but multiple fields are set"))


def of_each(device: Any, chosen: bool, errors: Errors, path: str) -> None:
    """`chosen`: the slice leaves it to each device."""
    if chosen:
        given = answers(device, errors, path, empty="must not be empty")
        if not given:
            errors.append(required(path, ONE_FOR_EACH))
        elif len(given) > 1:
            errors.append(invalid(path, shown(given), ONE_FOR_EACH))
    elif any(each is not None for each in (device.nodeName, device.nodeSelector, device.allNodes)):
        errors.append(invalid(path, None, NOT_FOR_EACH))


def answers(of: Any, errors: Errors, path: str, *, empty: str) -> list[str]:
    """The fields that say where, judged one by one."""
    given = []
    if of.nodeName:
        given.append("nodeName")
        errors.extend(each_invalid(f"{path}.nodeName", of.nodeName, subdomain(of.nodeName)))
    elif of.nodeName is not None:
        errors.append(invalid(f"{path}.nodeName", of.nodeName, empty))
    if of.nodeSelector is not None:
        given.append("nodeSelector")
        node_selector(of.nodeSelector, errors, f"{path}.nodeSelector")
    for field in FLAGS:
        value = getattr(of, field, None)
        if value:
            given.append(field)
        elif value is not None:
            errors.append(invalid(f"{path}.{field}", value, "must be either unset or set to true"))
    return given


def shown(given: list[str]) -> str:
    return "{" + ", ".join(f"`{field}`" for field in given) + "}"
