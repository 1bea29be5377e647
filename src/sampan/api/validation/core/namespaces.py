"""Rules for namespaces. Source: API reference v1.36, Namespace."""

from __future__ import annotations

from typing import Any

from sampan.api.names import qualified
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import STANDARD_FINALIZERS
from sampan.api.validation.problems import each_invalid, invalid

PHASES = ("Active", "Terminating")


def create(obj: Any, errors: Errors) -> None:
    for name in obj.spec.finalizers or ():
        finalizer(name, errors, "spec.finalizers")


def finalizer(name: str, errors: Errors, path: str) -> None:
    errors.extend(each_invalid(path, name, qualified(name)))
    if "/" not in name and name not in STANDARD_FINALIZERS:
        errors.append(invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"))


def finalize(new: Any, old: Any, errors: Errors) -> None:
    for index, name in enumerate(new.spec.finalizers or ()):
        finalizer(name, errors, f"spec.finalizers[{index}]")


def update_status(new: Any, old: Any, errors: Errors) -> None:
    """A namespace is terminating exactly when it is being deleted."""
    phase = new.status.phase if new.status is not None else None
    if new.metadata.deletionTimestamp is None:
        if phase != "Active":
            errors.append(invalid("status.Phase", phase or "", "may only be 'Active' if `deletionTimestamp` is empty"))
    elif phase != "Terminating":
        text = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        errors.append(invalid("status.Phase", phase or "", text))
