"""What a pod's containers request together (KEP-2837, pod-level resources).

App containers and sidecars run side by side: their requests add up. Other init containers run one after another, each
beside the sidecars started before it: the largest such sum counts if it is larger.
"""

from __future__ import annotations

from typing import Any

from sampan.api.quantity import parse


def aggregated_requests(spec: Any) -> dict[str, str]:
    """Resource name -> canonical quantity, for resources that any container requests."""
    totals = [_requests(c) for c in spec.containers or ()]
    sidecars: list[dict[str, Any]] = []
    peaks: list[dict[str, Any]] = []
    for container in spec.initContainers or ():
        wanted = _requests(container)
        if container.restartPolicy == "Always":
            sidecars.append(wanted)
        else:
            peaks.append(_sum([*sidecars, wanted]))
    running = _sum(totals + sidecars)
    for peak in peaks:
        for name, amount in peak.items():
            if name not in running or running[name] < amount:
                running[name] = amount
    return {name: str(amount) for name, amount in running.items()}


def _requests(container: Any) -> dict[str, Any]:
    resources = container.resources
    return {n: parse(q) for n, q in ((resources.requests if resources else None) or {}).items()}


def _sum(parts: list[dict[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total[name] + amount if name in total else amount
    return total
