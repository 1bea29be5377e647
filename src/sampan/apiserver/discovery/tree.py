"""The registry as discovery sees it: groups, each with its versions, each with its kinds."""

from __future__ import annotations

import base64
import hashlib

from sampan.api.registry import Kind, Registry

Tree = dict[str, dict[str, list[Kind]]]


def tree(registry: Registry) -> Tree:
    """group -> version -> kinds: groups and versions in the registry's order, kinds by name."""
    found: Tree = {}
    for kind in registry.kinds():
        found.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
    for versions in found.values():
        for kinds in versions.values():
            kinds.sort(key=lambda k: k.plural)
    return found


def is_stored(kind: Kind) -> bool:
    """Whether objects of the kind are kept: reviews and component statuses are only ever answers."""
    return "update" in kind.verbs or "delete" in kind.verbs


def storage_version_hash(registry: Registry, kind: Kind) -> str:
    """Eight bytes of the SHA-256 of "group/version/Kind" as stored, base64: equal hashes mean one stored form
    (API reference, APIResource.storageVersionHash)."""
    group, _, version = kind.stored
    digest = hashlib.sha256(f"{group}/{version}/{registry.stored(kind).kind}".encode()).digest()
    return base64.b64encode(digest[:8]).decode()
