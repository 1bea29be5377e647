"""Everything that is no object: discovery, OpenAPI, version, health, metrics, the index of paths.

Documents about the API are made from the registry when first asked for, and kept until it changes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from sampan.api.errors import NotFound
from sampan.apiserver import version
from sampan.apiserver.auth import discovery
from sampan.apiserver.exposition import CONTENT_TYPE
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.request import Request

if TYPE_CHECKING:
    from sampan.apiserver.openapi.documents import Document
    from sampan.apiserver.openapi.documents import Documents as OpenApi
    from sampan.apiserver.server import ApiServer

JSON = b"application/json"
PROTOBUF = b"application/com.github.proto-openapi.spec.v2"
TEXT = b"text/plain; charset=utf-8"
NOT_FOUND = "the server could not find the requested resource"
PAGE_NOT_FOUND = b"404 page not found\n"


class Documents:
    """Answers by path."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._kept: dict[tuple[str, str], bytes] = {}
        self._openapi_documents: OpenApi | None = None
        self._fixed: dict[str, Callable[[Request], Response]] = {
            "/version": lambda request: self._json(request, "version", version.document),
            "/metrics": lambda request: Response(200, server.metrics.exposition(), CONTENT_TYPE),
            "/statusz": lambda request: Response(200, msgspec.json.encode(server.statistics())),
            "/api": self._discovery,
            "/apis": self._discovery,
            "/": self._index,
            discovery.CONFIGURATION: self._issuer,
            discovery.KEYS: self._keys,
        }

    def _issuer(self, request: Request) -> Response:
        server = self._server
        issuing = server.authentication.service_accounts
        address = issuing.jwks_uri or f"https://{server.bootstrap.advertised()}{discovery.KEYS}"
        document = discovery.configuration(issuing.issuer, address, server.token_keys().public())
        return Response(200, msgspec.json.encode(document), headers=[discovery.KEPT])

    def _keys(self, request: Request) -> Response:
        document = discovery.key_set(self._server.token_keys().public())
        return Response(200, msgspec.json.encode(document), discovery.KEYS_TYPE, [discovery.KEPT])

    def forget(self) -> None:
        """The registry has changed."""
        self._kept.clear()
        self._openapi_documents = None

    def answer(self, request: Request) -> Response | Awaitable[Response]:
        """Raises NotFound in upstream's forms."""
        path = request.target.path
        if request.exchange.method not in ("GET", "HEAD"):
            return self._missing(request)
        plain = path.rstrip("/") or "/"
        fixed = self._fixed.get(plain)
        if fixed is not None:
            return fixed(request)
        health = self._server.health.answer(request)
        if health is not None:
            return health
        if path.startswith("/openapi/"):
            return self._openapi(request, plain)
        parts = plain.strip("/").split("/")
        if parts[0] == "api" and len(parts) == 2:
            return self._resources(request, "", parts[1])
        if parts[0] == "apis" and len(parts) == 2:
            return self._group(request, parts[1])
        if parts[0] == "apis" and len(parts) == 3:
            return self._resources(request, parts[1], parts[2])
        return self._missing(request)

    def _missing(self, request: Request) -> Response:
        target = request.target
        if target.plural and (not target.group or self._server.routes.has_group(target.group)):
            raise NotFound(NOT_FOUND, details={})
        return Response(404, PAGE_NOT_FOUND, TEXT)

    def _keep(self, name: str, variant: str, make: Callable[[], bytes]) -> bytes:
        kept = self._kept.get((name, variant))
        if kept is None:
            kept = self._kept[name, variant] = make()
        return kept

    def _json(self, request: Request, name: str, make: Callable[[], bytes], content_type: bytes = JSON) -> Response:
        from sampan.apiserver.answers import finish

        response = finish(request, self._keep(name, "", make), request.form, 200)
        if content_type is not JSON:
            response.content_type = content_type
        return response

    # discovery

    def _discovery(self, request: Request) -> Response:
        from sampan.apiserver.discovery import aggregated, legacy

        core = request.target.path.rstrip("/") == "/api"
        aggregated_version = _aggregated(request.exchange.headers.get(b"accept", b""))
        registry = self._server.registry
        if aggregated_version:
            make = aggregated.core if core else aggregated.groups
            data = self._keep("aggregated", f"{core}{aggregated_version}", lambda: make(registry, aggregated_version))
            content_type = (
                f"application/json;g=apidiscovery.k8s.io;v={aggregated_version};as=APIGroupDiscoveryList".encode()
            )
            etag = aggregated.etag(data).encode()
            return _tagged(request, data, content_type, etag)
        if core:
            address = self._server.bootstrap.advertised()
            return self._json(request, "/api", lambda: legacy.api_versions(address))
        return self._json(request, "/apis", lambda: legacy.group_list(registry))

    def _group(self, request: Request, group: str) -> Response:
        from sampan.apiserver.discovery import legacy

        if not self._server.routes.has_group(group) or not group:
            return Response(404, PAGE_NOT_FOUND, TEXT)
        return self._json(request, f"/apis/{group}", lambda: legacy.group(self._server.registry, group))

    def _resources(self, request: Request, group: str, version_: str) -> Response:
        from sampan.apiserver.discovery import legacy

        registry = self._server.registry
        if not any(kind.group == group and kind.version == version_ for kind in registry.kinds()):
            if group and not self._server.routes.has_group(group):
                return Response(404, PAGE_NOT_FOUND, TEXT)
            raise NotFound(NOT_FOUND, details={})
        return self._json(request, f"/apis/{group}/{version_}", lambda: legacy.resource_list(registry, group, version_))

    # OpenAPI

    async def _openapi(self, request: Request, path: str) -> Response:
        """Made in a thread when it is not there yet: the larger documents take a second. Raises NotFound."""
        form = request.exchange.headers.get(b"accept", b"")
        try:
            document = await asyncio.to_thread(self._described, path.lstrip("/"), PROTOBUF in form)
        except KeyError:
            raise NotFound(NOT_FOUND, details={}) from None
        wanted = request.target.parameters.get("hash")
        etag = document.etag.strip('"')
        if wanted and wanted != etag:
            moved = f"{path}?hash={etag}".encode()
            return Response(301, b"", TEXT, [(b"Location", moved)])
        headers = [(b"ETag", document.etag.encode()), (b"Vary", b"Accept-Encoding, Accept")]
        content_type = document.content_type.encode()
        if request.exchange.headers.get(b"if-none-match", b"").strip() == document.etag.encode():
            return Response(304, b"", content_type, headers)
        if b"gzip" in request.exchange.headers.get(b"accept-encoding", b""):
            return Response(200, document.compressed, content_type, [*headers, (b"Content-Encoding", b"gzip")])
        return Response(200, document.data, content_type, headers)

    def _described(self, path: str, protobuf: bool) -> Document:
        if self._openapi_documents is None:
            from sampan.apiserver.openapi.documents import Documents as OpenApi

            self._openapi_documents = OpenApi(self._server.registry)
        return self._openapi_documents.find(path, protobuf=protobuf)

    def _index(self, request: Request) -> Response:
        if request.target.path != "/":
            return self._missing(request)
        return self._json(request, "/", lambda: msgspec.json.encode({"paths": self.paths()}))

    def paths(self) -> list[str]:
        """Every path that answers a GET and is no object's."""
        found = {
            "/api",
            "/apis",
            "/metrics",
            "/openapi/v2",
            "/openapi/v3",
            "/statusz",
            "/version",
            *self._server.health.paths(),
        }
        if self._server.config.service_account_key is not None:
            found |= {discovery.CONFIGURATION, discovery.KEYS}
        for kind in self._server.registry.kinds():
            if kind.group:
                found |= {f"/apis/{kind.group}", f"/apis/{kind.group}/{kind.version}"}
            else:
                found.add(f"/api/{kind.version}")
        return sorted(found)


def _aggregated(accept: bytes) -> str:
    """The version of aggregated discovery that comes first in Accept, "" when the plain form is wanted."""
    for clause in accept.decode("latin-1").split(","):
        options = dict(part.strip().split("=", 1) for part in clause.split(";")[1:] if "=" in part)
        if clause.split(";")[0].strip() not in ("application/json", "*/*"):
            continue
        if options.get("g") == "apidiscovery.k8s.io" and options.get("as") == "APIGroupDiscoveryList":
            if options.get("v") in ("v2", "v2beta1"):
                return options["v"]
            continue
        return ""
    return ""


def _tagged(request: Request, data: bytes, content_type: bytes, etag: bytes) -> Response:
    """200 with an ETag, or 304 when the client has it (RFC 9110, 13.1.2)."""
    quoted = etag if etag.startswith(b'"') else b'"%b"' % etag
    headers = [(b"ETag", quoted), (b"Vary", b"Accept")]
    if request.exchange.headers.get(b"if-none-match", b"").strip() == quoted:
        return Response(304, b"", content_type, headers)
    return Response(200, data, content_type, headers)
