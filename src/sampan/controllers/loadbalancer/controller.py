"""The edge of LoadBalancer Services: gather, ask the provider, write what changed in the services' status.

There is one key, for services compete. A service that is no LoadBalancer any more, or that has come to be another
class's, loses what was answered here; one of another class from the start is not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sampan.api.kinds import core_v1, discovery_v1
from sampan.client.cache import key_of
from sampan.controllers.context import Context
from sampan.controllers.endpoints.slices import SERVICE_NAME
from sampan.controllers.loadbalancer.nodeaddresses import NodeAddresses
from sampan.controllers.loadbalancer.provider import LoadBalancers, View
from sampan.controllers.reconciler import Controller

ALL = "all"


class LoadBalancerController(Controller):
    name = "service-lb-controller"
    component = "service-controller"
    workers = 1
    pace = 0.5

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.provider: LoadBalancers = NodeAddresses()
        self._answered: set[str] = set()
        self.services = self.informer(core_v1.Service, balanced=_balanced)
        self.nodes = self.informer(core_v1.Node)
        self.slices = self.informer(discovery_v1.EndpointSlice, service=_service_of)
        self.services.add_handler(self._service_changed)
        self.nodes.add_handler(self._node_changed)
        self.slices.add_handler(self._slice_changed)

    def _service_changed(self, old: Any, new: Any) -> None:
        if any(one is not None and _balanced(one) for one in (old, new)):
            self.enqueue(ALL)

    def _node_changed(self, old: Any, new: Any) -> None:
        if old is None or new is None or _says(old) != _says(new):
            self.enqueue(ALL)

    def _slice_changed(self, old: Any, new: Any) -> None:
        for key in _service_of(new or old):
            service = self.services.get(key)
            if service is not None and service.spec.externalTrafficPolicy == "Local":
                self.enqueue(ALL)

    async def reconcile(self, key: str) -> float | None:
        concerned = self.services.index("balanced", "yes")
        ours = sorted(filter(self._ours, concerned), key=_age)
        serving = {key_of(one): self._serving(one) for one in ours}
        answers = await self.provider.answer(View(ours, self.nodes.list(), serving))
        for service in concerned:
            name = key_of(service)
            if name in answers:
                await self._write(service, answers[name])
            elif service.spec.type != "LoadBalancer" or name in self._answered:
                await self._write(service, ())
        self._answered = set(answers)
        return None

    def _ours(self, service: Any) -> bool:
        spec = service.spec
        wanted = spec.type == "LoadBalancer" and service.metadata.deletionTimestamp is None
        return wanted and spec.loadBalancerClass in (None, "", self.provider.load_balancer_class)

    def _serving(self, service: Any) -> frozenset[str]:
        """Names of the nodes with a ready endpoint of the service."""
        return frozenset(
            endpoint.nodeName
            for one in self.slices.index("service", key_of(service))
            for endpoint in one.endpoints or ()
            if endpoint.nodeName and endpoint.conditions is not None and endpoint.conditions.ready is not False
        )

    async def _write(self, service: Any, addresses: Sequence[str]) -> None:
        if list(addresses) == _answer(service):
            return
        if addresses and not _answer(service):
            self.events.event(service, "Normal", "EnsuringLoadBalancer", "Ensuring load balancer")
        ingress = [{"ip": address, "ipMode": "VIP"} for address in addresses]
        status = {"loadBalancer": {"ingress": ingress} if ingress else None}
        await self.write.patch(service, {"status": status}, subresource="status")
        self.events.event(service, *_told(service, bool(addresses)))


def _told(service: Any, answered: bool) -> tuple[str, str, str]:
    """The event that tells of a new answer, in the words of upstream's service controller."""
    if answered and _answer(service):
        return "Normal", "UpdatedLoadBalancer", "Updated load balancer with new hosts"
    if answered:
        return "Normal", "EnsuredLoadBalancer", "Ensured load balancer"
    if service.spec.type == "LoadBalancer":
        return "Warning", "UnAvailableLoadBalancer", "There are no available nodes for LoadBalancer"
    return "Normal", "DeletedLoadBalancer", "Deleted load balancer"


def _balanced(service: Any) -> list[str]:
    """Services that are answered, or have been."""
    return ["yes"] if service.spec.type == "LoadBalancer" or _answer(service) else []


def _answer(service: Any) -> list[str]:
    balancer = service.status.loadBalancer if service.status is not None else None
    return [one.ip or "" for one in (balancer.ingress if balancer is not None else None) or ()]


def _age(service: Any) -> tuple[str, str]:
    return service.metadata.creationTimestamp or "", key_of(service)


def _says(node: Any) -> tuple[Any, ...]:
    """What of a node matters here; a heartbeat changes none of it."""
    status = node.status
    ready = [one.status for one in (status and status.conditions) or () if one.type == "Ready"]
    addresses = [(one.type, one.address) for one in (status and status.addresses) or ()]
    return node.metadata.labels, node.metadata.deletionTimestamp, ready, addresses


def _service_of(one: Any) -> list[str]:
    name = (one.metadata.labels or {}).get(SERVICE_NAME)
    return [f"{one.metadata.namespace}/{name}"] if name else []
