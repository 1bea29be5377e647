"""What a kubelet may say of a pod. Source: API reference v1.36, PodStatus."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from sampan.api.names import qualified, subdomain
from sampan.api.validation.core.context import Errors
from sampan.api.validation.metadata import immutable
from sampan.api.validation.network import ip
from sampan.api.validation.problems import duplicate, each_invalid, forbidden, invalid

SYSTEM_CONDITIONS = ("PodScheduled", "Ready", "Initialized")
ENDED = "may not be transitioned to non-terminated state"


def update(new: Any, old: Any, errors: Errors) -> None:
    status, before = new.status, old.status
    if status is None:
        return
    for index, condition in enumerate(status.conditions or ()):
        if condition.type not in SYSTEM_CONDITIONS:
            path = f"metadata.conditions[{index}].Type"
            errors.extend(each_invalid(path, condition.type or "", qualified(condition.type or "")))
    nominated = status.nominatedNodeName
    if nominated and (before is None or nominated != before.nominatedNodeName):
        errors.extend(each_invalid("status.nominatedNodeName", nominated, subdomain(nominated)))
    if before is not None:
        immutable(status.qosClass, before.qosClass, errors, "status.qosClass")
        for field, policy, free in transitions(old.spec):
            restarted(getattr(status, field), getattr(before, field), policy, free, errors, f"status.{field}")
    claims(status.resourceClaimStatuses or (), new.spec, errors)
    for field in ("podIPs", "hostIPs"):
        addresses(getattr(status, field) or (), errors, f"status.{field}")


def transitions(spec: Any) -> Iterator[tuple[str, str, set[str]]]:
    """(kind of container status, restart policy that holds for it, containers that may always restart)."""
    policy = spec.restartPolicy or ""
    sidecars = {c.name for c in spec.initContainers or () if c.restartPolicy == "Always"}
    own = {c.name for c in spec.containers or () if c.restartPolicy is not None or c.restartPolicyRules}
    yield "containerStatuses", policy, own
    yield "initContainerStatuses", policy, sidecars
    yield "ephemeralContainerStatuses", "Never", set()


def restarted(statuses: Any, before: Any, policy: str, free: set[str], errors: Errors, path: str) -> None:
    """A container that ended for good does not go back to running."""
    if policy == "Always":
        return
    now = {s.name: s for s in statuses or ()}
    for index, old in enumerate(before or ()):
        ended = old.state.terminated if old.state is not None else None
        if ended is None or old.name not in now or old.name in free or (ended.exitCode and policy == "OnFailure"):
            continue
        state = now[old.name].state
        if state is None or state.terminated is None:
            errors.append(forbidden(f"{path}[{index}].state", ENDED))


def claims(statuses: Any, spec: Any, errors: Errors) -> None:
    known, seen = {c.name for c in spec.resourceClaims or ()}, set[str | None]()
    for index, status in enumerate(statuses):
        path = f"status.resourceClaimStatuses[{index}].name"
        if status.name not in known:
            text = "must match the name of an entry in `spec.resourceClaims`"
            errors.append(invalid(path, status.name or "", text))
        if status.name in seen:
            errors.append(duplicate(path, status.name))
        seen.add(status.name)
        if status.resourceClaimName is not None:
            errors.extend(each_invalid(path, status.resourceClaimName, subdomain(status.resourceClaimName)))


def addresses(given: Any, errors: Errors, path: str) -> None:
    """One of each family at most."""
    wrong = len(errors)
    for index, address in enumerate(given):
        ip(address.ip, errors, f"{path}[{index}]")
    if len(given) < 2 or len(errors) > wrong:
        return
    seen: set[str] = set()
    for index, address in enumerate(given):
        if address.ip in seen:
            errors.append(duplicate(f"{path}[{index}]", address))
        seen.add(address.ip)
    if len(given) > 2 or len({ipaddress.ip_address(a.ip).version for a in given}) < 2:
        errors.append(invalid(path, given, "may specify no more than one IP for each IP family"))
