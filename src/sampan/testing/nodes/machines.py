"""What a simulated node says of itself: the Node object and its status."""

from __future__ import annotations

from typing import Any

from sampan import KUBERNETES_VERSION
from sampan.aio.clock import micro_timestamp, timestamp
from sampan.api.kinds import coordination_v1, core_v1, meta_v1
from sampan.testing.nodes.machine import Machine

LEASES = "kube-node-lease"
LEASE_SECONDS = 40
SIMULATED = "simulation.sampan.dev/node"
ZONE = "topology.kubernetes.io/zone"
FIRST_HOST = 0x0A7F0000
"""10.127.0.0: hosts count up from here, pods from 10.128.0.0."""


def host_of(number: int) -> str:
    """The address of the fleet's node of that number."""
    return address(FIRST_HOST + number + 1)


def address(number: int) -> str:
    return ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))


def node(machine: Machine, name: str, number: int) -> Any:
    """A new node's object."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        SIMULATED: "true",
        **machine.labels,
    }
    if machine.zones:
        labels[ZONE] = machine.zones[number % len(machine.zones)]
    taints = [_taint(text) for text in machine.taints]
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name, labels=labels), spec=core_v1.NodeSpec(taints=taints or None)
    )


def status(machine: Machine, name: str, number: int, now: float) -> dict[str, Any]:
    """The status of a node that is well, as a strategic merge patch."""
    resources = {"cpu": machine.cpu, "memory": machine.memory, "pods": str(machine.pods)}
    at = timestamp(now)
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "simulated",
        "lastHeartbeatTime": at,
        "lastTransitionTime": at,
    }
    addresses = [{"type": "InternalIP", "address": host_of(number)}, {"type": "Hostname", "address": name}]
    info = {"kubeletVersion": f"v{KUBERNETES_VERSION}", "operatingSystem": "linux", "architecture": "amd64"}
    unknown = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion")
    return {
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [ready],
            "addresses": addresses,
            "nodeInfo": dict.fromkeys(unknown, "simulated") | info | {"kubeProxyVersion": ""},
        }
    }


def lease(name: str, now: float) -> Any:
    """A node's lease, renewed now."""
    return coordination_v1.Lease(
        metadata=meta_v1.ObjectMeta(name=name, namespace=LEASES),
        spec=coordination_v1.LeaseSpec(
            holderIdentity=name, leaseDurationSeconds=LEASE_SECONDS, renewTime=micro_timestamp(now)
        ),
    )


def _taint(text: str) -> Any:
    """Raises ValueError, saying what is wanted."""
    pair, _, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not key or effect not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        raise ValueError(f"{text!r} is no taint: write it as key=value:NoSchedule")
    return core_v1.Taint(key=key, value=value or None, effect=effect)
