"""How much of each resource a pod asks for, as whole numbers in the columns of the node table.

A pod's request is the larger of what its app containers use together and what its init containers use one at a time,
sidecars (init containers with restartPolicy Always) counting from their start on, plus the overhead; resources set on
the pod itself win over its containers' (KEP-753, KEP-2837). CPU is in millicores, everything else in whole units,
both rounded up.

Scores see a second figure for CPU and memory, in which a container without a request counts as 100m and 200 MiB, so
that pods that ask for nothing still spread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sampan.api import quantity
from sampan.scheduler.interning import Interner

CPU, MEMORY, EPHEMERAL_STORAGE, PODS, SCORED_CPU, SCORED_MEMORY = range(6)
FIXED = ("cpu", "memory", "ephemeral-storage", "pods", " scored cpu", " scored memory")
"""The resources of the first columns; the names with a space are none a node could have."""

SCORED_DEFAULTS = {"cpu": 100, "memory": 200 * 1024 * 1024}
POD_LEVEL = ("cpu", "memory")

Amounts = dict[str, int]


def columns() -> Interner[str]:
    """The resources of a table's columns; extended resources join as they are seen."""
    return Interner(*FIXED)


def amount(resource: str, text: quantity.Text) -> int:
    """Millicores of cpu, whole units of anything else; raises QuantityError."""
    return quantity.milli(text) if resource == "cpu" else quantity.units(text)


def amounts(given: dict[str, quantity.Text] | None) -> Amounts:
    return {resource: amount(resource, text) for resource, text in (given or {}).items()}


def pod_requests(spec: Any) -> Amounts:
    """What a `core_v1.PodSpec` asks for, by resource name."""
    return _total(spec, _container)


def scored_requests(spec: Any) -> tuple[int, int]:
    """CPU (millicores) and memory (bytes) as scores see them."""
    total = _total(spec, _scored_container)
    return total["cpu"], total["memory"]


def _total(spec: Any, of: Callable[[Any], Amounts]) -> Amounts:
    total = _sum(of(container) for container in spec.containers or ())
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.initContainers or ():
        wants = of(container)
        if container.restartPolicy == "Always":
            sidecars = _sum((sidecars, wants))
            total = _sum((total, wants))
            peak = _largest(peak, sidecars)
        else:
            peak = _largest(peak, _sum((sidecars, wants)))
    total = _largest(total, peak)
    if spec.resources is not None:
        whole = amounts(spec.resources.requests)
        total.update({r: a for r, a in whole.items() if r in POD_LEVEL or r.startswith("hugepages-")})
    return _sum((total, amounts(spec.overhead)))


def _container(container: Any) -> Amounts:
    return amounts(container.resources.requests) if container.resources is not None else {}


def _scored_container(container: Any) -> Amounts:
    return {**SCORED_DEFAULTS, **_container(container)}


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for resource, value in part.items():
            total[resource] = total.get(resource, 0) + value
    return total


def _largest(a: Amounts, b: Amounts) -> Amounts:
    return {resource: max(a.get(resource, 0), b.get(resource, 0)) for resource in a.keys() | b.keys()}
