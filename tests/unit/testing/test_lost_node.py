"""A node with its share of a thousand pods dies: real API server, scheduler and controllers, in virtual time."""

from __future__ import annotations

from collections import Counter
from typing import Any

from sampan.api.kinds import core_v1, discovery_v1
from sampan.testing import VirtualCluster, simulate
from tests.unit.testing.test_virtual import complete, deployment

PODS = 1000
NOTICED_SECONDS = 60
"""The lease's grace of 50 seconds, and a little."""
TOLERATED_SECONDS = 300


def test_a_thousand_pods_outlive_a_node() -> None:
    async def story(cluster: VirtualCluster) -> None:
        assert cluster.nodes is not None
        await cluster.client.create(service())
        await cluster.client.create(deployment(PODS))
        await cluster.until(lambda: complete(cluster, PODS), seconds=120)
        spread = Counter(pod.spec.nodeName for pod in await live(cluster))
        assert len(spread) == 5
        assert spread["node-0"] > 100
        assert len(await served(cluster)) == PODS

        cluster.nodes.kill("node-0")
        await cluster.pass_time(NOTICED_SECONDS)
        assert len(await live(cluster)) == PODS
        assert len(await served(cluster)) == PODS - spread["node-0"]

        await cluster.pass_time(TOLERATED_SECONDS)
        pods = [pod for pod in await live(cluster) if pod.spec.nodeName != "node-0"]
        assert len(pods) == PODS
        assert await served(cluster) == {pod.status.podIP for pod in pods}

        cluster.nodes.revive("node-0")
        await cluster.pass_time(NOTICED_SECONDS)
        assert len((await cluster.client.list(core_v1.Pod, "default")).items) == PODS
        assert len(await served(cluster)) == PODS

    simulate(story, nodes=5)


def service() -> Any:
    spec = {"selector": {"app": "web"}, "ports": [core_v1.ServicePort(port=80)]}
    return core_v1.Service(metadata=deployment(1).metadata, spec=core_v1.ServiceSpec(**spec))


async def live(cluster: VirtualCluster) -> list[Any]:
    pods = (await cluster.client.list(core_v1.Pod, "default")).items
    return [pod for pod in pods if pod.metadata.deletionTimestamp is None]


async def served(cluster: VirtualCluster) -> set[str]:
    slices = (await cluster.client.list(discovery_v1.EndpointSlice, "default")).items
    ours = [one for one in slices if (one.metadata.labels or {}).get("kubernetes.io/service-name") == "web"]
    assert all(len(one.endpoints or ()) <= 100 for one in ours)
    return {a for one in ours for point in one.endpoints or () if point.conditions.ready for a in point.addresses}
