"""Names and amounts of resources.

Source: API reference v1.36, ResourceRequirements; concepts, "Resource Management for Pods and Containers".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, qualified
from sampan.api.quantity import Quantity, parse
from sampan.api.validation.numbers import NOT_NEGATIVE
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid, not_found, required

Errors = list[FieldError]
NameRule = Callable[[str, Errors, str], None]

HUGE_PAGES = "hugepages-"
ATTACHABLE = "attachable-volumes-"
NATIVE = "kubernetes.io/"
CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
OBJECT_COUNTS = frozenset(
    {
        "pods",
        "services",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)
QUOTA = OBJECT_COUNTS | frozenset(
    {
        "cpu",
        "memory",
        "ephemeral-storage",
        "requests.cpu",
        "requests.memory",
        "requests.storage",
        "requests.ephemeral-storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
    }
)
STANDARD = QUOTA | frozenset({"storage"})
INTEGERS = OBJECT_COUNTS
WELL_KNOWN = CONTAINER  # the names on the way of every pod, known to be right


def is_huge_page(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    return "/" not in name or NATIVE in name


def is_extended(name: str) -> bool:
    """A resource that some vendor counts: `vendor.example/gpu`."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not qualified(f"requests.{name}")


def overcommit_allowed(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def is_standard(name: str) -> bool:
    return name in STANDARD or is_huge_page(name) or name.startswith("requests.hugepages-")


def resource_name(name: str, errors: Errors, path: str) -> None:
    """Any resource's name."""
    wrong = qualified(name)
    errors.extend(each_invalid(path, name, wrong))
    if not wrong and "/" not in name and not is_standard(name):
        errors.append(invalid(path, name, "must be a standard resource type or fully qualified"))


def container_resource_name(name: str, errors: Errors, path: str) -> None:
    """The name of what a container may ask for."""
    if name in WELL_KNOWN:
        return
    resource_name(name, errors, path)
    if "/" not in name:
        if not is_huge_page(name):
            errors.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(path, name, "doesn't follow extended resource name standard"))


def quota_resource_name(name: str, errors: Errors, path: str) -> None:
    """The name of what a quota may count."""
    resource_name(name, errors, path)
    if "/" not in name and not (name in QUOTA or is_huge_page(name) or name.startswith("requests.hugepages-")):
        errors.append(invalid(path, name, "must be a standard resource for quota"))


def quantity(name: str, amount: str, errors: Errors, path: str) -> Quantity:
    """Not negative, and whole where things are counted."""
    value = parse(amount)
    if value.value < 0:
        errors.append(invalid(path, amount, NOT_NEGATIVE))
    if (name in INTEGERS or is_extended(name)) and value.value != value.value.to_integral_value():
        errors.append(invalid(path, amount, "must be an integer"))
    return value


def requirements(resources: Any, claims: frozenset[str] | set[str], errors: Errors, path: str) -> None:
    """What a container requests and is limited to; `claims` are the pod's resource claims by name."""
    limits: Mapping[str, str] = resources.limits or {}
    requests: Mapping[str, str] = resources.requests or {}
    huge_pages = False
    for name, amount in limits.items():
        if name in WELL_KNOWN and parse(amount).value >= 0:
            continue
        here = f"{path}.limits[{name}]"
        container_resource_name(name, errors, here)
        quantity(name, amount, errors, here)
        huge_pages = huge_pages or _huge_page_amount(name, amount, errors, here)
    for name, amount in requests.items():
        if name not in WELL_KNOWN or parse(amount).value < 0:
            here = f"{path}.requests[{name}]"
            container_resource_name(name, errors, here)
            quantity(name, amount, errors, here)
            huge_pages = huge_pages or _huge_page_amount(name, amount, errors, here)
        _request_within_limit(name, amount, limits, errors, path)
    if huge_pages and not any(name in ("cpu", "memory") for name in (*limits, *requests)):
        errors.append(forbidden(path, "HugePages require cpu or memory"))
    if resources.claims:
        resource_claims(resources.claims, claims, errors, f"{path}.claims")


def _huge_page_amount(name: str, amount: str, errors: Errors, path: str) -> bool:
    if not is_huge_page(name):
        return False
    from sampan.api.quantity import QuantityError

    try:
        size = parse(name.removeprefix(HUGE_PAGES))
    except QuantityError:
        return True
    if size.value > 0 and parse(amount).value % size.value:
        text = f"quantity must be a positive integer multiple of the page size {size}"
        errors.append(invalid(path, amount, text))
    return True


def _request_within_limit(name: str, amount: str, limits: Mapping[str, str], errors: Errors, path: str) -> None:
    limit = limits.get(name)
    if limit is None:
        if not overcommit_allowed(name):
            errors.append(required(f"{path}.limits", "Limit must be set for non overcommitable resources"))
        return
    if amount == limit:
        return
    if not overcommit_allowed(name):
        errors.append(invalid(f"{path}.requests", amount, f"must be equal to {name} limit of {limit}"))
    elif parse(limit) < parse(amount):
        errors.append(invalid(f"{path}.requests", amount, f"must be less than or equal to {name} limit of {limit}"))


def resource_claims(given: Any, known: frozenset[str] | set[str], errors: Errors, path: str) -> None:
    seen: set[tuple[str, str]] = set()
    for index, claim in enumerate(given):
        name, request = claim.name or "", claim.request or ""
        here = f"{path}[{index}]"
        if not name:
            errors.append(required(f"{here}.name"))
        elif (name, request) in seen:
            errors.append(duplicate(here, f"{name}/{request}" if request else name))
        else:
            if request:
                errors.extend(each_invalid(f"{here}.request", request, label(request)))
            if (name, "") in seen or (not request and any(n == name for n, _ in seen)):
                errors.append(duplicate(here, name))
            seen.add((name, request))
        if name and name not in known:
            errors.append(not_found(here, name))
