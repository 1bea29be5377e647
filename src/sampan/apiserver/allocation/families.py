"""Which IP families a service is of: pure rules (API reference, ServiceSpec `ipFamilies`, `ipFamilyPolicy`; KEP-563).

What the request leaves open is filled in, in place: the policy from the service as it was (else `SingleStack`), the
families from the addresses named, else the cluster's first, and a second one where the policy asks for two and the
cluster has two. A service's families change only when the request says so: `PreferDualStack` on a cluster that has
become dual-stack stays as it is until somebody touches these fields.

Headless services without a selector are of any families, whatever the cluster's: their addresses are not its business.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from sampan.api.errors import FieldError
from sampan.api.validation.core.services import addresses as related_fields
from sampan.api.validation.problems import invalid

OTHER = {"IPv4": "IPv6", "IPv6": "IPv4"}
NONE = "None"
SINGLE, PREFER, REQUIRE = "SingleStack", "PreferDualStack", "RequireDualStack"
WITH_ADDRESS = ("ClusterIP", "NodePort", "LoadBalancer")
TWO = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
RELEASE = "must be 'SingleStack' to release the secondary {}"


def family_of(address: str) -> str:
    """IPv4 or IPv6; "" for what is no address."""
    try:
        return f"IPv{ipaddress.ip_address(address).version}"
    except ValueError:
        return ""


def settle(new: Any, old: Any, configured: tuple[str, ...]) -> list[FieldError]:
    """Fill in `ipFamilyPolicy` and `ipFamilies` of the spec `new`, which takes the place of `old` (None on a create),
    in a cluster with the families `configured`; gives what is wrong."""
    if new.type == "ExternalName" or (old is not None and _still_preferred(new, old)):
        return []
    free = new.clusterIP == NONE and not new.selector
    if new.ipFamilyPolicy is None:
        new.ipFamilyPolicy = (old is not None and old.ipFamilyPolicy) or (REQUIRE if free else SINGLE)
    wrong: list[FieldError] = []
    related_fields(new, wrong)
    if wrong:
        return wrong
    if old is not None:
        _reduced(new, old, wrong)
    _too_many(new, wrong)
    _inferred(new, configured, wrong)
    if not wrong and not free:
        _unknown(new, configured, wrong)
    if not wrong:
        _completed(new, configured, both=free or len(configured) == 2)
    return wrong


def _still_preferred(new: Any, old: Any) -> bool:
    """Whether a service that prefers two families is what it was, so that nothing is added or taken away."""
    same = (new.clusterIPs or []) == (old.clusterIPs or []) and (new.ipFamilies or []) == (old.ipFamilies or [])
    return same and new.type == old.type and new.type in WITH_ADDRESS and new.ipFamilyPolicy == PREFER == (
        old.ipFamilyPolicy or PREFER
    )  # fmt: skip


def _reduced(new: Any, old: Any, wrong: list[FieldError]) -> None:
    """A second address or family goes by the policy `SingleStack`; without it, it may not be left out."""
    for field, noun in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
        now, before = getattr(new, field) or [], getattr(old, field) or []
        if new.ipFamilyPolicy != SINGLE:
            if now and len(now) < len(before):
                wrong.append(invalid("spec.ipFamilyPolicy", new.ipFamilyPolicy, RELEASE.format(noun)))
        elif now == before:
            setattr(new, field, now[:1] or None)


def _too_many(new: Any, wrong: list[FieldError]) -> None:
    for given, noun in ((new.clusterIPs, "cluster IPs"), (new.ipFamilies, "IP families")):
        if new.ipFamilyPolicy == SINGLE and len(given or ()) == 2:
            wrong.append(invalid("spec.ipFamilyPolicy", new.ipFamilyPolicy, TWO.format(noun)))


def _inferred(new: Any, configured: tuple[str, ...], wrong: list[FieldError]) -> None:
    """The families of addresses that are named and whose families are not."""
    for index, address in enumerate(new.clusterIPs or ()):
        if address == NONE or index < len(new.ipFamilies or ()):
            continue
        family = family_of(address)
        if family in configured:
            new.ipFamilies = [*(new.ipFamilies or ()), family]
        else:
            text = f"{family} is not configured on this cluster"
            wrong.append(invalid(f"spec.clusterIPs[{index}]", new.clusterIPs, text))


def _unknown(new: Any, configured: tuple[str, ...], wrong: list[FieldError]) -> None:
    if new.ipFamilyPolicy == REQUIRE and len(configured) < 2:
        text = "this cluster is not configured for dual-stack services"
        wrong.append(invalid("spec.ipFamilyPolicy", new.ipFamilyPolicy, text))
    for index, family in enumerate(new.ipFamilies or ()):
        if family not in configured:
            wrong.append(invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster"))


def _completed(new: Any, configured: tuple[str, ...], *, both: bool) -> None:
    families = new.ipFamilies or [configured[0]]
    if len(families) == 1 and both and new.ipFamilyPolicy != SINGLE:
        families = [families[0], OTHER[families[0]]]
    new.ipFamilies = families
