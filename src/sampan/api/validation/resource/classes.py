"""Rules of DeviceClass."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.problems import invalid
from sampan.api.validation.resource.configuration import opaque, selectors
from sampan.api.validation.resource.lists import members
from sampan.api.validation.resources import is_extended

Errors = list[FieldError]

CONFIGURATIONS = 32


def create(obj: Any, errors: Errors) -> None:
    spec(obj.spec, errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    spec(new.spec, errors, stored=new.spec.config == old.spec.config)


def spec(given: Any, errors: Errors, *, stored: bool = False) -> None:
    selectors(given.selectors, errors, "spec.selectors")
    judge = lambda each, errors, path: opaque(each, errors, path, stored=stored)  # noqa: E731
    members(given.config, CONFIGURATIONS, judge, errors, "spec.config")
    name = given.extendedResourceName
    if name is not None and not is_extended(name):
        errors.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
