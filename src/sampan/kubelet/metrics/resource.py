"""/metrics/resource: what metrics-server reads. Pure. ("Node metrics data", resource metrics endpoint)"""

from __future__ import annotations

from collections.abc import Sequence

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.stats.usage import ContainerUse, CpuUse, MemoryUse, PodUse

NANO = 1e-9


def families(
    node_cpu: CpuUse | None, node_memory: MemoryUse | None, pods: Sequence[PodUse], now: float
) -> list[Family]:
    containers = [(labels(pod, container), container) for pod in pods for container in pod.containers]
    return [
        Family(
            "node_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the node in core-seconds",
            [Sample({}, node_cpu.total * NANO, now)] if node_cpu else [],
        ),
        Family(
            "node_memory_working_set_bytes",
            "gauge",
            "Current working set of the node in bytes",
            [Sample({}, node_memory.working_set, now)] if node_memory else [],
        ),
        Family(
            "node_swap_usage_bytes",
            "gauge",
            "Current swap usage of the node in bytes. Reported only on non-windows systems",
            [Sample({}, node_memory.swap, now)] if node_memory else [],
        ),
        Family(
            "container_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the container in core-seconds",
            [Sample(names, c.cpu.total * NANO, now) for names, c in containers if c.cpu],
        ),
        Family(
            "container_memory_working_set_bytes",
            "gauge",
            "Current working set of the container in bytes",
            [Sample(names, c.memory.working_set, now) for names, c in containers if c.memory],
        ),
        Family(
            "container_swap_usage_bytes",
            "gauge",
            "Current amount of the container swap usage in bytes. Reported only on non-windows systems",
            [Sample(names, c.memory.swap, now) for names, c in containers if c.memory],
        ),
        Family(
            "container_swap_limit_bytes",
            "gauge",
            "Current amount of the container swap limit in bytes. Reported only on non-windows systems",
            [Sample(names, 0) for names, _ in containers],
        ),
        Family(
            "container_start_time_seconds",
            "gauge",
            "Start time of the container since unix epoch in seconds",
            [Sample(names, c.started) for names, c in containers if c.started],
        ),
        Family(
            "pod_cpu_usage_seconds_total",
            "counter",
            "Cumulative cpu time consumed by the pod in core-seconds",
            [Sample(of_pod(pod), pod.cpu.total * NANO, now) for pod in pods if pod.cpu],
        ),
        Family(
            "pod_memory_working_set_bytes",
            "gauge",
            "Current working set of the pod in bytes",
            [Sample(of_pod(pod), pod.memory.working_set, now) for pod in pods if pod.memory],
        ),
        Family(
            "pod_swap_usage_bytes",
            "gauge",
            "Current amount of the pod swap usage in bytes. Reported only on non-windows systems",
            [Sample(of_pod(pod), pod.memory.swap, now) for pod in pods if pod.memory],
        ),
        Family(
            "resource_scrape_error",
            "gauge",
            "1 if there was an error while getting container metrics, 0 otherwise",
            [Sample({}, 0)],
        ),
    ]


def labels(pod: PodUse, container: ContainerUse) -> dict[str, str]:
    return {"container": container.name, **of_pod(pod)}


def of_pod(pod: PodUse) -> dict[str, str]:
    return {"namespace": pod.pod.metadata.namespace, "pod": pod.pod.metadata.name}
