"""Questions about a pod's spec that several places ask."""

from __future__ import annotations

import hashlib
from typing import Any

from sampan.kubelet.memory import ProbeResults

DEFAULT_GRACE = 30.0


def init_containers(pod: Any) -> list[Any]:
    return pod.spec.initContainers or []


def app_containers(pod: Any) -> list[Any]:
    return pod.spec.containers or []


def ephemeral_containers(pod: Any) -> list[Any]:
    """Those added to a running pod for debugging (KEP-277)."""
    return pod.spec.ephemeralContainers or []


def all_containers(pod: Any) -> list[Any]:
    """Those it was made with."""
    return [*init_containers(pod), *app_containers(pod)]


def container_by_name(pod: Any, name: str) -> Any | None:
    everything = [*all_containers(pod), *ephemeral_containers(pod)]
    return next((container for container in everything if container.name == name), None)


def full_name(pod: Any) -> str:
    """`name_namespace(uid)`, as messages name a pod."""
    return f"{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})"


def spec_hash(container: Any) -> str:
    """Changes with what may change in a running pod and needs a new container: its image."""
    return hashlib.sha256(f"{container.name}\0{container.image}".encode()).hexdigest()[:16]


def host_network(pod: Any) -> bool:
    return bool(pod.spec.hostNetwork)


def grace_seconds(pod: Any, container: Any | None = None, probes: ProbeResults | None = None) -> float:
    """The pod's grace, or that of a container's probe which has failed (KEP-2238)."""
    pod_grace = pod.spec.terminationGracePeriodSeconds
    grace = DEFAULT_GRACE if pod_grace is None else float(pod_grace)
    if container is None or probes is None:
        return grace
    for probe, result in ((container.startupProbe, probes.startup), (container.livenessProbe, probes.liveness)):
        if result is False and probe is not None and probe.terminationGracePeriodSeconds is not None:
            return float(probe.terminationGracePeriodSeconds)
    return grace


def post_start(container: Any) -> Any | None:
    """The hook that runs when the container has started."""
    return container.lifecycle.postStart if container.lifecycle else None


def stop_signal(container: Any) -> str:
    """The signal that ends the container (KEP-4960), "" for the image's."""
    return (container.lifecycle.stopSignal if container.lifecycle else None) or ""


def pre_stop(container: Any) -> Any | None:
    """The hook that runs before the container is told to stop."""
    return container.lifecycle.preStop if container.lifecycle else None
