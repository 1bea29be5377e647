"""Selectors over labels and over nodes. Source: API reference v1.36, LabelSelector, NodeSelector."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label_value, qualified, subdomain
from sampan.api.validation.metadata import labels
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required

Errors = list[FieldError]

VALUES_NEEDED = "must be specified when `operator` is 'In' or 'NotIn'"
VALUES_FORBIDDEN = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
UNKNOWN_OPERATOR = "not a valid selector operator"


def label_selector(selector: Any, errors: Errors, path: str, *, any_values: bool = False) -> None:
    """`any_values` lets `matchExpressions` name values that no label can have, as some old fields do."""
    if selector is None:
        return
    if selector.matchLabels:
        labels(selector.matchLabels, errors, f"{path}.matchLabels")
    for index, requirement in enumerate(selector.matchExpressions or ()):
        label_requirement(requirement, errors, f"{path}.matchExpressions[{index}]", any_values)


def label_requirement(
    requirement: Any, errors: Errors, path: str, any_values: bool = False, *, any_operator: bool = False
) -> None:
    operator_and_values(requirement, errors, path, any_operator=any_operator)
    values = requirement.values or ()
    errors.extend(each_invalid(f"{path}.key", requirement.key or "", qualified(requirement.key or "")))
    if not any_values:
        _label_values(values, errors, path)


def operator_and_values(requirement: Any, errors: Errors, path: str, *, any_operator: bool = False) -> None:
    """`any_operator` lets pass what only newer clients know."""
    operator, values = requirement.operator or "", requirement.values or ()
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", VALUES_NEEDED))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            errors.append(forbidden(f"{path}.values", VALUES_FORBIDDEN))
    elif not any_operator:
        errors.append(invalid(f"{path}.operator", operator, UNKNOWN_OPERATOR))


def _label_values(values: Any, errors: Errors, path: str) -> None:
    for index, value in enumerate(values):
        errors.extend(each_invalid(f"{path}.values[{index}]", value, label_value(value)))


def node_selector(selector: Any, errors: Errors, path: str) -> None:
    if not selector.nodeSelectorTerms:
        errors.append(required(f"{path}.nodeSelectorTerms", "must have at least one node selector term"))
    for index, term in enumerate(selector.nodeSelectorTerms or ()):
        node_selector_term(term, errors, f"{path}.nodeSelectorTerms[{index}]")


def node_selector_term(term: Any, errors: Errors, path: str) -> None:
    for index, requirement in enumerate(term.matchExpressions or ()):
        node_requirement(requirement, errors, f"{path}.matchExpressions[{index}]")
    for index, requirement in enumerate(term.matchFields or ()):
        node_field(requirement, errors, f"{path}.matchFields[{index}]")


def node_requirement(requirement: Any, errors: Errors, path: str) -> None:
    operator, values = requirement.operator or "", requirement.values or ()
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(f"{path}.values", VALUES_NEEDED))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            errors.append(forbidden(f"{path}.values", VALUES_FORBIDDEN))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(f"{path}.values", text))
    else:
        errors.append(invalid(f"{path}.operator", operator, UNKNOWN_OPERATOR))
    errors.extend(each_invalid(f"{path}.key", requirement.key or "", qualified(requirement.key or "")))
    _label_values(values, errors, path)


def node_field(requirement: Any, errors: Errors, path: str) -> None:
    """Nodes are selected by one field alone: their name."""
    operator, values = requirement.operator or "", requirement.values or ()
    if operator in ("In", "NotIn"):
        if len(values) != 1:
            errors.append(
                required(
                    f"{path}.values",
                    "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
                )
            )
    else:
        errors.append(invalid(f"{path}.operator", operator, UNKNOWN_OPERATOR))
    if requirement.key != "metadata.name":
        errors.append(not_supported(f"{path}.key", requirement.key or "", ("metadata.name",)))
        return
    for index, value in enumerate(values):
        errors.extend(each_invalid(f"{path}.values[{index}]", value, subdomain(value)))
