"""Which IP families a service is of: pure rules (API reference, ServiceSpec `ipFamilies`, `ipFamilyPolicy`; KEP-563).

The cluster has one service network, so it is of one family, and two only come about for headless services without a
selector, whose addresses are not the cluster's business.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sampan.api import errors
from sampan.api.errors import FieldError

OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}
NONE = "None"


def family_of(address: str) -> str:
    """IPv4 or IPv6; "" for what is no address."""
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def settle(spec: Any, own: str) -> list[FieldError]:
    """Fill in `ipFamilies` and `ipFamilyPolicy` in place; gives what contradicts a cluster of the family `own`."""
    if spec.type == "ExternalName":
        return []
    addresses = spec.clusterIPs or ([spec.clusterIP] if spec.clusterIP else [])
    if addresses[:1] == [NONE] and not spec.selector:
        _headless_without_selector(spec, own)
        return []
    if not spec.ipFamilies:
        inferred = [family_of(a) for a in addresses if a != NONE]
        spec.ipFamilies = [f for f in inferred if f] or None
    wrong = []
    if spec.ipFamilyPolicy is None:
        spec.ipFamilyPolicy = "RequireDualStack" if len(spec.ipFamilies or ()) > 1 else "SingleStack"
    if spec.ipFamilyPolicy == "RequireDualStack":
        text = 'Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
        wrong.append(FieldError(errors.INVALID, "spec.ipFamilyPolicy", text))
    for index, family in enumerate(spec.ipFamilies or ()):
        if family in OTHER and family != own:
            text = f'Invalid value: "{family}": not configured on this cluster'
            wrong.append(FieldError(errors.INVALID, f"spec.ipFamilies[{index}]", text))
    if not wrong and not spec.ipFamilies:
        spec.ipFamilies = [own]
    return wrong


def _headless_without_selector(spec: Any, own: str) -> None:
    families = spec.ipFamilies or []
    if spec.ipFamilyPolicy is None:
        spec.ipFamilyPolicy = "SingleStack" if len(families) == 1 else "RequireDualStack"
    if not families:
        families = [own]
    if len(families) == 1 and spec.ipFamilyPolicy != "SingleStack":
        families = [families[0], OTHER.get(families[0], own)]
    spec.ipFamilies = families
