"""Objects made at start when they are absent: namespaces, priority classes, flow control, the `kubernetes` service.

They are written through the same stages as everybody else's, by the server's own identity.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from sampan.aio.clock import timestamp
from sampan.api.errors import AlreadyExists
from sampan.api.kinds import core_v1, meta_v1, scheduling_v1
from sampan.apiserver import decode
from sampan.apiserver.auth.user import SERVER
from sampan.apiserver.bootstrap import hostaddress, kubernetes
from sampan.apiserver.bootstrap.delegation import Delegation
from sampan.apiserver.bootstrap.endpoints import Endpoints
from sampan.apiserver.bootstrap.roles import ensure_roles
from sampan.apiserver.flowcontrol.maintenance import Maintenance
from sampan.apiserver.http.exchange import Exchange
from sampan.apiserver.request import Request
from sampan.apiserver.routes import Target
from sampan.apiserver.verbs.change import change
from sampan.apiserver.verbs.create import create_object
from sampan.apiserver.verbs.get import find
from sampan.codec import apply as codec

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

log = logging.getLogger(__name__)
NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
AGENT = "kube-apiserver/v1.36"


class Bootstrap:
    """Creates what is missing; leaves alone what is there."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._port = 0
        self.endpoints = Endpoints(server, self)
        self.delegation = Delegation(server, self)
        self.flow_control = Maintenance(server, self)

    async def begin(self) -> None:
        """What has to be there before anybody asks: whoever came before the roles would be turned away."""
        for name in NAMESPACES:
            await self.ensure(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=name)))
        for priority_class in system_priority_classes():
            await self.ensure(priority_class)
        await self.flow_control.begin()
        if self._server.rbac is not None:
            await ensure_roles(self._server, self)

    async def run(self, port: int) -> None:
        """What needs to know where the server listens."""
        self._port = port or self._server.config.port
        await self._kubernetes()

    async def _kubernetes(self) -> None:
        """The service of all servers; this one's endpoint follows the address and port it has now."""
        config = self._server.config
        network = kubernetes.service_cidr(config.service_networks)
        await self.ensure(network)
        await self._second_family(network)
        await self._network_ready(network)
        await self.ensure(kubernetes.service(config.service_networks[0], self._port))
        await self.endpoints.begin(self.address(), self._port)

    async def _second_family(self, network: Any) -> None:
        """A cluster that had one family has two from now on; any other difference stays, and is told of."""
        request = self.request(network)
        request.target.verb, request.target.name = "update", network.metadata.name
        wanted = network.spec.cidrs

        def add(old: Any, _: object) -> Any:
            old.spec.cidrs = wanted
            return old

        known = request.kind.decode(find(request).data).spec.cidrs
        if known != wanted and known == wanted[:1]:
            await change(request, add)
        elif known != wanted:
            log.warning("the ServiceCIDR kubernetes is not as configured cidrs=%s configured=%s", known, wanted)

    async def _network_ready(self, network: Any) -> None:
        """Addresses are given out of the service network from now on."""
        request = self.request(network)
        request.target.name = network.metadata.name
        if b'"Ready"' not in find(request).data:
            wanted = kubernetes.ready_status(timestamp(self._server.clock.now()))
            await self.apply_status(network, wanted, manager=kubernetes.NETWORK_MANAGER)

    async def apply_status(self, obj: Any, wanted: dict[str, Any], *, manager: str) -> None:
        """Server-side apply of a status: `wanted` is an object of the kind of `obj` with nothing else in it."""
        request = self.request(obj, agent=manager)
        request.target.verb, request.target.name, request.target.subresource = "patch", obj.metadata.name, "status"
        now = self._server.clock.now()

        def apply(old: Any, _: object) -> Any:
            return codec.apply(request.kind, old, wanted, manager=manager, now=now, force=True, subresource="status")

        await change(request, apply, applied=True)

    def address(self) -> str:
        """The IP address other machines reach this server at."""
        config = self._server.config
        return hostaddress.advertised(config.advertise_address, config.bind_address)

    def advertised(self) -> str:
        """Where clients outside the cluster reach this server, as host:port."""
        return f"{self.address()}:{self._port or self._server.config.port}"

    async def ensure(self, obj: Any, *, agent: str = AGENT) -> None:
        """Create an object unless it exists; it is in the cache then, also when another server was faster."""
        request = self.request(obj, agent=agent)
        cache = self._server.resource(request.kind)
        if cache.get(obj.metadata.namespace, obj.metadata.name) is not None:
            return
        decode.complete(request.kind, obj)
        try:
            await create_object(request, obj)
        except AlreadyExists:
            await self._server.cache.fresh()

    async def replace(self, obj: Any) -> None:
        """Create an object, or make an existing one be as `obj`."""
        request = self.request(obj)
        decode.complete(request.kind, obj)
        wanted = request.kind.encode(obj)
        await self.ensure(obj)  # which gives it a uid that is another's when another server is faster
        request.target.verb, request.target.name = "update", obj.metadata.name
        await change(request, lambda old, entry: request.kind.decode(wanted))

    def request(self, obj: Any, *, agent: str = AGENT) -> Request:
        """A request of the server's own to create `obj`; its fields are then `agent`'s."""
        server = self._server
        target = Target("", {})
        target.kind = server.registry.of(obj)
        target.verb = "create"
        target.group, target.version, target.plural = target.kind.group, target.kind.version, target.kind.plural
        target.namespace = obj.metadata.namespace or ""
        exchange = Exchange(method="POST", target="", headers={b"user-agent": agent.encode()})
        request = Request(server, exchange, target, server.clock.monotonic())
        request.user = SERVER
        return request


def system_priority_classes() -> list[Any]:
    """The two classes that system pods use (scheduling/v1 API reference)."""
    return [
        scheduling_v1.PriorityClass(
            metadata=meta_v1.ObjectMeta(name="system-node-critical"),
            value=2000001000,
            description="Used for system critical pods that must not be moved from their current node.",
            preemptionPolicy="PreemptLowerPriority",
        ),
        scheduling_v1.PriorityClass(
            metadata=meta_v1.ObjectMeta(name="system-cluster-critical"),
            value=2000000000,
            description="Used for system critical pods that must run in the cluster, but can be moved to another node "
            "if necessary.",
            preemptionPolicy="PreemptLowerPriority",
        ),
    ]
