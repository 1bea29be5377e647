"""Which requests go where: a plain function of Ingresses, Services, EndpointSlices and Secrets.

A host stated exactly comes before a wildcard, which stands for one label; a rule without host is for all other hosts.
Within a host the longest path wins, and of equal ones the exact. `Prefix` is by whole elements: /foo is for /foo, /foo/
and /foo/bar, not for /foobar; `ImplementationSpecific` is taken as `Prefix`. What no path is for goes to the default
backend. Of two Ingresses that claim the same host and path the older one has it.

What is written into haproxy's files is looked at here, whoever let it into the API: a path with a line break in it
would be another Ingress's entry, and one certificate that is none would keep all changes from everybody. It is left
out, and its owner told.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sampan.api.names import port_name, subdomain
from sampan.api.validation.networking import host_name
from sampan.network.ingress.certificate import unfit
from sampan.network.proxy.model import Endpoint, Viewpoint, service_endpoints

CONTROLLER = "sampan.dev/ingress"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
CLASS_ANNOTATION = "kubernetes.io/ingress.class"
REQUESTABLE = re.compile(r"/[!-~]*")
"""Paths that a request can have (RFC 9112, 3.2): no blanks, control characters or letters that are not ASCII."""


class Path(NamedTuple):
    """A path of a host. `path` has no slash at its end unless it is exact or the root."""

    path: str
    exact: bool
    backend: str


@dataclass(frozen=True, slots=True)
class Host:
    """`name` is "" for all other hosts, `*.example.org` for a wildcard."""

    name: str
    paths: tuple[Path, ...]


class Certificate(NamedTuple):
    """`pem`: certificates and key; `hosts`: for which names it is shown, none for those it is made out to."""

    name: str
    pem: bytes
    hosts: tuple[str, ...]


class Problem(NamedTuple):
    """What of an Ingress is left out, and why, for a person."""

    ingress: Any
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Routing:
    """`backends`: endpoints by the backend's name; `default` is a backend's name, "" for none."""

    hosts: tuple[Host, ...] = ()
    backends: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    default: str = ""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Sources:
    """Where the objects that Ingresses name are found, by `namespace/name`; None when there is no such. `unreachable`:
    nodes that do not answer, whose endpoints are used only where there are no others."""

    service: Callable[[str], Any]
    slices: Callable[[str], Iterable[Any]]
    secret: Callable[[str], Any]
    unreachable: frozenset[str] = frozenset()


def ours(ingress: Any, classes: Iterable[Any]) -> bool:
    """Whether it is for us: its class is one of ours, or it has none and the default class is."""
    mine = {one.metadata.name: one for one in classes if one.spec is not None and one.spec.controller == CONTROLLER}
    given = ingress.spec.ingressClassName or (ingress.metadata.annotations or {}).get(CLASS_ANNOTATION)
    if given is not None:
        return given in mine
    return any((one.metadata.annotations or {}).get(DEFAULT_CLASS) == "true" for one in mine.values())


def routing(ingresses: Iterable[Any], sources: Sources) -> Routing:
    """What to do for these Ingresses, all of which are ours."""
    ordered = sorted(ingresses, key=lambda one: (one.metadata.creationTimestamp or "", _key(one, one.metadata.name)))
    collected = _Collected(sources)
    for ingress in ordered:
        collected.add(ingress)
    return collected.routing()


class _Collected:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._paths: dict[str, dict[tuple[str, bool], Path]] = {}
        self._backends: dict[str, tuple[Endpoint, ...]] = {}
        self._secrets: dict[str, set[str]] = {}
        self._users: dict[str, Any] = {}
        self._problems: list[Problem] = []
        self._default = ""

    def add(self, ingress: Any) -> None:
        spec = ingress.spec
        if spec.defaultBackend is not None:
            name = self._backend(ingress, spec.defaultBackend)
            self._default = self._default or name
        for rule in spec.rules or ():
            if self._named_well(ingress, rule.host):
                self._add_paths(ingress, (rule.host or "").lower(), rule.http)
        for tls in spec.tls or ():
            if tls.secretName and self._secret_named_well(ingress, tls.secretName):
                key = _key(ingress, tls.secretName)
                self._users.setdefault(key, ingress)
                hosts = self._secrets.setdefault(key, set())
                hosts.update(host.lower() for host in tls.hosts or () if self._named_well(ingress, host))

    def _add_paths(self, ingress: Any, host: str, http: Any) -> None:
        paths = self._paths.setdefault(host, {})
        for given in (http.paths if http is not None else None) or ():
            if REQUESTABLE.fullmatch(given.path or "/") is None:
                text = f"path {given.path!r} is left out: no request has it, write blanks and the like as %20"
                self._tell(ingress, "InvalidPath", text)
                continue
            found = _path(given, self._backend(ingress, given.backend))
            paths.setdefault((found.path, found.exact), found)

    def routing(self) -> Routing:
        hosts = tuple(Host(name, tuple(sorted(paths.values()))) for name, paths in sorted(self._paths.items()))
        certificates = tuple(self._certificates())
        backends = dict(sorted(self._backends.items()))
        return Routing(hosts, backends, certificates, self._default, tuple(self._problems))

    def _tell(self, ingress: Any, reason: str, message: str) -> None:
        self._problems.append(Problem(ingress, reason, message))

    def _named_well(self, ingress: Any, host: str | None) -> bool:
        if host and host_name(host.lower()):
            self._tell(ingress, "InvalidHost", f"host {host!r} is left out: it is no DNS name")
            return False
        return True

    def _secret_named_well(self, ingress: Any, name: str) -> bool:
        if subdomain(name):
            self._tell(ingress, "InvalidSecret", f"secret {name!r} is left out: no secret has such a name")
            return False
        return True

    def _backend(self, ingress: Any, backend: Any) -> str:
        """The backend's name; one that cannot be had is there without endpoints, so that requests get 503."""
        reference = backend.service
        if reference is None:
            self._tell(ingress, "UnsupportedBackend", "a resource backend answers 503 here: name a service")
            return self._named("none", ())
        port = reference.port
        if subdomain(reference.name) or (port is not None and port.name and port_name(port.name)):
            self._tell(ingress, "InvalidBackend", f"backend {reference.name!r} answers 503: no service has such a name")
            return self._named("none", ())
        asked = (port.name or port.number) if port is not None else ""
        key = _key(ingress, reference.name)
        name = f"{key}/{asked}".replace("/", ":")
        return self._named(name, self._endpoints(key, asked))

    def _named(self, name: str, endpoints: tuple[Endpoint, ...]) -> str:
        self._backends[name] = endpoints
        return name

    def _endpoints(self, key: str, asked: str | int | None) -> tuple[Endpoint, ...]:
        service = self._sources.service(key)
        if service is None:
            return ()
        port = next((one for one in service.spec.ports or () if asked in (one.name, one.port)), None)
        view = Viewpoint("", unreachable=self._sources.unreachable)
        return service_endpoints(port, self._sources.slices(key), view) if port is not None else ()

    def _certificates(self) -> Iterator[Certificate]:
        for key, hosts in sorted(self._secrets.items()):
            parts = parts_of(self._sources.secret(key))
            if problem := unfit(*parts) if parts else "there is no such secret of type kubernetes.io/tls":
                self._tell(self._users[key], "InvalidSecret", f"secret {key} is not used for TLS: {problem}")
            else:
                yield Certificate(key.replace("/", ":"), b"\n".join([*parts, b""]), tuple(sorted(hosts)))


def parts_of(secret: Any) -> tuple[bytes, bytes] | tuple[()]:
    """Certificates and key of a Secret of type kubernetes.io/tls; () when it has not both."""
    data = (secret.data if secret is not None else None) or {}
    try:
        certificates, key = (base64.b64decode(data[name], validate=True).strip() for name in ("tls.crt", "tls.key"))
    except (KeyError, TypeError, binascii.Error):
        return ()
    return certificates, key


def _path(given: Any, backend: str) -> Path:
    path = given.path or "/"
    if given.pathType == "Exact":
        return Path(path, True, backend)
    return Path(path.rstrip("/") or "/", False, backend)


def _key(ingress: Any, name: str) -> str:
    return f"{ingress.metadata.namespace}/{name}"
