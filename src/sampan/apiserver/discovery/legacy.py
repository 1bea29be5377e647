"""The discovery documents that every client understands: /api, /apis, /apis/<group>, /apis/<group>/<version>."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampan.api.registry import Kind, Registry, Subresource
from sampan.apiserver.discovery.tree import is_stored, storage_version_hash, tree
from sampan.codec import json


def api_versions(server_address: str) -> bytes:
    """GET /api; `server_address` is this server's host:port as clients reach it."""
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}]
    return json.encode({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where})


def group_list(registry: Registry) -> bytes:
    """GET /apis: every named group."""
    groups = [_group(name, list(versions)) for name, versions in tree(registry).items() if name]
    return json.encode({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


def group(registry: Registry, name: str) -> bytes:
    """GET /apis/<group>; KeyError when there is none."""
    return json.encode({"kind": "APIGroup", "apiVersion": "v1"} | _group(name, list(tree(registry)[name])))


def resource_list(registry: Registry, group: str, version: str) -> bytes:
    """GET /apis/<group>/<version> and, with group "", GET /api/<version>; KeyError when there is none."""
    kinds = tree(registry)[group][version]
    head: dict[str, Any] = {"kind": "APIResourceList"}
    if group:
        head["apiVersion"] = "v1"
    head["groupVersion"] = f"{group}/{version}" if group else version
    return json.encode(head | {"resources": [r for k in kinds for r in _resources(registry, k)]})


def _group(name: str, versions: list[str]) -> dict[str, Any]:
    offered = [{"groupVersion": f"{name}/{v}", "version": v} for v in versions]
    return {"name": name, "versions": offered, "preferredVersion": offered[0]}


def _resources(registry: Registry, kind: Kind) -> Iterator[dict[str, Any]]:
    resource: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if is_stored(kind):
        resource["storageVersionHash"] = storage_version_hash(registry, kind)
    yield resource
    for name in sorted(kind.subresources):
        yield _subresource(kind, kind.subresources[name])


def _subresource(kind: Kind, sub: Subresource) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
    }
    if sub.group:
        resource |= {"group": sub.group, "version": sub.version}
    return resource | {"kind": sub.kind, "verbs": list(sub.verbs)}
