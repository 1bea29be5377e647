"""Rules of the discovery.k8s.io group. Source: API reference v1.36, EndpointSlice."""

from __future__ import annotations

from typing import Any

from sampan.api.errors import FieldError
from sampan.api.names import label, label_value, qualified, subdomain
from sampan.api.validation.metadata import immutable, labels
from sampan.api.validation.network import PROTOCOLS, address_problem, parse_address, routable
from sampan.api.validation.problems import (
    duplicate,
    each_invalid,
    invalid,
    not_supported,
    required,
    too_many,
)
from sampan.api.validation.rule import Rule

GROUP = "discovery.k8s.io"
Errors = list[FieldError]

TYPES = ("FQDN", "IPv4", "IPv6")
ADDRESSES = 100
ENDPOINTS = 1000
PORTS = 20000
TOPOLOGY_LABELS = 16
HINTS = 8


def create(obj: Any, errors: Errors) -> None:
    kind = obj.addressType or ""
    if not kind:
        errors.append(required("addressType"))
    elif kind not in TYPES:
        errors.append(not_supported("addressType", kind, TYPES))
    endpoints(obj.endpoints or (), kind, errors)
    ports(obj.ports or (), errors)


def update(new: Any, old: Any, errors: Errors) -> None:
    create(new, errors)
    immutable(new.addressType, old.addressType, errors, "addressType")


def endpoints(given: Any, kind: str, errors: Errors) -> None:
    if len(given) > ENDPOINTS:
        errors.append(too_many("endpoints", len(given), ENDPOINTS))
        return
    for index, endpoint in enumerate(given):
        path = f"endpoints[{index}]"
        addresses(endpoint.addresses or (), kind, errors, f"{path}.addresses")
        if endpoint.nodeName is not None:
            errors.extend(each_invalid(f"{path}.nodeName", endpoint.nodeName, subdomain(endpoint.nodeName)))
        topology(endpoint.deprecatedTopology or {}, errors, f"{path}.deprecatedTopology")
        if endpoint.hostname is not None:
            errors.extend(each_invalid(f"{path}.hostname", endpoint.hostname, label(endpoint.hostname)))
        if endpoint.hints is not None:
            hints(endpoint.hints, errors, f"{path}.hints")


def topology(given: dict[str, str], errors: Errors, path: str) -> None:
    if len(given) > TOPOLOGY_LABELS:
        errors.append(too_many(path, len(given), TOPOLOGY_LABELS))
    labels(given, errors, path)


def addresses(given: Any, kind: str, errors: Errors, path: str) -> None:
    if not given:
        errors.append(required(path, "must contain at least 1 address"))
    elif len(given) > ADDRESSES:
        errors.append(too_many(path, len(given), ADDRESSES))
    for index, text in enumerate(given):
        address(text, kind, errors, f"{path}[{index}]")


def address(text: str, kind: str, errors: Errors, path: str) -> None:
    if kind == "FQDN":
        errors.extend(each_invalid(path, text, subdomain(text.removesuffix("."))))
        return
    if kind not in TYPES:
        return
    parsed = parse_address(text)
    if problem := address_problem(text):
        errors.append(invalid(path, text, problem))
    elif f"IPv{parsed.version}" != kind:
        errors.append(invalid(path, text, f"must be an {kind} address"))
    else:
        routable(text, errors, path)


def hints(given: Any, errors: Errors, path: str) -> None:
    for field in ("forZones", "forNodes"):
        each = getattr(given, field) or ()
        if len(each) > HINTS:
            errors.append(too_many(f"{path}.{field}", len(each), HINTS))
            return
        seen: set[str] = set()
        for index, hint in enumerate(each):
            here, name = f"{path}.{field}[{index}].name", hint.name or ""
            if name in seen:
                errors.append(duplicate(here, name))
            seen.add(name)
            check = label_value if field == "forZones" else subdomain
            errors.extend(each_invalid(here, name, check(name)))


def ports(given: Any, errors: Errors) -> None:
    if len(given) > PORTS:
        errors.append(too_many("ports", len(given), PORTS))
        return
    names: set[str] = set()
    for index, port in enumerate(given):
        path, name = f"ports[{index}]", port.name or ""
        if name:
            errors.extend(each_invalid(f"{path}.name", name, label(name)))
        if name in names:
            errors.append(duplicate(f"{path}.name", name))
        names.add(name)
        if port.protocol is None:
            errors.append(required(f"{path}.protocol"))
        elif port.protocol not in PROTOCOLS:
            errors.append(not_supported(f"{path}.protocol", port.protocol, PROTOCOLS))
        if port.appProtocol is not None:
            errors.extend(each_invalid(f"{path}.appProtocol", port.appProtocol, qualified(port.appProtocol)))


RULES: dict[str, Rule] = {"EndpointSlice": Rule(create=create, update=update)}
