"""/stats/summary: everything measured, in the shape of upstream's stats/v1alpha1 Summary. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sampan.aio.clock import timestamp
from sampan.kubelet.stats.claims import claims
from sampan.kubelet.stats.provider import started_at
from sampan.kubelet.stats.usage import ContainerUse, CpuUse, DiskSpace, Interface, MemoryUse, PodUse, Pressure


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeUse:
    """The node's own part; `system` are the cgroups that are no pods', `images` what images take."""

    name: str
    booted: float
    memory: int
    swap: int = 0
    cpu: CpuUse | None = None
    used: MemoryUse | None = None
    space: DiskSpace | None = None
    images: DiskSpace | None = None
    containers: DiskSpace | None = None
    interfaces: tuple[Interface, ...] = ()
    pids: int = 0
    pids_most: int = 0
    system: Mapping[str, tuple[CpuUse | None, MemoryUse | None]] = field(default_factory=dict)


def summary(node: NodeUse, pods: Sequence[PodUse], now: float) -> dict[str, Any]:
    at = timestamp(now)
    return {"node": of_node(node, at), "pods": [of_pod(pod, node, at) for pod in pods]}


def of_node(node: NodeUse, at: str) -> dict[str, Any]:
    return {
        "nodeName": node.name,
        "systemContainers": [
            {"name": name, "startTime": timestamp(node.booted), "cpu": cpu(c, at), "memory": memory(m, at)}
            for name, (c, m) in node.system.items()
        ],
        "startTime": timestamp(node.booted),
        "cpu": cpu(node.cpu, at),
        "memory": memory(node.used, at, whole=node.memory),
        "swap": {"time": at, "swapAvailableBytes": node.swap, "swapUsageBytes": node.used.swap if node.used else 0},
        "network": network(node.interfaces, at),
        "fs": space(node.space, at),
        "runtime": {"imageFs": space(node.images, at), "containerFs": space(node.containers or node.images, at)},
        "rlimit": {"time": at, "maxpid": node.pids_most, "curproc": node.pids},
    }


def of_pod(pod: PodUse, node: NodeUse, at: str) -> dict[str, Any]:
    meta = pod.pod.metadata
    used, inodes = pod.disk
    whole = node.space or DiskSpace()
    return {
        "podRef": {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid},
        "startTime": timestamp(started_at(pod.pod)),
        "containers": [of_container(container, node, at) for container in pod.containers],
        "cpu": cpu(pod.cpu, at),
        "memory": memory(pod.memory, at),
        "swap": {"time": at, "swapUsageBytes": pod.memory.swap if pod.memory else 0},
        "network": network(pod.interfaces, at),
        "volume": [
            *({**space(found, at), "name": name} for name, found in pod.volumes.items()),
            *({**space(found, at), "name": name, **reference(pod, name)} for name, found in pod.claims.items()),
        ],
        "ephemeral-storage": {
            **space(whole, at),
            "usedBytes": used,
            "inodesUsed": inodes,
        },
        "process_stats": {"process_count": pod.processes},
    }


def reference(pod: PodUse, volume: str) -> dict[str, Any]:
    meta = pod.pod.metadata
    return {"pvcRef": {"name": claims(pod.pod)[volume], "namespace": meta.namespace}}


def of_container(container: ContainerUse, node: NodeUse, at: str) -> dict[str, Any]:
    whole = node.images or node.space or DiskSpace()
    own = container.writable or DiskSpace()
    return {
        "name": container.name,
        "startTime": timestamp(container.started),
        "cpu": cpu(container.cpu, at),
        "memory": memory(container.memory, at),
        "swap": {"time": at, "swapUsageBytes": container.memory.swap if container.memory else 0},
        "rootfs": {**space(whole, at), "usedBytes": own.used, "inodesUsed": own.inodes_used},
        "logs": space(container.logs or DiskSpace(), at),
    }


def cpu(found: CpuUse | None, at: str) -> dict[str, Any]:
    if found is None:
        return {"time": at}
    rate = {"usageNanoCores": found.rate} if found.rate is not None else {}
    return {"time": at, **rate, "usageCoreNanoSeconds": found.total, **psi(found.pressure)}


def memory(found: MemoryUse | None, at: str, *, whole: int = 0) -> dict[str, Any]:
    """`whole` is what there is, where no limit says so."""
    if found is None:
        return {"time": at}
    most = whole or found.limit
    left = {"availableBytes": max(most - found.working_set, 0)} if most else {}
    return {
        "time": at,
        **left,
        "usageBytes": found.usage,
        "workingSetBytes": found.working_set,
        "rssBytes": found.rss,
        "pageFaults": found.faults,
        "majorPageFaults": found.major_faults,
        **psi(found.pressure),
    }


def psi(found: Mapping[str, Pressure] | None) -> dict[str, Any]:
    """Pressure stall information, where the kernel has it (KEP-4205)."""
    if not found:
        return {}
    return {
        "psi": {
            kind: {"total": p.total, "avg10": p.avg10, "avg60": p.avg60, "avg300": p.avg300}
            for kind, p in found.items()
        }
    }


def network(found: Sequence[Interface], at: str) -> dict[str, Any]:
    """The first interface's numbers stand for the pod, all are listed."""
    listed = [
        {
            "name": i.name,
            "rxBytes": i.received,
            "rxErrors": i.receive_errors,
            "txBytes": i.sent,
            "txErrors": i.send_errors,
        }
        for i in found
    ]
    return {"time": at, **(listed[0] if listed else {"name": ""}), "interfaces": listed}


def space(found: DiskSpace | None, at: str) -> dict[str, Any]:
    if found is None:
        return {"time": at}
    return {
        "time": at,
        "availableBytes": found.available,
        "capacityBytes": found.capacity,
        "usedBytes": found.used,
        "inodesFree": found.inodes_free,
        "inodes": found.inodes,
        "inodesUsed": found.inodes_used,
    }
