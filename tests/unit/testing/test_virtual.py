"""A whole control plane in virtual time: it replays exactly, and every controller keeps its promises through faults."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.testing import NetworkFaults, StoreFaults, VirtualCluster, simulate
from sampan.testing.virtual import soak

SEEDS = 12
"""A sample; `python -m sampan.testing.virtual --seeds 300` tries more."""


def deployment(replicas: int) -> Any:
    template = core_v1.PodTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"app": "web"}),
        spec=core_v1.PodSpec(containers=[core_v1.Container(name="c", image="sample:1")]),
    )
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    spec = apps_v1.DeploymentSpec(replicas=replicas, selector=selector, template=template)
    return apps_v1.Deployment(metadata=meta_v1.ObjectMeta(name="web", namespace="default"), spec=spec)


async def complete(cluster: VirtualCluster, replicas: int) -> bool:
    status = (await cluster.client.get(apps_v1.Deployment, "web", "default")).status
    return bool(status.readyReplicas == replicas)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_controller_ends_where_it_should_through_any_faults(seed: int) -> None:
    assert soak.run(seed).problems == []


def test_a_seed_replays_exactly_in_another_process() -> None:
    """Python's own hashing differs from process to process; nothing that is stored may depend on it."""
    told = set()
    for hashing in ("1", "2"):
        command = [sys.executable, "-m", "sampan.testing.virtual", "--seed", "4"]
        environment = {**os.environ, "PYTHONHASHSEED": hashing}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=120)
        told.add(done.stdout.splitlines()[0])
    assert len(told) == 1
    assert soak.run(4).digest != soak.run(5).digest


def test_an_idle_cluster_of_a_hundred_nodes_writes_heartbeats_only() -> None:
    async def story(cluster: VirtualCluster) -> int:
        await cluster.client.create(deployment(200))
        await cluster.until(lambda: complete(cluster, 200), seconds=60)
        before = len(cluster.history.lines)
        await cluster.pass_time(900)
        return len({line.key.split("/")[3] for line in cluster.history.lines[before:]} - {"leases"})

    assert simulate(story, nodes=100, lease_seconds=30.0, keep_history=True) == 0


def test_a_dead_server_is_felt_and_got_over() -> None:
    async def story(cluster: VirtualCluster) -> None:
        await cluster.client.create(deployment(3))
        await cluster.pass_time(0.05)
        await cluster.kill("apiserver")
        await cluster.pass_time(20)
        await cluster.start("apiserver")
        await cluster.until(lambda: complete(cluster, 3), seconds=60)

    simulate(story, nodes=2)


@pytest.mark.parametrize(
    "faults",
    [
        {"network_faults": NetworkFaults(lost_requests=0.3, lost_answers=0.3, late_seconds=1.0)},
        {"network_faults": NetworkFaults(broken_watches=0.5, repeated_watches=1.0, expired_watches=0.5)},
        {"store_faults": StoreFaults(refused=0.3, unanswered=0.3, late_seconds=0.5)},
    ],
    ids=["requests", "watches", "store"],
)
def test_each_kind_of_fault_is_borne_while_it_lasts(faults: dict[str, Any]) -> None:
    async def story(cluster: VirtualCluster) -> None:
        calm, cluster.store_faults = cluster.store_faults, StoreFaults()
        await cluster.client.create(deployment(10))
        cluster.store_faults = calm
        await cluster.until(lambda: complete(cluster, 10), seconds=600)

    simulate(story, nodes=3, **faults)


def test_a_component_that_dies_is_told_of() -> None:
    class Broken:
        async def run(self) -> None:
            raise LookupError("no use")

    async def story(cluster: VirtualCluster) -> None:
        cluster._makers["scheduler"] = lambda client, rng: Broken()
        await cluster.kill("scheduler")
        await cluster.start("scheduler")
        with pytest.raises(LookupError):
            await cluster.pass_time(1)
        await cluster.kill("scheduler")

    simulate(story, nodes=1)


def test_an_idle_cluster_of_one_node_writes_little() -> None:
    """Six kB a second are allowed; a small write is under 16 (`tests/unit/store/sqlite/test_size.py`)."""

    async def story(cluster: VirtualCluster) -> int:
        await cluster.client.create(deployment(3))
        await cluster.until(lambda: complete(cluster, 3), seconds=60)
        await cluster.pass_time(600)
        before = len(cluster.history.lines)
        await cluster.pass_time(3600)
        return len(cluster.history.lines) - before

    writes = simulate(story, nodes=1, keep_history=True)
    assert writes * 16e3 / 3600 < 6e3
