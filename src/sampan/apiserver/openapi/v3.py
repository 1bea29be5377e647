"""OpenAPI v3 (KEP-2896): an index, and a document for each group and version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sampan.api import schema
from sampan.api.registry import Kind, Registry
from sampan.apiserver.discovery.tree import tree
from sampan.apiserver.openapi import definitions, operations, streaming
from sampan.apiserver.openapi.operations import Operation, Paths
from sampan.apiserver.openapi.parameters import find
from sampan.apiserver.openapi.streaming import Members
from sampan.apiserver.openapi.v2 import ANSWERS, INFO, SECURITY, UNAUTHORIZED, extensions, shared_parameters
from sampan.codec import json


def names(registry: Registry) -> list[str]:
    """What documents there are: "api", "api/v1", "apis/apps/v1", ..."""
    found = ["api", "apis", "version"]
    for group, versions in tree(registry).items():
        root = f"apis/{group}" if group else "api"
        found += ([root] if group else []) + [f"{root}/{version}" for version in versions]
    return sorted(found)


def index(registry: Registry) -> bytes:
    """GET /openapi/v3: where each document is, with the hash that changes when it does."""
    where = {n: {"serverRelativeURL": f"/openapi/v3/{n}?hash={fingerprint(registry, n)}"} for n in names(registry)}
    return json.encode({"paths": where})


def fingerprint(registry: Registry, name: str) -> str:
    """A hash of what a document is made from, so that it need not be made to be named; also its ETag, unquoted."""
    group, version = _group_version(name)
    digest = hashlib.sha512(f"{schema.fingerprint()}|{name}".encode())
    for kind in registry.kinds():
        if group is None or (kind.group == group and (not version or kind.version == version)):
            digest.update(_shape(kind).encode())
    return digest.hexdigest().upper()


def _shape(kind: Kind) -> str:
    subresources = [(s.name, s.kind, s.verbs) for s in kind.subresources.values()]
    return f"|{kind.api_version} {kind.kind} {kind.plural} {kind.namespaced} {kind.verbs} {subresources}"


def document(registry: Registry, name: str) -> bytes:
    """GET /openapi/v3/<name>; KeyError when there is none of that name."""
    if name not in names(registry):
        raise KeyError(name)
    return streaming.encode(build(registry, name))


def build(registry: Registry, name: str) -> dict[str, Any]:
    """The document; its paths and schemas come one at a time."""
    group, version = _group_version(name)
    paths: Paths = operations.group_version(registry, group or "", version) if version else operations.root(name)
    source = definitions.Source()
    schemas = source.closure({n for found in paths.values() for o in found for n in (o.body, *o.answers.values())})

    def described() -> Iterator[tuple[str, Any]]:
        return ((n, definitions.for_v3(n, source.described(n), group, version)) for n in schemas)

    components = {"schemas": Members(described)} if schemas else {}
    return {
        "openapi": "3.0.0",
        "info": INFO,
        "paths": Members(lambda: ((path, _path_item(paths[path])) for path in sorted(paths))),
        "components": Members(lambda: iter({**components, "securitySchemes": SECURITY}.items())),
    }


def _group_version(name: str) -> tuple[str | None, str]:
    """("apps", "v1") of "apis/apps/v1"; the version is "" and the group may be None for the documents above."""
    parts = name.split("/")
    if parts[0] == "api" and len(parts) == 2:
        return "", parts[1]
    if parts[0] == "apis" and len(parts) > 1:
        return parts[1], parts[2] if len(parts) == 3 else ""
    return None, ""


def _path_item(found: list[Operation]) -> dict[str, Any]:
    shared = shared_parameters(found)
    item: dict[str, Any] = {o.method: _operation(o, shared) for o in found}
    if shared:
        item["parameters"] = [_parameter(key) for key in shared]
    return item


def _operation(operation: Operation, shared: list[str]) -> dict[str, Any]:
    own = sorted((k for k in operation.parameters if k not in shared), key=lambda k: find(k).name)
    item: dict[str, Any] = {
        "description": operation.description,
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": {code: _answer(operation, code) for code in operation.answers} | UNAUTHORIZED,
    }
    if own:
        item["parameters"] = [_parameter(key) for key in own]
    if operation.body:
        body = {"content": _content(operation.consumes, operation.body)}
        item["requestBody"] = body | ({"required": True} if operation.body_required else {})
    return item | extensions(operation)


def _answer(operation: Operation, code: str) -> dict[str, Any]:
    return {"description": ANSWERS[code], "content": _content(operation.produces, operation.answers[code])}


def _content(formats: tuple[str, ...], name: str) -> dict[str, Any]:
    found = {"type": "string"} if name == operations.TEXT else {"$ref": f"#/components/schemas/{name}"}
    return {media: {"schema": found} for media in formats}


def _parameter(key: str) -> dict[str, Any]:
    parameter = find(key)
    found: dict[str, Any] = {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": {"type": parameter.type, "uniqueItems": True},
    }
    return found | ({"required": True} if parameter.place == "path" else {})
