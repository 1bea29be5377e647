"""What an identifier means, by the cluster's objects: the address of a node, a pod, or a service's ready endpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from sampan.api.errors import BadRequest, ServiceUnavailable
from sampan.apiserver import stored
from sampan.apiserver.proxying import addresses, identifiers
from sampan.apiserver.proxying.identifiers import Identifier
from sampan.apiserver.request import Request
from sampan.apiserver.verbs.get import absent

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer


class Location(NamedTuple):
    """`kubelet`: the other end is a node's kubelet, whose certificate is checked and which is shown this server's."""

    scheme: str
    host: str
    port: str
    kubelet: bool = False

    @property
    def authority(self) -> str:
        return identifiers.joined(self.host, self.port)


def find(request: Request) -> Location:
    """Raises NotFound, BadRequest for what is no identifier or no address, ServiceUnavailable for no endpoint."""
    target = request.target
    found = identifiers.split(target.name)
    if found is None:
        raise BadRequest(f'invalid {target.plural[:-1]} request "{target.name}"')
    return LOOKUPS[target.plural](request, found)


def _object(request: Request, name: str) -> Any:
    entry = request.server.resource(request.kind).get(request.target.namespace or None, name)
    if entry is None:
        raise absent(request.kind, name)
    return stored.from_bytes(request.kind, entry.data)


def of_node(request: Request, wanted: Identifier) -> Location:
    """By one of its addresses, looked at whichever the port: nodes say themselves where they are (CVE-2022-3294)."""
    _object(request, wanted.name)
    host, port = request.server.kubelets.endpoint(wanted.name)
    addresses.check(host)
    if wanted.port in ("", str(port)):
        return Location("https", host, str(port), kubelet=True)
    return Location(wanted.scheme or "http", host, _number(wanted))


def of_pod(request: Request, wanted: Identifier) -> Location:
    """By its first address; without a port, the first that a container names."""
    pod = _object(request, wanted.name)
    port = _number(wanted) if wanted.port else _first_port(pod)
    host = addresses.checked(pod.status.podIP if pod.status is not None else None)
    return Location(wanted.scheme or "http", host, port)


def of_service(request: Request, wanted: Identifier) -> Location:
    """By a ready endpoint that is an address of a pod in the service's own namespace."""
    service = _object(request, wanted.name)
    port = _port_name(service, wanted)
    server, namespace = request.server, request.target.namespace
    choices = list(_endpoints(server, namespace, wanted.name, port))
    if not choices:
        raise ServiceUnavailable(f'no endpoints available for service "{wanted.name}"')
    host, number = server.rng.choice(choices)
    addresses.check(host)
    return Location(wanted.scheme or "http", host, str(number))


def _endpoints(server: ApiServer, namespace: str, name: str, port: str) -> Iterator[tuple[str, int]]:
    entry = server.cache.resource("", "endpoints").get(namespace, name)
    endpoints = server.decoded(entry) if entry is not None else None
    for subset in (endpoints.subsets if endpoints is not None else None) or ():
        for one in subset.ports or ():
            if (one.name or "") == port:
                yield from ((a.ip, one.port) for a in subset.addresses or () if _is_own(server, namespace, a))


def _is_own(server: ApiServer, namespace: str, address: Any) -> bool:
    """Whether the address is one of the pod's that it says it is, and the pod in this namespace.

    Whoever may write endpoints could otherwise reach what they may not: other namespaces, and the machines around.
    """
    reference = address.targetRef
    if reference is None or reference.kind != "Pod" or reference.namespace != namespace:
        return False
    entry = server.cache.resource("", "pods").get(namespace, reference.name or "")
    status = server.decoded(entry).status if entry is not None else None
    return status is not None and address.ip in {one.ip for one in status.podIPs or ()} | {status.podIP}


def _port_name(service: Any, wanted: Identifier) -> str:
    """The name of the service's port: a number names one of them, a name is taken as it is."""
    if not wanted.port.isdigit():
        return wanted.port
    for port in (service.spec.ports if service.spec is not None else None) or ():
        if str(port.port) == wanted.port:
            return port.name or ""
    raise ServiceUnavailable(f'no service port {wanted.port} found for service "{wanted.name}"')


def _first_port(pod: Any) -> str:
    ports = (port.containerPort for container in pod.spec.containers or () for port in container.ports or ())
    return str(next(ports, ""))


def _number(wanted: Identifier) -> str:
    """Raises BadRequest for a port that is none."""
    if not (wanted.port.isascii() and wanted.port.isdigit() and 0 < int(wanted.port[:6]) < 65536):
        raise BadRequest(f'invalid port "{wanted.port}": want a number from 1 to 65535')
    return wanted.port


LOOKUPS: dict[str, Callable[[Request, Identifier], Location]] = {
    "nodes": of_node,
    "pods": of_pod,
    "services": of_service,
}
