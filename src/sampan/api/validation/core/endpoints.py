"""Rules for endpoints. Source: API reference v1.36, Endpoints."""

from __future__ import annotations

from typing import Any

from sampan.api.names import label, qualified, subdomain
from sampan.api.validation.core.context import Errors
from sampan.api.validation.network import PROTOCOLS, ip, port, protocol, routable
from sampan.api.validation.problems import each_invalid, required


def create(obj: Any, errors: Errors) -> None:
    for index, subset in enumerate(obj.subsets or ()):
        path = f"subsets[{index}]"
        if not subset.addresses and not subset.notReadyAddresses:
            errors.append(required(path, "must specify `addresses` or `notReadyAddresses`"))
        for field in ("addresses", "notReadyAddresses"):
            for number, each in enumerate(getattr(subset, field) or ()):
                address(each, errors, f"{path}.{field}[{number}]")
        many = len(subset.ports or ()) > 1
        for number, each in enumerate(subset.ports or ()):
            endpoint_port(each, many, errors, f"{path}.ports[{number}]")


def update(new: Any, old: Any, errors: Errors) -> None:
    if new.subsets != old.subsets:
        create(new, errors)


def address(each: Any, errors: Errors, path: str) -> None:
    ip(each.ip, errors, f"{path}.ip")
    if each.hostname:
        errors.extend(each_invalid(f"{path}.hostname", each.hostname, label(each.hostname)))
    if each.nodeName is not None:
        errors.extend(each_invalid(f"{path}.nodeName", each.nodeName, subdomain(each.nodeName)))
    routable(each.ip or "", errors, f"{path}.ip")


def endpoint_port(each: Any, many: bool, errors: Errors, path: str) -> None:
    if each.name:
        errors.extend(each_invalid(f"{path}.name", each.name, label(each.name)))
    elif many:
        errors.append(required(f"{path}.name"))
    port(each.port, errors, f"{path}.port")
    if each.protocol not in PROTOCOLS:
        protocol(each.protocol, errors, f"{path}.protocol")
    if each.appProtocol is not None:
        errors.extend(each_invalid(f"{path}.appProtocol", each.appProtocol, qualified(each.appProtocol)))
