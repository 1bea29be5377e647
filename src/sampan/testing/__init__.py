"""What tests need, of Sampan itself and of whoever builds on Kubernetes: clusters, nodes, time and faults.

    from sampan.testing import cluster

    with cluster(nodes=3) as running:
        running.kubectl("get", "nodes")

`cluster` is a real control plane in this process or a child of it (`local`); `simulate` and `VirtualCluster` run one in
virtual time with faults (`virtual`); `SimulatedNodes` take pods and run them in name only (`nodes`). `pytest_plugin`
gives the fixture `sampan_cluster`. Each is loaded when it is first named.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sampan.testing.local import Cluster, cluster
    from sampan.testing.nodes import Behaviour, Machine, SimulatedNodes
    from sampan.testing.virtual import NetworkFaults, StoreFaults, VirtualCluster, simulate

__all__ = [
    "Behaviour",
    "Cluster",
    "Machine",
    "NetworkFaults",
    "SimulatedNodes",
    "StoreFaults",
    "VirtualCluster",
    "cluster",
    "simulate",
]

HOMES = {
    "cluster": "local",
    "Cluster": "local",
    "Behaviour": "nodes",
    "Machine": "nodes",
    "SimulatedNodes": "nodes",
    "NetworkFaults": "virtual",
    "StoreFaults": "virtual",
    "VirtualCluster": "virtual",
    "simulate": "virtual",
}


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{HOMES[name]}"), name)
