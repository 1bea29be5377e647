"""OpenAPI v2 (Swagger): one document for everything."""

from __future__ import annotations

from typing import Any

from sampan.api.registry import Registry
from sampan.apiserver.discovery.tree import tree
from sampan.apiserver.openapi import definitions, operations, streaming
from sampan.apiserver.openapi.operations import Operation, Paths
from sampan.apiserver.openapi.parameters import PARAMETERS, find
from sampan.apiserver.openapi.streaming import Members

SECURITY = {
    "BearerToken": {
        "description": "Bearer Token authentication",
        "in": "header",
        "name": "authorization",
        "type": "apiKey",
    }
}
INFO = {"title": "Kubernetes", "version": "unversioned"}
UNAUTHORIZED = {"401": {"description": "Unauthorized"}}
# kubectl before 1.27 looks for these in the operation itself, not behind a reference, before it asks for a dry run.
SPELLED_OUT = frozenset({"dryRun", "fieldValidation"})
ANSWERS = {"200": "OK", "201": "Created", "202": "Accepted"}


def document(registry: Registry) -> bytes:
    """GET /openapi/v2 as JSON; several megabytes, so keep it compressed."""
    return streaming.encode(build(registry))


def build(registry: Registry) -> dict[str, Any]:
    """The document; its paths and definitions come one at a time."""
    found, source = all_paths(registry), definitions.Source()
    return {
        "swagger": "2.0",
        "info": INFO,
        "paths": Members(lambda: ((path, path_item(found[path])) for path in sorted(found))),
        "definitions": Members(lambda: ((name, definitions.for_v2(source.described(name))) for name in source.names())),
        "parameters": {_reference(key): _parameter(key) for key in sorted(PARAMETERS)},
        "securityDefinitions": SECURITY,
        "security": [{"BearerToken": []}],
    }


def all_paths(registry: Registry) -> Paths:
    """Every path of every group."""
    found = operations.root("api") | operations.root("apis") | operations.root("version")
    for group, versions in tree(registry).items():
        if group:
            found |= operations.root(f"apis/{group}")
        for version in versions:
            found |= operations.group_version(registry, group, version)
    return found


def path_item(found: list[Operation]) -> dict[str, Any]:
    """The operations of a path; parameters that all share stand beside them."""
    shared = shared_parameters(found)
    item: dict[str, Any] = {o.method: _operation(o, shared) for o in found}
    if shared:
        item["parameters"] = [_use(key) for key in shared]
    return item


def shared_parameters(found: list[Operation]) -> list[str]:
    common = set(found[0].parameters).intersection(*(o.parameters for o in found))
    return sorted(common, key=_order)


def _order(key: str) -> tuple[str, str]:
    parameter = find(key)
    return parameter.name, parameter.place


def _operation(operation: Operation, shared: list[str]) -> dict[str, Any]:
    own = [_use(key) for key in sorted(operation.parameters, key=_order) if key not in shared]
    if operation.body:
        own.insert(0, _body(operation))
    item: dict[str, Any] = {
        "description": operation.description,
        "consumes": list(operation.consumes),
        "produces": list(operation.produces),
        "schemes": ["https"],
        "tags": [operation.tag],
        "operationId": operation.id,
        "responses": {code: _answer(code, name) for code, name in operation.answers.items()} | UNAUTHORIZED,
    }
    if own:
        item["parameters"] = own
    return item | extensions(operation)


def extensions(operation: Operation) -> dict[str, Any]:
    """What kubectl and client generators read: which kind, and what is done to it."""
    if operation.kind is None:
        return {}
    group, version, kind = operation.kind
    return {
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
    }


def _answer(code: str, name: str) -> dict[str, Any]:
    return {"description": ANSWERS[code], "schema": _schema(name)}


def _schema(name: str) -> dict[str, Any]:
    return {"type": "string"} if name == operations.TEXT else {"$ref": f"#/definitions/{name}"}


def _body(operation: Operation) -> dict[str, Any]:
    body: dict[str, Any] = {"in": "body", "name": "body", "schema": _schema(operation.body)}
    return body | ({"required": True} if operation.body_required else {})


def _use(key: str) -> dict[str, Any]:
    if key in PARAMETERS and find(key).name not in SPELLED_OUT:
        return {"$ref": f"#/parameters/{_reference(key)}"}
    return _parameter(key)


def _reference(key: str) -> str:
    return key.replace("/", "-")


def _parameter(key: str) -> dict[str, Any]:
    parameter = find(key)
    found: dict[str, Any] = {
        "description": parameter.description,
        "in": parameter.place,
        "name": parameter.name,
        "type": parameter.type,
        "uniqueItems": True,
    }
    return found | ({"required": True} if parameter.place == "path" else {})
