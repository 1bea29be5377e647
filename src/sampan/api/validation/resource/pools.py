"""Rules of ResourcePoolStatusRequest: a question about pools of devices, answered once (KEP-5677)."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.conditions import conditions
from sampan.api.validation.metadata import immutable, long_name
from sampan.api.validation.problems import invalid, too_long, too_many
from sampan.api.validation.resource import names

Errors = list[FieldError]

LIMIT = 1000
TOLD = 10
TOLD_LENGTH = 256
COUNTS = ("totalDevices", "allocatedDevices", "availableDevices", "unavailableDevices")
NOT_NEGATIVE = "must be greater than or equal to 0"


def create(obj: Any, errors: Errors) -> None:
    spec = obj.spec
    names.driver(spec.driver, errors, "spec.driver", form=long_name)
    if spec.poolName is not None:
        names.pool(spec.poolName, errors, "spec.poolName")
    if spec.limit is not None and spec.limit < 1:
        errors.append(invalid("spec.limit", spec.limit, "must be greater than or equal to 1"))
    if spec.limit is not None and spec.limit > LIMIT:
        errors.append(invalid("spec.limit", spec.limit, f"must be less than or equal to {LIMIT}"))


def update(new: Any, old: Any, errors: Errors) -> None:
    immutable(new.spec, old.spec, errors, "spec")


def update_status(new: Any, old: Any, errors: Errors) -> None:
    status = new.status
    if old.status is not None:
        immutable(status, old.status, errors, "status")
        return
    if status is None:
        return
    for index, pool in enumerate(status.pools or ()):
        pool_status(pool, errors, f"status.pools[{index}]")
    told = getattr(status, "validationErrors", None) or ()
    if len(told) > TOLD:
        errors.append(too_many("status.validationErrors", len(told), TOLD))
    for index, text in enumerate(told):
        if len(text) > TOLD_LENGTH:
            errors.append(too_long(f"status.validationErrors[{index}]", TOLD_LENGTH))
    conditions(status.conditions, errors, "status.conditions")


def pool_status(pool: Any, errors: Errors, path: str) -> None:
    names.driver(pool.driver, errors, f"{path}.driver", form=long_name)
    names.pool(pool.poolName, errors, f"{path}.poolName")
    for field in (*COUNTS, "generation"):
        value = getattr(pool, field, None)
        if value is not None and value < 0:
            errors.append(invalid(f"{path}.{field}", value, NOT_NEGATIVE))
