"""What the workers of one kubelet's pods are given, put together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sampan.kubelet import nodefiles
from sampan.kubelet.apiside import ApiSide
from sampan.kubelet.context import NodeContext
from sampan.kubelet.noderesources import NodeResources
from sampan.kubelet.probeschedule import ProbeSchedule
from sampan.kubelet.runtimeclass import handler_of
from sampan.kubelet.runtimeside import RuntimeSide
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.thisnode import ThisNode
from sampan.kubelet.turns import SandboxTurns
from sampan.kubelet.userids import UserIds
from sampan.kubelet.verdicts import Verdicts


def node_context(
    given: Surroundings,
    *,
    api: ApiSide,
    runtime: RuntimeSide,
    node: ThisNode,
    resources: NodeResources,
    probes: ProbeSchedule,
    verdicts: Verdicts,
    guard: Callable[[Any, Sequence[str]], Awaitable[None]],
) -> NodeContext:
    config = given.config
    return NodeContext(
        config=config,
        runtime=given.runtime,
        clock=given.clock,
        rng=given.rng,
        handlers=given.handlers,
        probes=probes,
        images=runtime.images,
        objects=api.objects,
        mounter=given.mounter,
        image_volumes=runtime.image_volumes,
        features=runtime.features,
        user_ids=UserIds(config.root / "pods"),
        node_labels=node.labels,
        recorder=api.recorder,
        publisher=api.publisher,
        watcher=runtime.watcher,
        instruments=given.instruments,
        turns=SandboxTurns.of(given.machine.cpus),
        resolver=nodefiles.resolver(config.resolv_conf),
        node_hosts=nodefiles.hosts(),
        memory=given.machine.memory,
        allocatable=resources.allocatable,
        runtime_handler=lambda pod: handler_of(pod, given.client),
        service_variables=api.service_variables,
        cgroups=resources.upkeep.cgroups,
        devices=resources.devices.manager,
        cpus=resources.cpus.manager,
        admit=verdicts.admit,
        room=verdicts.room,
        refresh_node=node.refresh,
        allocate=verdicts.allocate,
        guard=guard,
    )
