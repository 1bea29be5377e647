"""Warnings that go with a kind, or with a way of deleting it, whatever the object says.

https://kubernetes.io/docs/reference/using-api/deprecation-guide/
"""

from __future__ import annotations

from typing import Any

from sampan.api.registry import Kind

KINDS: dict[tuple[str, str, str], str] = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
}
JOBS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


def on_delete(kind: Kind, options: Any) -> str | None:
    """What to warn of when an object of the kind is deleted with these options."""
    silent = options.propagationPolicy is not None or options.orphanDependents is not None
    return JOBS if (kind.group, kind.plural) == ("batch", "jobs") and not silent else None
