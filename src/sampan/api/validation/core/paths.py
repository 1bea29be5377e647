"""Rules for paths inside volumes and containers."""

from __future__ import annotations

from sampan.api.validation.core.context import Errors
from sampan.api.validation.problems import invalid


def local_descending(path_text: str, errors: Errors, path: str) -> None:
    """A relative path that never climbs."""
    if path_text.startswith("/"):
        errors.append(invalid(path, path_text, "must be a relative path"))
    no_backsteps(path_text, errors, path)


def no_backsteps(path_text: str, errors: Errors, path: str) -> None:
    if ".." in path_text.replace("\\", "/").split("/"):
        errors.append(invalid(path, path_text, "must not contain '..'"))


def local_non_reserved(path_text: str, errors: Errors, path: str) -> None:
    """As `local_descending`, and not one of the names that atomic volume updates use."""
    local_descending(path_text, errors, path)
    if path_text.startswith("..") and not path_text.startswith("../"):
        errors.append(invalid(path, path_text, "must not start with '..'"))
