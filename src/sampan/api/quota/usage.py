"""How much of each quota resource an object uses. Pure.

Rules: "Resource Quotas". A pod that has ended uses nothing but its place in `count/pods`; init containers run one after
the other beside the sidecars started before them, so a pod asks for the larger of their greatest and the sum of its
containers and sidecars. What the pod as a whole names stands in place of that sum (KEP-2837), its overhead is added
(KEP-753), and while a container is resized it counts by what it has, if that is more (KEP-1287).
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
PAGES = "hugepages-"
DEVICES = ".deviceclass.resource.k8s.io/devices"
MOST_DEVICES = 32
"""What an allocation can hold, and so what "All" may come to."""
OLD_CLASS = "volume.beta.kubernetes.io/storage-class"
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
    for name, amount in requests(obj, "requests", running=True).items():
        used[f"requests.{name}"] = amount
        if name in PLAIN or name.startswith(PAGES):
            used[name] = amount
    for name, amount in requests(obj, "limits", running=True).items():
        used[f"limits.{name}"] = amount
    return used


def requests(obj: Any, side: str, *, running: bool = False) -> Usage:
    """What the whole pod asks for ("requests") or may use at most ("limits"). `running`: or has been given."""
    whole = _together(obj, side, _given(obj) if running else {})
    whole |= _listed(obj.spec.resources, side)
    overhead = {name: quantity.parse(text) for name, text in (obj.spec.overhead or {}).items()}
    _add(whole, {name: more for name, more in overhead.items() if side == "requests" or name in whole})
    return whole


def _together(obj: Any, side: str, given: dict[str, Any]) -> Usage:
    """The most that its containers ask for at any one time."""
    running: Usage = {}
    for container in obj.spec.containers or ():
        _add(running, _amounts(container, side, given))
    greatest: Usage = {}
    sidecars: Usage = {}
    for container in obj.spec.initContainers or ():
        amounts = _amounts(container, side, given)
        if container.restartPolicy == "Always":
            _add(running, amounts)
            _add(sidecars, amounts)
            amounts = sidecars
        else:
            _add(amounts, sidecars)
        _raise(greatest, amounts)
    _raise(running, greatest)
    return running


def _given(obj: Any) -> dict[str, Any]:
    """The status of each container that may be resized, by its name."""
    status = obj.status
    found = (*(status.containerStatuses or ()), *(status.initContainerStatuses or ())) if status is not None else ()
    return {one.name: one for one in found}


def _amounts(container: Any, side: str, given: dict[str, Any]) -> Usage:
    amounts = _listed(container.resources, side)
    status = given.get(container.name)
    if status is not None:
        _raise(amounts, _listed(status.resources, side))
        if side == "requests":
            _raise(amounts, {name: quantity.parse(text) for name, text in (status.allocatedResources or {}).items()})
    return amounts


def _listed(resources: Any, side: str) -> Usage:
    listed = getattr(resources, side) if resources else None
    return {name: quantity.parse(text) for name, text in (listed or {}).items()}


def _raise(amounts: Usage, others: Usage) -> None:
    for name, amount in others.items():
        amounts[name] = max(amounts.get(name, ZERO), amount)


def _add(sums: Usage, amounts: Usage) -> None:
    for name, amount in amounts.items():
        sums[name] = sums[name] + amount if name in sums else amount


def service(obj: Any) -> Usage:
    used: Usage = {"services": ONE}
    type = obj.spec.type or "ClusterIP"
    if type == "LoadBalancer":
        used["services.loadbalancers"] = ONE
    if type in ("NodePort", "LoadBalancer"):
        ports = obj.spec.ports or ()
        if type == "LoadBalancer" and obj.spec.allocateLoadBalancerNodePorts is False:
            ports = [port for port in ports if port.nodePort]
        used["services.nodeports"] = quantity.parse(len(ports))
    return used


def claim(obj: Any) -> Usage:
    used: Usage = {"persistentvolumeclaims": ONE}
    storage = _listed(obj.spec.resources, "requests").get("storage", ZERO)
    allocated = (obj.status.allocatedResources if obj.status is not None else None) or {}
    if "storage" in allocated:  # an expansion that was taken back may have taken place (KEP-1790)
        storage = max(storage, quantity.parse(allocated["storage"]))
    used["requests.storage"] = storage
    if name := (obj.metadata.annotations or {}).get(OLD_CLASS) or obj.spec.storageClassName:
        used[f"{name}.storageclass.storage.k8s.io/requests.storage"] = storage
        used[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = ONE
    return used


def resource_claim(obj: Any) -> Usage:
    """The devices it may be given, by class (KEP-4381): of several alternatives the largest for each."""
    used: Usage = {}
    devices = obj.spec.devices
    for request in (devices.requests if devices is not None else None) or ():
        wanted: Usage = {}
        for one in request.firstAvailable or [getattr(request, "exactly", None) or request]:
            if one.deviceClassName:
                most = MOST_DEVICES if one.allocationMode == "All" else one.count or 1
                _raise(wanted, {f"{one.deviceClassName}{DEVICES}": quantity.parse(most)})
        _add(used, wanted)
    return used
