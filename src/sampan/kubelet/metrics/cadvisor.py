"""/metrics/cadvisor: containers as dashboards know them, with cAdvisor's names and labels. Pure.

Each series carries `container`, `id` (the cgroup), `image`, `name` (the container's id), `namespace` and `pod`; a pod's
own series have no container, those of its network carry `interface`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.stats.usage import ContainerUse, PodUse, Pressure

NANO, MICRO = 1e-9, 1e-6


class Row(NamedTuple):
    """One metric: the attribute of what was measured, and what it is multiplied with."""

    name: str
    kind: str
    attribute: str
    about: str
    scale: float = 1


CPU = (
    Row("cpu_usage_seconds_total", "counter", "total", "Cumulative cpu time consumed in seconds.", NANO),
    Row("cpu_user_seconds_total", "counter", "user", "Cumulative user cpu time consumed in seconds.", NANO),
    Row("cpu_system_seconds_total", "counter", "system", "Cumulative system cpu time consumed in seconds.", NANO),
    Row("cpu_cfs_periods_total", "counter", "periods", "Number of elapsed enforcement period intervals."),
    Row("cpu_cfs_throttled_periods_total", "counter", "throttled_periods", "Number of throttled period intervals."),
    Row("cpu_cfs_throttled_seconds_total", "counter", "throttled", "Total time duration of being throttled.", NANO),
)
MEMORY = (
    Row("memory_usage_bytes", "gauge", "usage", "Current memory usage in bytes, whenever it was accessed"),
    Row("memory_working_set_bytes", "gauge", "working_set", "Current working set in bytes."),
    Row("memory_rss", "gauge", "rss", "Size of RSS in bytes."),
    Row("memory_cache", "gauge", "cache", "Number of bytes of page cache memory."),
    Row("memory_swap", "gauge", "swap", "Container swap usage in bytes."),
    Row("memory_mapped_file", "gauge", "mapped", "Size of memory mapped files in bytes."),
    Row("memory_max_usage_bytes", "gauge", "most", "Maximum memory usage recorded in bytes"),
    Row("memory_failcnt", "counter", "failures", "Number of memory usage hits limits"),
    Row("spec_memory_limit_bytes", "gauge", "limit", "Memory limit for the container."),
)
NETWORK = (
    Row("network_receive_bytes_total", "counter", "received", "Cumulative count of bytes received"),
    Row("network_receive_packets_total", "counter", "received_packets", "Cumulative count of packets received"),
    Row("network_receive_errors_total", "counter", "receive_errors", "Cumulative count of errors while receiving"),
    Row("network_receive_packets_dropped_total", "counter", "receive_drops", "Packets dropped while receiving"),
    Row("network_transmit_bytes_total", "counter", "sent", "Cumulative count of bytes transmitted"),
    Row("network_transmit_packets_total", "counter", "sent_packets", "Cumulative count of packets transmitted"),
    Row("network_transmit_errors_total", "counter", "send_errors", "Cumulative count of errors while transmitting"),
    Row("network_transmit_packets_dropped_total", "counter", "send_drops", "Packets dropped while transmitting"),
)
CONTAINER = (
    Row("start_time_seconds", "gauge", "started", "Start time of the container since unix epoch in seconds."),
    Row("processes", "gauge", "processes", "Number of processes running inside the container."),
    Row("threads_max", "gauge", "threads_most", "Maximum number of threads allowed, infinity if value is zero"),
    Row("oom_events_total", "counter", "oom_kills", "Count of out of memory events observed for the container"),
)
WRITABLE = (
    Row("fs_usage_bytes", "gauge", "used", "Number of bytes that are consumed by the container on this filesystem."),
    Row("fs_inodes_total", "gauge", "inodes_used", "Number of Inodes"),
)
PRESSURE = {
    "some": "waiting",
    "full": "stalled",
}


def families(pods: Sequence[PodUse], *, cpus: int, memory: int, kernel: str, os: str) -> list[Family]:
    """`cpus` and `memory` (bytes) are the machine's."""
    containers = [(labels(pod, c), c) for pod in pods for c in pod.containers]
    measured = [(of_pod(pod), pod.cpu, pod.memory) for pod in pods]
    measured += [(names, c.cpu, c.memory) for names, c in containers]
    carried = [(of_pod(pod, interface=i.name), i) for pod in pods for i in pod.interfaces]
    written = [(names, c.writable) for names, c in containers if c.writable is not None]
    whole = {"cadvisorVersion": "", "dockerVersion": "", "kernelVersion": kernel, "osVersion": os}
    return [
        Family("cadvisor_version_info", "gauge", "A metric with a constant '1' value.", [Sample(whole, 1)]),
        Family("machine_cpu_cores", "gauge", "Number of logical CPU cores.", [Sample({}, cpus)]),
        Family("machine_memory_bytes", "gauge", "Amount of memory installed on the machine.", [Sample({}, memory)]),
        *of_rows(CPU, [(names, c) for names, c, _ in measured]),
        *of_rows(MEMORY, [(names, m) for names, _, m in measured]),
        *of_rows(CONTAINER, containers),
        *of_rows(WRITABLE, written),
        *of_rows(NETWORK, carried),
        *pressures("cpu", [(names, c.pressure) for names, c, _ in measured if c]),
        *pressures("memory", [(names, m.pressure) for names, _, m in measured if m]),
    ]


def of_rows(rows: Sequence[Row], found: Sequence[tuple[dict[str, str], Any]]) -> list[Family]:
    """A family for each row, with a sample for each of what was measured."""
    known = [(names, value) for names, value in found if value is not None]
    return [
        Family(
            f"container_{row.name}",
            row.kind,
            row.about,
            [Sample(names, getattr(value, row.attribute) * row.scale) for names, value in known],
        )
        for row in rows
    ]


def pressures(what: str, found: Iterable[tuple[dict[str, str], Mapping[str, Pressure] | None]]) -> list[Family]:
    """The time that tasks have waited for a resource, where the kernel tells (PSI)."""
    known = [(names, given) for names, given in found if given]
    return [
        Family(
            f"container_pressure_{what}_{word}_seconds_total",
            "counter",
            f"Total time duration tasks in the container have been {word} for {what}.",
            [
                Sample(names, psi.total * MICRO)
                for names, given in known
                if isinstance(psi := given.get(kind), Pressure)
            ],
        )
        for kind, word in PRESSURE.items()
    ]


def labels(pod: PodUse, container: ContainerUse) -> dict[str, str]:
    meta = pod.pod.metadata
    return {
        "container": container.name,
        "id": container.cgroup,
        "image": container.image,
        "name": container.id,
        "namespace": meta.namespace,
        "pod": meta.name,
    }


def of_pod(pod: PodUse, **more: str) -> dict[str, str]:
    meta = pod.pod.metadata
    own = {"container": "", "id": pod.cgroup, "image": "", **more, "name": "", "namespace": meta.namespace}
    return {**own, "pod": meta.name}
