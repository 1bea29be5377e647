"""Rules of a ResourceClaim's status: what was allocated, for whom, and what drivers say of it."""

from __future__ import annotations

import ipaddress
from functools import partial
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.conditions import conditions
from sampan.api.validation.metadata import immutable
from sampan.api.validation.problems import forbidden, invalid, not_supported, required, too_long, too_many
from sampan.api.validation.resource import claims, names
from sampan.api.validation.resource.binding import binding
from sampan.api.validation.resource.configuration import document
from sampan.api.validation.resource.lists import distinct, members
from sampan.api.validation.selectors import node_selector

Errors = list[FieldError]

CONSUMERS = 256
RESULTS = 32
CONFIGURATIONS = 64
"""Of the class and of the claim."""
SOURCES = ("FromClaim", "FromClass")
CONDITIONS = 8
INTERFACE_LENGTH = 256
HARDWARE_LENGTH = 128
ADDRESSES = 16
UNBOUNDED = 1 << 20
NOT_ALLOCATED = "may not be specified when `allocated` is not set"
ENDING = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
INTERFACE_ADDRESS = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)"


def update_status(new: Any, old: Any, errors: Errors) -> None:
    """Who reserved a claim is told once each; an allocation stays as it is while there is one."""
    status, before = new.status, old.status
    if status is None:
        return
    reserved, allocated = status.reservedFor or (), status.allocation
    distinct(reserved, CONSUMERS, consumer, lambda each: each.uid or "", errors, "status.reservedFor")
    results = allocated.devices.results if allocated is not None and allocated.devices is not None else None
    known = {device_key(each) for each in results or ()}
    distinct(status.devices, UNBOUNDED, partial(device, known), device_key, errors, "status.devices")
    had = (before.reservedFor if before is not None else None) or ()
    if reserved and allocated is None:
        errors.append(forbidden("status.reservedFor", NOT_ALLOCATED))
    elif new.metadata.deletionTimestamp and any(each not in had for each in reserved):
        errors.append(forbidden("status.reservedFor", ENDING))
    if allocated is None:
        return
    if before is not None and before.allocation is not None:
        immutable(allocated, before.allocation, errors, "status.allocation")
    else:
        allocation(allocated, claims.request_names(new.spec.devices), errors, "status.allocation")


def consumer(each: Any, errors: Errors, path: str) -> None:
    for field in ("resource", "name", "uid"):
        if not getattr(each, field):
            errors.append(required(f"{path}.{field}"))


def allocation(given: Any, known: set[str], errors: Errors, path: str) -> None:
    """A new one; of one that is stored less was demanded, maybe."""
    if given.devices is not None:
        members(given.devices.results, RESULTS, partial(result, known), errors, f"{path}.devices.results")
        members(given.devices.config, CONFIGURATIONS, partial(configuration, known), errors, f"{path}.devices.config")
    if given.nodeSelector is not None:
        node_selector(given.nodeSelector, errors, f"{path}.nodeSelector")


def result(known: set[str], each: Any, errors: Errors, path: str) -> None:
    claims.reference(known, each.request or "", errors, f"{path}.request")
    place(each, errors, path)
    binding(each, errors, path)
    names.share(each.shareID, errors, f"{path}.shareID")


def place(each: Any, errors: Errors, path: str) -> None:
    names.driver(each.driver, errors, f"{path}.driver")
    names.pool(each.pool, errors, f"{path}.pool")
    names.labelled(each.device, errors, f"{path}.device")


def configuration(known: set[str], each: Any, errors: Errors, path: str) -> None:
    if not each.source:
        errors.append(required(f"{path}.source"))
    elif each.source not in SOURCES:
        errors.append(not_supported(f"{path}.source", each.source, SOURCES))
    claims.configuration(known, each, errors, path)


def device_key(each: Any) -> str:
    """A device or a share of it, as upstream writes it."""
    parts = (each.driver or "", each.pool or "", each.device or "")
    return "/".join((*parts, each.shareID) if each.shareID else parts)


def device(known: set[str], each: Any, errors: Errors, path: str) -> None:
    """What a driver says of a device that the claim has."""
    place(each, errors, path)
    names.share(each.shareID, errors, f"{path}.shareID")
    if device_key(each) not in known:
        errors.append(invalid(path, device_key(each), "must be an allocated device in the claim"))
    if len(each.conditions or ()) > CONDITIONS:
        errors.append(too_many(f"{path}.conditions", len(each.conditions), CONDITIONS))
    conditions(each.conditions, errors, f"{path}.conditions")
    if each.data is not None:
        document(each.data, errors, f"{path}.data")
    if each.networkData is not None:
        network(each.networkData, errors, f"{path}.networkData")


def network(given: Any, errors: Errors, path: str) -> None:
    for field, most in (("interfaceName", INTERFACE_LENGTH), ("hardwareAddress", HARDWARE_LENGTH)):
        if len(getattr(given, field) or "") > most:
            errors.append(too_long(f"{path}.{field}", most))
    distinct(given.ips, ADDRESSES, interface_address, str, errors, f"{path}.ips")


def interface_address(text: str, errors: Errors, path: str) -> None:
    """An address with the length of its network's prefix."""
    try:
        parsed = str(ipaddress.ip_interface(text)) if "/" in text else ""
    except ValueError:
        parsed = ""
    if not parsed:
        errors.append(invalid(path, text, INTERFACE_ADDRESS))
    elif parsed != text:
        errors.append(invalid(path, text, f'must be in canonical form ("{parsed}")'))
