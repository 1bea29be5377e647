"""Rules of a device in a ResourceSlice: what it is, what it has, what it takes of shared counters."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.problems import invalid, required, too_long
from sampan.api.validation.resource import names, placement
from sampan.api.validation.resource.binding import binding
from sampan.api.validation.resource.capacity import capacity
from sampan.api.validation.resource.lists import distinct, entries, members
from sampan.api.validation.resource.taints import taint

Errors = list[FieldError]

ATTRIBUTES = 32
"""And capacities."""
UNBOUNDED = 1 << 20
TAINTS = 16
CONSUMPTIONS = 2
COUNTERS = 32
COUNTER_LENGTH = 63
VALUE_LENGTH = 64
VALUES = ("bool", "int", "string", "version")
_NUMBER, _EARLIER, _BUILD = r"(0|[1-9][0-9]*)", r"(0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)", r"[0-9a-zA-Z-]+"
SEMVER = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-{_EARLIER}(\.{_EARLIER})*)?(\+{_BUILD}(\.{_BUILD})*)?")
"""https://semver.org, version 2.0.0."""


def device(each: Any, old: Any, chosen: bool, errors: Errors, path: str) -> None:
    """`old`: the device of that name before, if any; `chosen`: each device says where it is."""
    names.labelled(each.name, errors, f"{path}.name")
    count = len(each.attributes or ()) + len(each.capacity or ())
    if count > ATTRIBUTES:
        text = f"the total number of attributes and capacities must not exceed {ATTRIBUTES}"
        errors.append(invalid(path, count, text))
    shown = names.QUALIFIED_LENGTH
    entries(each.attributes, UNBOUNDED, shown, attribute, errors, f"{path}.attributes")
    judge = partial(named_capacity, bool(each.allowMultipleAllocations))
    entries(each.capacity, UNBOUNDED, shown, judge, errors, f"{path}.capacity")
    if old is None or old.taints != each.taints:
        members(each.taints, TAINTS, taint, errors, f"{path}.taints")
    consumed = each.consumesCounters
    distinct(consumed, CONSUMPTIONS, consumption, lambda of: of.counterSet or "", errors, f"{path}.consumesCounters")
    placement.of_each(each, chosen, errors, path)
    binding(each, errors, path)


def attribute(named: tuple[str, Any], errors: Errors, path: str) -> None:
    name, given = named
    names.qualified(name, errors, path)
    if given.string is not None and len(given.string) > VALUE_LENGTH:
        errors.append(too_long(f"{path}.string", VALUE_LENGTH))
    if given.version is not None:
        version(given.version, errors, f"{path}.version")
    count = sum(getattr(given, field) is not None for field in VALUES)
    if count != 1:
        errors.append(invalid(path, given if count else "", "exactly one value must be specified"))


def version(text: str, errors: Errors, path: str) -> None:
    if not SEMVER.fullmatch(text):
        errors.append(invalid(path, text, "must be a string compatible with semver.org spec 2.0.0"))
    if len(text) > VALUE_LENGTH:
        errors.append(too_long(path, VALUE_LENGTH))


def named_capacity(shared: bool, named: tuple[str, Any], errors: Errors, path: str) -> None:
    name, given = named
    names.qualified(name, errors, path)
    capacity(given, shared, errors, path)


def consumption(each: Any, errors: Errors, path: str) -> None:
    counters(each.counterSet, each.counters, errors, path, "counterSet")


def counter_set(each: Any, errors: Errors, path: str) -> None:
    counters(each.name, each.counters, errors, path, "name")


def counters(name: str | None, given: Any, errors: Errors, path: str, field: str) -> None:
    """Amounts by name; whatever amount is good."""
    if name:
        names.labelled(name, errors, f"{path}.{field}")
    else:
        errors.append(required(f"{path}.{field}"))
    if given:
        entries(given, COUNTERS, COUNTER_LENGTH, counter, errors, f"{path}.counters")
    else:
        errors.append(required(f"{path}.counters"))


def counter(named: tuple[str, Any], errors: Errors, path: str) -> None:
    names.labelled(named[0], errors, path)
