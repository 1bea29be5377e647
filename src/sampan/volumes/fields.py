"""What a pod can be told of itself: `fieldRef` and `resourceFieldRef`, for environment variables and files alike.

("Downward API" in upstream's docs: available fields.)
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sampan.api import quantity
from sampan.volumes.errors import VolumeError

KEYED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
LIMIT_DEFAULTS = ("cpu", "memory", "ephemeral-storage")


def field_value(pod: Any, path: str, *, host_ips: Sequence[str] = (), pod_ips: Sequence[str] = ()) -> str:
    """The text of a field of the pod; raises VolumeError for one that is not offered."""
    if match := KEYED.fullmatch(path):
        return (getattr(pod.metadata, match[1]) or {}).get(match[2], "")
    values = {
        "metadata.name": pod.metadata.name,
        "metadata.namespace": pod.metadata.namespace,
        "metadata.uid": pod.metadata.uid,
        "metadata.labels": pairs(pod.metadata.labels),
        "metadata.annotations": pairs(pod.metadata.annotations),
        "spec.nodeName": pod.spec.nodeName,
        "spec.serviceAccountName": pod.spec.serviceAccountName,
        "status.hostIP": next(iter(host_ips), ""),
        "status.hostIPs": ",".join(host_ips),
        "status.podIP": next(iter(pod_ips), ""),
        "status.podIPs": ",".join(pod_ips),
    }
    if path not in values:
        raise VolumeError(f"unsupported fieldPath: {path}")
    return values[path] or ""


def pairs(mapping: Mapping[str, str] | None) -> str:
    """Labels or annotations as a file shows them: `key="value"`, sorted, a line each, quoted as Go quotes."""
    return "\n".join(f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in sorted((mapping or {}).items()))


def resource_value(container: Any, reference: Any, allocatable: Mapping[str, str] | None) -> str:
    """A request or limit of a container in units of the divisor, rounded up.

    A limit that is not set is what the node has to give.
    """
    which, _, name = reference.resource.partition(".")
    given = (getattr(container.resources, which, None) if container.resources else None) or {}
    amount = given.get(name)
    if amount is None and which == "limits" and name in LIMIT_DEFAULTS:
        amount = (allocatable or {}).get(name)
    divisor = quantity.parse(reference.divisor or "1").value or 1
    return str(math.ceil(quantity.parse(amount if amount is not None else "0").value / divisor))
