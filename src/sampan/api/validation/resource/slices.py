"""Rules of ResourceSlice: the devices of a pool that a driver tells of."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import invalid
from sampan.api.validation.resource import names, placement
from sampan.api.validation.resource.devices import counter_set, device
from sampan.api.validation.resource.lists import distinct

Errors = list[FieldError]

DEVICES = 128
LARGE_DEVICES = 64
"""Where one has taints or takes of counters."""
COUNTER_SETS = 8


def create(obj: Any, errors: Errors) -> None:
    source(obj.spec, errors)
    contents(obj.spec, {}, errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    source(new.spec, errors)
    immutable(new.spec.pool.name, old.spec.pool.name, errors, "spec.pool.name")
    for field in ("driver", "nodeName"):
        immutable(getattr(new.spec, field), getattr(old.spec, field), errors, f"spec.{field}")
    contents(new.spec, {each.name: each for each in old.spec.devices or ()}, errors)


def source(spec: Any, errors: Errors) -> None:
    names.driver(spec.driver, errors, "spec.driver")
    pool = spec.pool
    names.pool(pool.name if pool is not None else None, errors, "spec.pool.name")
    count = (pool.resourceSliceCount if pool is not None else None) or 0
    if count <= 0:
        errors.append(invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    generation = (pool.generation if pool is not None else None) or 0
    if generation < 0:
        errors.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))


def contents(spec: Any, before: dict[str, Any], errors: Errors) -> None:
    """`before`: the devices that the slice had, by name."""
    placement.of_all(spec, errors, "spec")
    if spec.sharedCounters is not None and spec.devices is not None:
        errors.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    large = any(each.taints or each.consumesCounters for each in spec.devices or ())

    def judge(each: Any, errors: Errors, path: str) -> None:
        device(each, before.get(each.name), bool(spec.perDeviceNodeSelection), errors, path)

    distinct(spec.devices, LARGE_DEVICES if large else DEVICES, judge, _name, errors, "spec.devices")
    distinct(spec.sharedCounters, COUNTER_SETS, counter_set, _name, errors, "spec.sharedCounters")


def _name(each: Any) -> str:
    return each.name or ""
