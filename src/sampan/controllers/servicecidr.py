"""The ServiceCIDR controller: a network of service addresses stays as long as an address of it is in use (KEP-1880).

Every ServiceCIDR carries a finalizer and is Ready. One that is being deleted waits until each address in it is free or
lies in another network as well, says so meanwhile, and then for `GRACE_SECONDS` more, so that every API server has
heard that it gives no more addresses out. `blocking` is the pure decision.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any

from sampan.aio.clock import parse_timestamp
from sampan.api.kinds import meta_v1, networking_v1
from sampan.controllers import conditions
from sampan.controllers.context import Context
from sampan.controllers.reconciler import Controller

FINALIZER = "networking.k8s.io/service-cidr-finalizer"
GRACE_SECONDS = 10.0
READY = "Kubernetes Service CIDR is ready"
IN_USE = "There are still IPAddresses referencing the ServiceCIDR, please remove them or create a new ServiceCIDR"


def blocking(cidr: Any, others: Iterable[Any], addresses: Iterable[Any]) -> list[str]:
    """The addresses in use that only this network holds."""
    own = networks(cidr)
    remaining = [
        network
        for other in others
        if other.metadata.name != cidr.metadata.name and other.metadata.deletionTimestamp is None
        for network in networks(other)
    ]
    return [
        one.metadata.name
        for one in addresses
        if _within(one.metadata.name, own) and not _within(one.metadata.name, remaining)
    ]


def networks(cidr: Any) -> list[Any]:
    """The networks of a ServiceCIDR that can be read."""
    found = []
    for text in cidr.spec.cidrs or ():
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue
    return found


def _within(address: str, ranges: list[Any]) -> bool:
    try:
        number = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(number in network for network in ranges)


class ServiceCidrController(Controller):
    name = "service-cidr-controller"
    component = "service-cidr-controller"
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.cidrs = self.informer(networking_v1.ServiceCIDR)
        self.addresses = self.informer(networking_v1.IPAddress)
        self.cidrs.add_handler(self._cidr_changed)
        self.addresses.add_handler(self._address_changed)

    def _cidr_changed(self, old: Any, new: Any) -> None:
        self.enqueue_self(old, new)
        self._waiting()

    def _address_changed(self, old: Any, new: Any) -> None:
        if new is None:
            self._waiting()

    def _waiting(self) -> None:
        """Those being deleted may go now."""
        for cidr in self.cidrs.list():
            if cidr.metadata.deletionTimestamp is not None:
                self.enqueue(cidr.metadata.name)

    async def reconcile(self, key: str) -> float | None:
        cidr = self.cidrs.get(key)
        if cidr is None:
            return None
        if cidr.metadata.deletionTimestamp is not None:
            return await self._ending(cidr)
        held = cidr.metadata.finalizers or []
        if FINALIZER not in held:
            cidr = await self.write.patch(cidr, {"metadata": {"finalizers": [*held, FINALIZER]}})
        await self._say(cidr, "True", "", READY)
        return None

    async def _ending(self, cidr: Any) -> float | None:
        held = cidr.metadata.finalizers or []
        if FINALIZER not in held:
            return None
        if blocking(cidr, self.cidrs.list(), self.addresses.list()):
            await self._say(cidr, "False", "Terminating", IN_USE)
            return None
        left = parse_timestamp(cidr.metadata.deletionTimestamp) + GRACE_SECONDS - self.clock.now()
        if left > 0:
            return left
        rest = [one for one in held if one != FINALIZER]
        await self.write.patch(cidr, {"metadata": {"finalizers": rest or None}})
        return None

    async def _say(self, cidr: Any, status: str, reason: str, message: str) -> None:
        """Writes the condition Ready, unless it, or whoever made the network, says so already."""
        known = cidr.status.conditions if cidr.status is not None else None
        old = conditions.find(known, "Ready")
        if old is not None and old.status == status and (status == "True" or old.reason == reason):
            return
        new = conditions.put(known, meta_v1.Condition, "Ready", status, reason, message, self.clock.now())
        await self.write.patch(cidr, {"status": {"conditions": new}}, subresource="status")
