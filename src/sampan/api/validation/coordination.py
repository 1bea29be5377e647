"""Rules of the coordination.k8s.io group. Source: API reference v1.36; KEP-4355 (lease candidates)."""

from __future__ import annotations

import re
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import config_key, qualified
from sampan.api.validation.metadata import immutable
from sampan.api.validation.numbers import not_negative
from sampan.api.validation.problems import each_invalid, forbidden, invalid, not_supported, required
from sampan.api.validation.rule import Rule

GROUP = "coordination.k8s.io"
Errors = list[FieldError]

STRATEGY = "OldestEmulationVersion"
VERSION = re.compile(r"v?(0|[1-9]\d*)\.(0|[1-9]\d*)(\.(0|[1-9]\d*))?(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def create_lease(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    if spec.leaseDurationSeconds is not None and spec.leaseDurationSeconds <= 0:
        errors.append(invalid("spec.leaseDurationSeconds", spec.leaseDurationSeconds, "must be greater than 0"))
    not_negative(spec.leaseTransitions, errors, "spec.leaseTransitions")
    if spec.strategy is not None:
        strategy(spec.strategy, errors, "spec.strategy")
    if spec.preferredHolder and not spec.strategy:
        errors.append(forbidden("spec.preferredHolder", "may only be specified if `strategy` is defined"))


def strategy(name: str, errors: Errors, path: str) -> None:
    """A strategy of Kubernetes' own, or one with a prefix."""
    if "/" in name:
        errors.extend(each_invalid(path, name, qualified(name)))
    elif name != STRATEGY:
        errors.append(not_supported(path, name, (STRATEGY,)))


def update_lease(new: Any, old: Any, errors: Errors) -> None:
    create_lease(new, errors)


def older(version: str | None, than: str | None) -> bool:
    """Whether one release is before another; a version that is none is before nothing."""
    found = [VERSION.fullmatch(text or "") for text in (version, than)]
    if not all(found):
        return False
    mine, other = ([int(part or 0) for part in match.group(1, 2, 4)] for match in found if match)
    return mine < other


def create_candidate(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    if not spec.leaseName:
        errors.append(required("spec.leaseName"))
    if not spec.binaryVersion:
        errors.append(required("spec.binaryVersion"))
    elif not VERSION.fullmatch(spec.binaryVersion):
        errors.append(invalid("spec.binaryVersion", spec.binaryVersion, "must be a valid semantic version"))
    if spec.emulationVersion and not VERSION.fullmatch(spec.emulationVersion):
        errors.append(invalid("spec.emulationVersion", spec.emulationVersion, "must be a valid semantic version"))
    if older(spec.binaryVersion, spec.emulationVersion):
        text = "must be greater than or equal to `emulationVersion`"
        errors.append(invalid("spec.binaryVersion", spec.binaryVersion, text))
    if not spec.strategy:
        errors.append(required("spec.strategy"))
    else:
        strategy(spec.strategy, errors, "spec.strategy")
        if spec.strategy == STRATEGY and not spec.emulationVersion:
            text = f"must be specified when `strategy` is '{STRATEGY}'"
            errors.append(required("spec.emulationVersion", text))


def update_candidate(new: Any, old: Any, errors: Errors) -> None:
    create_candidate(new, errors)
    immutable(new.spec.leaseName, old.spec.leaseName, errors, "spec.leaseName")


RULES: dict[str, Rule] = {
    "Lease": Rule(create=create_lease, update=update_lease),
    "LeaseCandidate": Rule(name=config_key, create=create_candidate, update=update_candidate, any_version=True),
}
