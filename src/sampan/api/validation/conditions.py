"""Conditions of a status (meta/v1 Condition). Source: API reference v1.36, Condition; API conventions, "Conditions"."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import qualified
from sampan.api.validation.problems import duplicate, each_invalid, invalid, not_supported, required, too_long

Errors = list[FieldError]

STATUSES = ("False", "True", "Unknown")
REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
REASON_FORM = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or "
    "'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is "
    "'[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
)
REASON_LENGTH = 1024
MESSAGE_LENGTH = 32 * 1024


def conditions(given: Any, errors: Errors, path: str) -> None:
    """Each type once, and each condition whole."""
    seen: set[str] = set()
    for index, each in enumerate(given or ()):
        here = f"{path}[{index}]"
        if each.type in seen:
            errors.append(duplicate(f"{here}.type", each.type or ""))
        seen.add(each.type)
        condition(each, errors, here)


def condition(each: Any, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(f"{path}.type", each.type or "", qualified(each.type or "")))
    if each.status not in STATUSES:
        errors.append(not_supported(f"{path}.status", each.status or "", STATUSES))
    if each.observedGeneration is not None and each.observedGeneration < 0:
        text = "must be greater than or equal to zero"
        errors.append(invalid(f"{path}.observedGeneration", each.observedGeneration, text))
    if not each.lastTransitionTime:
        errors.append(required(f"{path}.lastTransitionTime"))
    reason(each.reason or "", errors, f"{path}.reason")
    if len((each.message or "").encode()) > MESSAGE_LENGTH:
        errors.append(too_long(f"{path}.message", MESSAGE_LENGTH))


def reason(text: str, errors: Errors, path: str) -> None:
    if not text:
        errors.append(required(path))
        return
    if not REASON.fullmatch(text):
        errors.append(invalid(path, text, REASON_FORM))
    if len(text) > REASON_LENGTH:
        errors.append(too_long(path, REASON_LENGTH))


def is_true(status: Any, kind: str) -> bool:
    """Whether a status says of a type of condition that it holds."""
    return any(c.type == kind and c.status == "True" for c in (status.conditions if status is not None else None) or ())
