"""How much of each quota resource an object uses. Pure.

Rules: "Resource Quotas". A pod that has ended uses nothing but its place in `count/pods`; init containers run one after
the other beside the sidecars started before them, so a pod asks for the larger of their greatest and the sum of its
containers and sidecars; its overhead is added (KEP-753).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sampan.api import quantity
from sampan.api.quantity import Quantity

ENDED = ("Succeeded", "Failed")
ZERO = quantity.parse("0")
ONE = quantity.parse("1")
Usage = dict[str, Quantity]
PLAIN = frozenset({"cpu", "memory", "ephemeral-storage"})
COUNTED = {
    "configmaps": ("", "configmaps"),
    "secrets": ("", "secrets"),
    "resourcequotas": ("", "resourcequotas"),
    "replicationcontrollers": ("", "replicationcontrollers"),
}
"""Quota resources that count objects, and the resource each counts, beside `count/<resource>.<group>`."""


def counted_resource(name: str) -> tuple[str, str] | None:
    """The (group, plural) that a quota resource counts; None when it counts something else."""
    if name.startswith("count/"):
        plural, _, group = name.removeprefix("count/").partition(".")
        return group, plural
    return COUNTED.get(name)


def total(usages: Iterable[Usage], hard: Iterable[str]) -> dict[str, str]:
    """The sums in canonical text, for every resource the quota limits."""
    sums = dict.fromkeys(hard, ZERO)
    for usage in usages:
        for name, amount in usage.items():
            if name in sums:
                sums[name] = sums[name] + amount
    return {name: str(amount) for name, amount in sums.items()}


def pod(obj: Any) -> Usage:
    if obj.status is not None and obj.status.phase in ENDED:
        return {}
    used: Usage = {"pods": ONE}
    for name, amount in requests(obj, "requests").items():
        used[f"requests.{name}"] = amount
        if name in PLAIN:
            used[name] = amount
    for name, amount in requests(obj, "limits").items():
        used[f"limits.{name}"] = amount
    return used


def requests(obj: Any, side: str) -> Usage:
    """What the whole pod asks for ("requests") or may use at most ("limits")."""
    running: Usage = {}
    for container in obj.spec.containers or ():
        _add(running, _amounts(container, side))
    greatest: Usage = {}
    sidecars: Usage = {}
    for container in obj.spec.initContainers or ():
        amounts = _amounts(container, side)
        if container.restartPolicy == "Always":
            _add(running, amounts)
            _add(sidecars, amounts)
            amounts = sidecars
        else:
            _add(amounts, sidecars)
        for name, amount in amounts.items():
            greatest[name] = max(greatest.get(name, ZERO), amount)
    for name, amount in greatest.items():
        running[name] = max(running.get(name, ZERO), amount)
    overhead = {name: quantity.parse(text) for name, text in (obj.spec.overhead or {}).items()}
    if running or side == "requests":
        _add(running, overhead)
    return running


def _amounts(container: Any, side: str) -> Usage:
    listed = getattr(container.resources, side) if container.resources else None
    return {name: quantity.parse(text) for name, text in (listed or {}).items()}


def _add(sums: Usage, amounts: Usage) -> None:
    for name, amount in amounts.items():
        sums[name] = sums[name] + amount if name in sums else amount


def service(obj: Any) -> Usage:
    used: Usage = {"services": ONE}
    type = obj.spec.type or "ClusterIP"
    if type == "LoadBalancer":
        used["services.loadbalancers"] = ONE
    ports = len(obj.spec.ports or ())
    if type == "NodePort" or (type == "LoadBalancer" and obj.spec.allocateLoadBalancerNodePorts is not False):
        used["services.nodeports"] = quantity.parse(ports)
    return used


def claim(obj: Any) -> Usage:
    used: Usage = {"persistentvolumeclaims": ONE}
    asked = obj.spec.resources.requests if obj.spec.resources else None
    storage = quantity.parse((asked or {}).get("storage", "0"))
    used["requests.storage"] = storage
    if name := obj.spec.storageClassName:
        used[f"{name}.storageclass.storage.k8s.io/requests.storage"] = storage
        used[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = ONE
    return used
