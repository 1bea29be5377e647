"""/metrics/resource: what metrics-server reads. Pure. ("Node metrics data", resource metrics endpoint)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.stats.usage import ContainerUse, CpuUse, MemoryUse, PodUse

NANO = 1e-9


class Row(NamedTuple):
    """One metric: its name and kind, what it is, and its value of a CPU's or a memory's use."""

    name: str
    kind: str
    about: str
    of: Callable[[Any], float]


CPU = Row(
    "cpu_usage_seconds_total",
    "counter",
    "Cumulative cpu time consumed by the {} in core-seconds",
    lambda c: c.total * NANO,
)
MEMORY = (
    Row("memory_working_set_bytes", "gauge", "Current working set of the {} in bytes", lambda m: m.working_set),
    Row("swap_usage_bytes", "gauge", "Current swap usage of the {} in bytes.", lambda m: m.swap),
)
Use = tuple[dict[str, str], CpuUse | None, MemoryUse | None]


def families(
    node_cpu: CpuUse | None, node_memory: MemoryUse | None, pods: Sequence[PodUse], now: float
) -> list[Family]:
    """`now` is when all of it was measured, in seconds since the epoch."""
    containers = [(labels(pod, container), container) for pod in pods for container in pod.containers]
    started = [Sample(names, c.started) for names, c in containers if c.started]
    limits = [Sample(names, c.memory.swap_limit if c.memory else 0) for names, c in containers]
    return [
        *of("node", [({}, node_cpu, node_memory)], now),
        *of("container", [(names, c.cpu, c.memory) for names, c in containers], now),
        *of("pod", [(of_pod(pod), pod.cpu, pod.memory) for pod in pods], now),
        Family("container_swap_limit_bytes", "gauge", "Swap limit in bytes", limits),
        Family("container_start_time_seconds", "gauge", "Start time of the container since unix epoch", started),
        Family("resource_scrape_error", "gauge", "1 if there was an error while getting metrics", [Sample({}, 0)]),
    ]


def of(what: str, uses: Sequence[Use], now: float) -> list[Family]:
    """The metrics of the node, of pods or of containers."""
    cpu = [Sample(names, CPU.of(c), now) for names, c, _ in uses if c is not None]
    memory = [(row, [Sample(names, row.of(m), now) for names, _, m in uses if m is not None]) for row in MEMORY]
    rows = [(CPU, cpu), *memory]
    return [Family(f"{what}_{row.name}", row.kind, row.about.format(what), found) for row, found in rows]


def labels(pod: PodUse, container: ContainerUse) -> dict[str, str]:
    return {"container": container.name, **of_pod(pod)}


def of_pod(pod: PodUse) -> dict[str, str]:
    return {"namespace": pod.pod.metadata.namespace, "pod": pod.pod.metadata.name}
