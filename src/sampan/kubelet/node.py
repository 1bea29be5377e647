"""The Node object of this machine: pure ("Nodes", "Node Status", "Reserve Compute Resources")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sampan import __version__
from sampan.aio.clock import timestamp
from sampan.api import quantity
from sampan.api.kinds import core_v1, meta_v1
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.machine import Machine, Usage
from sampan.kubelet.reservations import allocatable

VERSION = f"v1.36.0+sampan{__version__}"
DECLARED = ("InPlacePodLevelResourcesVerticalScaling", "InPlacePodVerticalScalingInitContainers")
"""What the scheduler and admission may count on (KEP-5328), by upstream's feature gates."""
MEMORY = ("insufficient memory available", "sufficient memory available")
DISK = ("disk pressure", "no disk pressure")
PIDS = ("insufficient PID available", "sufficient PID available")


def node_labels(config: KubeletConfig, machine: Machine) -> dict[str, str]:
    return {
        "kubernetes.io/hostname": config.hostname or config.node_name,
        "kubernetes.io/os": machine.operating_system,
        "kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": machine.operating_system,
        "beta.kubernetes.io/arch": machine.architecture,
        **config.node_labels,
    }


def new_node(config: KubeletConfig, machine: Machine, status: Any) -> Any:
    """The Node to register."""
    taints = [core_v1.Taint(key=key, value=value or None, effect=effect) for key, value, effect in config.node_taints]
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(
            name=config.node_name,
            labels=node_labels(config, machine),
            annotations={
                "volumes.kubernetes.io/controller-managed-attach-detach": "true",
                **config.node_annotations,
            },
        ),
        spec=core_v1.NodeSpec(taints=taints or None, providerID=config.provider_id or None),
        status=status,
    )


def capacity(config: KubeletConfig, machine: Machine, usage: Usage) -> dict[str, str]:
    return {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{usage.disk_bytes // 1024}Ki",
        "pods": str(config.max_pods),
        **{f"hugepages-{binary(size)}": binary(size * count) for size, count in machine.huge_pages},
    }


def binary(amount: int) -> str:
    """`2Mi` for its bytes."""
    return quantity.canonical(f"{amount // 1024}Ki")


def node_info(machine: Machine, runtime_version: str) -> Any:
    return core_v1.NodeSystemInfo(
        architecture=machine.architecture,
        bootID=machine.boot_id,
        containerRuntimeVersion=runtime_version,
        kernelVersion=machine.kernel,
        kubeProxyVersion="",
        kubeletVersion=VERSION,
        machineID=machine.machine_id,
        operatingSystem=machine.operating_system,
        osImage=machine.os_image,
        systemUUID=machine.system_uuid,
        swap=core_v1.NodeSwapStatus(capacity=machine.swap) if machine.swap else None,
    )


def addresses(config: KubeletConfig) -> list[Any]:
    found = [core_v1.NodeAddress(type="InternalIP", address=ip) for ip in config.node_ips]
    return [*found, core_v1.NodeAddress(type="Hostname", address=config.hostname or config.node_name)]


def images(listed: Sequence[Any], most: int) -> list[Any]:
    """The largest images on the node, from the runtime's Image messages; -1 is all."""
    named = [(image, [*image.repo_digests, *image.repo_tags]) for image in listed]
    largest = sorted((pair for pair in named if pair[1]), key=lambda pair: -pair[0].size)[: most if most >= 0 else None]
    return [core_v1.ContainerImage(names=names, sizeBytes=image.size) for image, names in largest]


def conditions(pressures: Sequence[str], *, not_ready: str, now: float, known: Sequence[Any] = ()) -> list[Any]:
    """`pressures` are the conditions eviction has found, `not_ready` says why the node is not ready ("" when it is);
    `known` are the conditions it has in the API."""
    found = [
        pressure(
            "MemoryPressure",
            "MemoryPressure" in pressures,
            "KubeletHasInsufficientMemory",
            "KubeletHasSufficientMemory",
            MEMORY,
        ),
        pressure(
            "DiskPressure", "DiskPressure" in pressures, "KubeletHasDiskPressure", "KubeletHasNoDiskPressure", DISK
        ),
        pressure(
            "PIDPressure", "PIDPressure" in pressures, "KubeletHasInsufficientPID", "KubeletHasSufficientPID", PIDS
        ),
        core_v1.NodeCondition(
            type="Ready",
            status="False" if not_ready else "True",
            reason="KubeletNotReady" if not_ready else "KubeletReady",
            message=not_ready or "kubelet is posting ready status",
        ),
    ]
    before = {condition.type: condition for condition in known}
    for condition in found:
        old = before.get(condition.type)
        kept = old.lastTransitionTime if old is not None and old.status == condition.status else None
        condition.lastTransitionTime = kept or timestamp(now)
        condition.lastHeartbeatTime = timestamp(now)
    return found


def pressure(type_: str, low: bool, bad: str, good: str, what: tuple[str, str]) -> Any:
    """A pressure condition; `what` is what the kubelet "has" when it is low and when it is not."""
    return core_v1.NodeCondition(
        type=type_,
        status="True" if low else "False",
        reason=bad if low else good,
        message=f"kubelet has {what[0] if low else what[1]}",
    )


def node_status(
    config: KubeletConfig,
    machine: Machine,
    usage: Usage,
    *,
    runtime_version: str,
    listed_images: Sequence[Any],
    not_ready: str,
    port: int,
    now: float,
    pressures: Sequence[str] = (),
    devices: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    known: Any = None,
    features: RuntimeFeatures | None = None,
) -> Any:
    """The whole status the kubelet writes; `known` is the API's.

    `pressures` are the conditions eviction found, `devices` those of plugins: in all, and those that can be given.
    """
    whole = capacity(config, machine, usage)
    handlers, of_node = (features or RuntimeFeatures()).of_node()
    return core_v1.NodeStatus(
        addresses=addresses(config),
        capacity={**whole, **devices[0]},
        allocatable={**allocatable(config, whole), **devices[1]},
        conditions=conditions(
            pressures, not_ready=not_ready, now=now, known=(known.conditions if known else None) or ()
        ),
        daemonEndpoints=core_v1.NodeDaemonEndpoints(kubeletEndpoint=core_v1.DaemonEndpoint(Port=port)),
        images=images(listed_images, config.most_images),
        nodeInfo=node_info(machine, runtime_version),
        runtimeHandlers=handlers or None,
        features=of_node,
        declaredFeatures=list(DECLARED),
    )
