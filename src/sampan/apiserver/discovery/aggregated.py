"""Aggregated discovery (KEP-3352): everything about all groups in one answer, with an ETag.

Served at /api and /apis to clients that ask for `g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList`. A response kind
without group and version is in the group and version it is listed under.
"""

from __future__ import annotations

import hashlib
from typing import Any

from sampan.api.registry import Kind, Registry, Subresource
from sampan.apiserver.discovery.tree import tree
from sampan.codec import json

CONTENT_TYPE = "application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList"
VERSIONS = ("v2", "v2beta1")


def core(registry: Registry, version: str = "v2") -> bytes:
    """GET /api: the core group alone; `version` is that of the document, one of VERSIONS."""
    return _document(version, [_group(n, v) for n, v in tree(registry).items() if not n])


def groups(registry: Registry, version: str = "v2") -> bytes:
    """GET /apis: all named groups."""
    return _document(version, [_group(n, v) for n, v in tree(registry).items() if n])


def etag(document: bytes) -> str:
    """The value of the ETag header, quotes included: it changes when and only when the document does."""
    return f'"{hashlib.sha512(document).hexdigest().upper()}"'


def _document(version: str, items: list[dict[str, Any]]) -> bytes:
    head = {"kind": "APIGroupDiscoveryList", "apiVersion": f"apidiscovery.k8s.io/{version}", "metadata": {}}
    return json.encode(head | {"items": items})


def _group(name: str, versions: dict[str, list[Kind]]) -> dict[str, Any]:
    described = [
        {"version": version, "resources": [_resource(k) for k in kinds], "freshness": "Current"}
        for version, kinds in versions.items()
    ]
    return {"metadata": {"name": name} if name else {}, "versions": described}


def _resource(kind: Kind) -> dict[str, Any]:
    resource: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": {"group": "", "version": "", "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": list(kind.verbs),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.categories:
        resource["categories"] = list(kind.categories)
    if kind.subresources:
        resource["subresources"] = [_subresource(kind.subresources[n]) for n in sorted(kind.subresources)]
    return resource


def _subresource(sub: Subresource) -> dict[str, Any]:
    group, version = (sub.group, sub.version) if sub.group else ("", "")
    return {
        "subresource": sub.name,
        "responseKind": {"group": group, "version": version, "kind": sub.kind},
        "verbs": list(sub.verbs),
    }
