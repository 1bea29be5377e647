"""The node's HTTP server with what it answers from, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sampan.kubelet.access.delegated import Access
from sampan.kubelet.containerapi import ContainerApi
from sampan.kubelet.metrics import certificates
from sampan.kubelet.nodeapi import NodeApi
from sampan.kubelet.nodelogs import NodeLogs
from sampan.kubelet.pods import PodWorkers
from sampan.kubelet.server import KubeletServer
from sampan.kubelet.streaming import Streaming
from sampan.kubelet.surroundings import Surroundings
from sampan.kubelet.upkeep import Upkeep


def node_server(
    given: Surroundings, pods: PodWorkers, upkeep: Upkeep, *, statistics: Callable[[], dict[str, Any]]
) -> KubeletServer:
    """`statistics()` is what the kubelet's parts tell of themselves."""
    config, clock = given.config, given.clock
    access = Access(given.client, clock, config.node_name) if config.server_cert is not None else None
    api = NodeApi(
        config,
        clock,
        given.machine,
        pods,
        upkeep,
        given.instruments,
        measure=given.usage,
        statistics=statistics,
    )
    certificates.tell(given)
    containers = ContainerApi(given.runtime, clock, pods, config.root)
    logs = NodeLogs(config.node_logs, enabled=config.node_log_handler)
    return KubeletServer(
        config,
        clock,
        pods,
        access=access,
        streaming=Streaming(given.runtime, pods, enabled=config.debugging_handlers),
        api=api,
        routes=[*containers.routes, *logs.routes],
    )
