"""What resources a server has: aggregated discovery (KEP-3352), two requests whatever the number of groups."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any, Protocol

import msgspec

from sampan.client.interface import Resource, ServerResource

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"


class Raw(Protocol):
    def __call__(self, method: str, path: str, *, accept: str) -> Awaitable[bytes]: ...


async def discover(raw: Raw) -> list[ServerResource]:
    """Every resource once, in the version its group lists first; falls back to one request a group version."""
    found: list[ServerResource] = []
    for root in ("/api", "/apis"):
        document = msgspec.json.decode(await raw("GET", root, accept=AGGREGATED))
        if document.get("kind") == "APIGroupDiscoveryList":
            found += from_aggregated(document)
        else:
            found += await _one_by_one(raw, root, document)
    return found


def from_aggregated(document: dict[str, Any]) -> Iterator[ServerResource]:
    for group in document.get("items", []):
        name = group.get("metadata", {}).get("name", "")
        seen: set[str] = set()
        for version in group.get("versions", []):
            if version.get("freshness") == "Stale":
                continue
            for entry in version.get("resources", []):
                plural = entry["resource"]
                if plural in seen:
                    continue
                seen.add(plural)
                kind = entry.get("responseKind", {}).get("kind", "")
                resource = Resource(name, version["version"], plural, entry.get("scope") == "Namespaced", kind)
                yield ServerResource(resource, frozenset(entry.get("verbs", [])))


async def _one_by_one(raw: Raw, root: str, document: dict[str, Any]) -> list[ServerResource]:
    """Discovery as it was before KEP-3352."""
    if root == "/api":
        group_versions = [("", version) for version in document.get("versions", [])]
    else:
        group_versions = [
            (group["name"], version["version"]) for group in document["groups"] for version in group["versions"]
        ]
    found: dict[tuple[str, str], ServerResource] = {}
    for group, version in group_versions:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        listed = msgspec.json.decode(await raw("GET", path, accept="application/json"))
        for entry in listed.get("resources", []):
            if "/" not in entry["name"]:
                resource = Resource(group, version, entry["name"], entry["namespaced"], entry["kind"])
                found.setdefault((group, entry["name"]), ServerResource(resource, frozenset(entry["verbs"])))
    return list(found.values())
