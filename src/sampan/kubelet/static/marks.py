"""The annotations that tell where a pod comes from: pure ("Static Pods")."""

from __future__ import annotations

from typing import Any

SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
SEEN = "kubernetes.io/config.seen"
MIRROR = "kubernetes.io/config.mirror"
API = "api"


def is_static(pod: Any) -> bool:
    """Whether the pod comes from a file or a URL of this node."""
    return (pod.metadata.annotations or {}).get(SOURCE, API) != API


def is_mirror(pod: Any) -> bool:
    """Whether the pod is only a static pod's image in the API."""
    return MIRROR in (pod.metadata.annotations or {})
