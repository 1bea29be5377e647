"""From a pod's spec to the runtime's configurations of sandbox and container: pure, all that it needs is passed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from sampan.cri.messages import pb
from sampan.kubelet import labels, signals
from sampan.kubelet.actions import StartContainer
from sampan.kubelet.cgroup.names import cgroup_parent
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.dns import Resolver
from sampan.kubelet.expansion import expand
from sampan.kubelet.hosts import pod_hostname
from sampan.kubelet.resize.amounts import amounts
from sampan.kubelet.resources import NO_SWAP, Swap, container_resources
from sampan.kubelet.security import container_security, sandbox_security
from sampan.kubelet.spec import grace_seconds, host_network, spec_hash, stop_signal

PROTOCOLS = {"TCP": 0, "UDP": 1, "SCTP": 2}
TERMINATION_PATH = "/dev/termination-log"


def pod_log_folder(pod: Any, root: Path) -> Path:
    """Where the pod's logs lie: the same name as upstream's."""
    return root / f"{pod.metadata.namespace}_{pod.metadata.name}_{pod.metadata.uid}"


def log_path(container: str, restarts: int) -> str:
    """A container's log, relative to its pod's folder."""
    return f"{container}/{restarts}.log"


def sandbox_config(
    pod: Any, *, attempt: int, resolver: Resolver, config: KubeletConfig, users: int | None = None
) -> Any:
    """`users` is the first of the node's user ids that are the pod's own, None when it has none."""
    meta = pod.metadata
    hostname, _ = pod_hostname(pod, config.cluster_domain)
    sysctls = pod.spec.securityContext.sysctls if pod.spec.securityContext else None
    return pb.PodSandboxConfig(
        metadata=pb.PodSandboxMetadata(name=meta.name, namespace=meta.namespace, uid=meta.uid, attempt=attempt),
        hostname="" if host_network(pod) else hostname,
        log_directory=str(pod_log_folder(pod, config.log_root)),
        dns_config=pb.DNSConfig(servers=resolver.servers, searches=resolver.searches, options=resolver.options),
        port_mappings=() if host_network(pod) else port_mappings(pod),
        labels={**(meta.labels or {}), **pod_labels(pod)},
        annotations=meta.annotations or {},
        linux=pb.LinuxPodSandboxConfig(
            cgroup_parent=cgroup_parent(pod, driver=config.cgroup_driver, root=config.cgroup_root),
            security_context=sandbox_security(pod, users),
            sysctls={s.name: s.value for s in sysctls or ()},
        ),
    )


def pod_labels(pod: Any) -> dict[str, str]:
    meta = pod.metadata
    return {labels.POD_NAME: meta.name, labels.POD_NAMESPACE: meta.namespace, labels.POD_UID: meta.uid}


def port_mappings(pod: Any) -> list[Any]:
    containers = [*(pod.spec.initContainers or ()), *pod.spec.containers]
    return [
        pb.PortMapping(
            protocol=PROTOCOLS[port.protocol or "TCP"],
            container_port=port.containerPort,
            host_port=port.hostPort or 0,
            host_ip=port.hostIP or "",
        )
        for container in containers
        for port in container.ports or ()
        if port.hostPort
    ]


def container_config(
    pod: Any,
    container: Any,
    start: StartContainer,
    *,
    environment: Mapping[str, str],
    mounts: Sequence[Any],
    image: Any,
    termination_file: Path,
    config: KubeletConfig,
    node_memory: int,
    swap: Swap = NO_SWAP,
    kill_all: bool = False,
    target: str = "",
    users: int | None = None,
) -> Any:
    """`start` says which instance it is, `image` is the runtime's Image message, `target` the id of the container that
    a debugging one looks into, `users` as for the sandbox.

    Raises ConfigError.
    """
    own_mount = pb.Mount(container_path=termination_path(container), host_path=str(termination_file))
    made = pb.ContainerConfig(
        metadata=pb.ContainerMetadata(name=container.name, attempt=start.restarts),
        image=pb.ImageSpec(image=image.id, user_specified_image=container.image or ""),
        command=[expand(word, environment) for word in container.command or ()],
        args=[expand(word, environment) for word in container.args or ()],
        working_dir=container.workingDir or "",
        envs=[pb.KeyValue(key=name, value=value) for name, value in environment.items()],
        mounts=[*mounts, own_mount],
        labels={labels.CONTAINER_NAME: container.name, **pod_labels(pod)},
        annotations=notes(pod, container, start, termination_file),
        log_path=log_path(container.name, start.restarts),
        stdin=bool(container.stdin),
        stdin_once=bool(container.stdinOnce),
        tty=bool(container.tty),
        linux=pb.LinuxContainerConfig(
            resources=container_resources(pod, container, node_memory, swap=swap, kill_all=kill_all),
            security_context=container_security(
                pod, container, image, config.root / "seccomp", target, users, confined=config.seccomp_default
            ),
        ),
    )
    if stop_signal(container):
        made.stop_signal = signals.of_cri(stop_signal(container))
    return made


def notes(pod: Any, container: Any, start: StartContainer, termination_file: Path) -> dict[str, str]:
    """What the next kubelet finds at the container, and this one after a restart: its annotations."""
    found = {
        labels.CONTAINER_HASH: spec_hash(container),
        labels.RESTART_COUNT: str(start.restarts),
        labels.TERMINATION_PATH: termination_path(container),
        labels.TERMINATION_POLICY: container.terminationMessagePolicy or "File",
        labels.TERMINATION_FILE: str(termination_file),
        labels.RESOURCES: msgspec.json.encode(amounts(container.resources)).decode(),
        labels.GRACE_PERIOD: str(int(grace_seconds(pod))),
    }
    if stop_signal(container):
        found[labels.STOP_SIGNAL] = stop_signal(container)
    if start.delay is not None:
        found[labels.RESTART_DELAY] = f"{start.delay:g}"
    if start.round:
        found[labels.ROUND] = str(start.round)
    return found


def termination_path(container: Any) -> str:
    return container.terminationMessagePath or TERMINATION_PATH
