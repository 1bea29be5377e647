"""Rules of ResourceClaim and ResourceClaimTemplate: which devices are wanted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import invalid, not_supported, required
from sampan.api.validation.resource import names
from sampan.api.validation.resource.configuration import opaque, selectors
from sampan.api.validation.resource.lists import distinct, members
from sampan.api.validation.resource.taints import toleration

Errors = list[FieldError]

MODES = ("All", "ExactCount")
REQUESTS = CONSTRAINTS = CONFIGURATIONS = 32
ALTERNATIVES = 8
TOLERATIONS = 16
ONE_KIND = "exactly one of `exactly` or `firstAvailable` is required"
ONE_ATTRIBUTE = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"


def create_claim(obj: Any, errors: Errors) -> None:
    devices(obj.spec.devices, errors, "spec.devices")


def update_claim(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def create_template(obj: Any, errors: Errors) -> None:
    devices(obj.spec.spec.devices, errors, "spec.spec.devices")


def update_template(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def devices(given: Any, errors: Errors, path: str) -> None:
    known = request_names(given)
    distinct(given.requests, REQUESTS, request, _name, errors, f"{path}.requests")
    members(given.constraints, CONSTRAINTS, partial(constraint, known), errors, f"{path}.constraints")
    members(given.config, CONFIGURATIONS, partial(configuration, known), errors, f"{path}.config")


def request_names(given: Any) -> set[str]:
    """Of requests, and of alternatives with their requests' before them."""
    requests = given.requests or ()
    return {r.name or "" for r in requests} | {f"{r.name}/{s.name}" for r in requests for s in r.firstAvailable or ()}


def _name(each: Any) -> str:
    return each.name or ""


def request(each: Any, errors: Errors, path: str) -> None:
    names.labelled(each.name, errors, f"{path}.name")
    if each.exactly is not None and each.firstAvailable:
        errors.append(invalid(path, None, f"{ONE_KIND}, but multiple fields are set"))
    elif each.firstAvailable:
        distinct(each.firstAvailable, ALTERNATIVES, alternative, _name, errors, f"{path}.firstAvailable")
    elif each.exactly is not None:
        wanted(each.exactly, errors, f"{path}.exactly")
    else:
        errors.append(required(path, ONE_KIND))


def alternative(each: Any, errors: Errors, path: str) -> None:
    names.labelled(each.name, errors, f"{path}.name")
    wanted(each, errors, path)


def wanted(each: Any, errors: Errors, path: str) -> None:
    names.device_class(each.deviceClassName, errors, f"{path}.deviceClassName")
    selectors(each.selectors, errors, f"{path}.selectors")
    mode, count = each.allocationMode or "", each.count or 0
    if mode not in MODES:
        errors.append(not_supported(f"{path}.allocationMode", mode, MODES))
    elif mode == "ExactCount" and count <= 0:
        errors.append(invalid(f"{path}.count", count, "must be greater than zero"))
    elif mode == "All" and count:
        errors.append(invalid(f"{path}.count", count, f"must not be specified when allocationMode is '{mode}'"))
    members(each.tolerations, TOLERATIONS, toleration, errors, f"{path}.tolerations")


def constraint(known: set[str], each: Any, errors: Errors, path: str) -> None:
    references(each.requests, known, errors, f"{path}.requests")
    if each.matchAttribute is not None:
        names.fully_qualified(each.matchAttribute, errors, f"{path}.matchAttribute")
    elif each.distinctAttribute is not None:
        names.fully_qualified(each.distinctAttribute, errors, f"{path}.distinctAttribute")
    else:
        errors.append(required(path, ONE_ATTRIBUTE))


def configuration(known: set[str], each: Any, errors: Errors, path: str) -> None:
    references(each.requests, known, errors, f"{path}.requests")
    opaque(each, errors, path)


def references(given: Sequence[str] | None, known: set[str], errors: Errors, path: str) -> None:
    distinct(given, REQUESTS, partial(reference, known), str, errors, path)


def reference(known: set[str], name: str, errors: Errors, path: str) -> None:
    """To a request, or to an alternative in it."""
    parts = name.split("/")
    if len(parts) <= 2:
        for part in parts:
            names.labelled(part, errors, path)
    if name not in known:
        errors.append(invalid(path, name, REFERENCE))
