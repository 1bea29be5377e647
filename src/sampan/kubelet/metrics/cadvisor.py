"""/metrics/cadvisor: containers as dashboards know them, with cAdvisor's names and labels. Pure.

Each series carries `container`, `id` (the cgroup), `image`, `name` (the container's id), `namespace` and `pod`; a pod's
own series have no container, those of its network carry `interface`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sampan.kubelet.metrics.exposition import Family, Sample
from sampan.kubelet.metrics.rows import BLOCKS, CONTAINER, CPU, LIMITS, MEMORY, NETWORK, SPACE, WRITABLE, of_rows
from sampan.kubelet.stats.usage import ContainerUse, CpuUse, DiskSpace, Interface, MemoryUse, PodUse, Pressure

MICRO = 1e-6
ROOT = {"container": "", "id": "/", "image": "", "name": "", "namespace": "", "pod": ""}
FAULTS = (("pgfault", "faults"), ("pgmajfault", "major_faults"))
PRESSURE = {
    "some": "waiting",
    "full": "stalled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeNode:
    """The machine as the cgroup over all others: `space` by device, `memory_bytes` and `swap_bytes` are all it has."""

    cpus: int
    cores: int
    sockets: int
    memory_bytes: int
    swap_bytes: int
    kernel: str
    os: str
    cpu: CpuUse | None = None
    memory: MemoryUse | None = None
    interfaces: tuple[Interface, ...] = ()
    space: Mapping[str, DiskSpace] = field(default_factory=dict)


def families(pods: Sequence[PodUse], node: WholeNode, now: float) -> list[Family]:
    """`now` in seconds since the epoch."""
    containers = [(labels(pod, c), c) for pod in pods for c in pod.containers]
    measured = [(ROOT, node.cpu, node.memory)]
    measured += [(of_pod(pod), pod.cpu, pod.memory) for pod in pods]
    measured += [(names, c.cpu, c.memory) for names, c in containers]
    carried = [({**ROOT, "interface": i.name}, i) for i in node.interfaces]
    carried += [(of_pod(pod, interface=i.name), i) for pod in pods for i in pod.interfaces]
    occupied = [({**ROOT, "device": device}, space) for device, space in node.space.items()]
    written = [({**names, "device": ""}, c.writable) for names, c in containers]
    return [
        *of_machine(node),
        *of_rows(CPU, [(names, c) for names, c, _ in measured]),
        *of_rows(MEMORY, [(names, m) for names, _, m in measured]),
        Family("container_last_seen", "gauge", "Last time a container was seen", [Sample(m[0], now) for m in measured]),
        faults([(names, m) for names, _, m in measured if m is not None]),
        *of_rows(LIMITS, [(names, c.limits) for names, c in containers]),
        *of_rows(BLOCKS, [({**names, "device": d}, use) for names, c in containers for d, use in c.blocks.items()]),
        *of_rows(CONTAINER, containers),
        *merged(of_rows(SPACE, occupied), of_rows(WRITABLE, written)),
        *of_rows(NETWORK, carried),
        *pressures("cpu", [(names, c.pressure) for names, c, _ in measured if c]),
        *pressures("memory", [(names, m.pressure) for names, _, m in measured if m]),
    ]


def of_machine(node: WholeNode) -> list[Family]:
    version = {"cadvisorVersion": "", "dockerVersion": "", "kernelVersion": node.kernel, "osVersion": node.os}
    figures = (
        ("machine_cpu_cores", "Number of logical CPU cores.", node.cpus),
        ("machine_cpu_physical_cores", "Number of physical CPU cores.", node.cores),
        ("machine_cpu_sockets", "Number of CPU sockets.", node.sockets),
        ("machine_memory_bytes", "Amount of memory installed on the machine.", node.memory_bytes),
        ("machine_swap_bytes", "Amount of swap memory available on the machine.", node.swap_bytes),
        ("machine_scrape_error", "1 if there was an error while getting machine metrics, 0 otherwise.", 0),
    )
    return [
        Family("cadvisor_version_info", "gauge", "A metric with a constant '1' value.", [Sample(version, 1)]),
        *(Family(name, "gauge", about, [Sample({}, value)]) for name, about, value in figures),
    ]


def faults(found: Sequence[tuple[dict[str, str], MemoryUse]]) -> Family:
    samples = [
        Sample({**names, "failure_type": kind, "scope": "hierarchy"}, getattr(memory, attribute))
        for names, memory in found
        for kind, attribute in FAULTS
    ]
    about = "Cumulative count of memory allocation failures."
    return Family("container_memory_failures_total", "counter", about, samples)


def merged(families: Sequence[Family], others: Sequence[Family]) -> list[Family]:
    """A family has its samples in one place: those of `others` join those of the same name."""
    more = {family.name: family for family in others}
    joined = [f._replace(samples=[*f.samples, *more.pop(f.name).samples]) if f.name in more else f for f in families]
    return [*joined, *more.values()]


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
