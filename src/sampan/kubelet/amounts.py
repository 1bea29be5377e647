"""How much of each resource a whole pod asks for or may use: pure.

Init containers run before the others and sidecars beside them, so a pod needs the larger of what its greatest init
container and what all that runs together need; its overhead is added (KEP-753). What the pod itself names overrides the
sum of its containers for that resource (KEP-2837).
"""

from __future__ import annotations

from typing import Any, Literal

from sampan.api import quantity
from sampan.api.quantity import Quantity
from sampan.api.quota import usage
from sampan.kubelet.spec import all_containers

Side = Literal["requests", "limits"]


def pod_amounts(pod: Any, side: Side) -> dict[str, Quantity]:
    """The pod's requests or limits by resource, its overhead included."""
    return usage.requests(pod, side)


def milli_cpu(amounts: dict[str, Quantity]) -> int:
    return amounts["cpu"].milli if "cpu" in amounts else 0


def in_bytes(amounts: dict[str, Quantity], name: str = "memory") -> int:
    return amounts[name].units if name in amounts else 0


def is_limited(pod: Any, name: str) -> bool:
    """Whether everything in the pod is held to a limit of that resource: the pod itself, or each of its containers."""
    if pod_level(pod, "limits", name) is not None:
        return True
    return all(quantity.units(container_amount(c, "limits", name)) > 0 for c in all_containers(pod))


def pod_level(pod: Any, side: Side, name: str) -> Any:
    """The amount that the pod itself names; None when it names none."""
    listed = getattr(pod.spec.resources, side, None) if pod.spec.resources else None
    return (listed or {}).get(name)


def container_amount(container: Any, side: Side, name: str) -> Any:
    """The amount that a container names; None when it names none."""
    listed = getattr(container.resources, side, None) if container.resources else None
    return (listed or {}).get(name)
