"""What every pod worker is given: the node's side of its work."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sampan.aio.clock import Clock
from sampan.cri.interface import Runtime
from sampan.kubelet.cgroup.manager import PodCgroups
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.cpus.manager import CpuManager
from sampan.kubelet.devices.manager import Devices
from sampan.kubelet.dns import Resolver
from sampan.kubelet.features import RuntimeFeatures
from sampan.kubelet.handlers import Handlers
from sampan.kubelet.images import Images
from sampan.kubelet.imagevolumes import ImageVolumes
from sampan.kubelet.metrics.instruments import Instruments
from sampan.kubelet.objects import ApiObjects
from sampan.kubelet.podadmission import Rejection
from sampan.kubelet.probeschedule import ProbeSchedule
from sampan.kubelet.publisher import StatusPublisher
from sampan.kubelet.resize.decide import Refusal
from sampan.kubelet.turns import SandboxTurns
from sampan.kubelet.userids import UserIds
from sampan.kubelet.watcher import RuntimeWatcher
from sampan.volumes.mounter import Mounter


class Recorder(Protocol):
    """Where events go: `sampan.client.events.EventRecorder`."""

    def event(self, obj: Any, type: str, reason: str, message: str, *, field_path: str = "") -> None: ...


@dataclass(frozen=True, kw_only=True)
class NodeContext:
    """`service_variables(pod)` gives the environment variables for services; `memory` is the node's, in bytes."""

    config: KubeletConfig
    runtime: Runtime
    clock: Clock
    rng: random.Random
    handlers: Handlers
    probes: ProbeSchedule
    images: Images
    objects: ApiObjects
    mounter: Mounter
    image_volumes: ImageVolumes | None
    features: RuntimeFeatures
    user_ids: UserIds
    recorder: Recorder
    publisher: StatusPublisher
    watcher: RuntimeWatcher
    instruments: Instruments
    turns: SandboxTurns
    resolver: Resolver
    node_hosts: str
    memory: int
    allocatable: Mapping[str, str]
    node_labels: Callable[[], Mapping[str, str]]
    runtime_handler: Callable[[Any], Awaitable[str]]
    """The runtime handler of a pod; raises RuntimeFailure."""
    service_variables: Callable[[Any], Mapping[str, str]]
    cgroups: PodCgroups
    devices: Devices
    cpus: CpuManager
    allocate: Callable[[Any], Refusal | None]
    """Why a pod (as it wants to be) cannot have what it asks for now; None when it can."""
    admit: Callable[[Any], Rejection | None]
    """Why this node does not take a pod; None when it does."""
    room: Callable[[str], Awaitable[None]]
    """Returns when what was ended for a pod that was admitted, by its uid, has ended."""
    refresh_node: Callable[[], Awaitable[None]]
    """Makes sure that what is known of the Node, its labels above all, is not old."""
    guard: Callable[[Any, Sequence[str]], Awaitable[None]]
    """Returns when a pod with those addresses may use the network; raises OSError."""
