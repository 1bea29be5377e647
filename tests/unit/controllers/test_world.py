"""All controllers together over simulated nodes, in virtual time: the promises that no single one can keep."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1, discovery_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.manager import CONTROLLERS
from sampan.testing.nodes import SimulatedNodes
from tests.unit.controllers.harness import World, deployment, meta

TOLERATIONS = [
    core_v1.Toleration(key=f"node.kubernetes.io/{key}", operator="Exists", effect="NoExecute", tolerationSeconds=300)
    for key in ("not-ready", "unreachable")
]


@asynccontextmanager
async def cluster(nodes: int, seed: int = 1) -> AsyncIterator[tuple[World, SimulatedNodes]]:
    world = World(*CONTROLLERS, seed=seed)
    names = [f"n{number}" for number in range(nodes)]
    simulated = SimulatedNodes(world.api, world.clock, random.Random(seed), names, bind=True)
    world.api.add(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name="a"), spec=core_v1.NamespaceSpec()))
    task = asyncio.create_task(simulated.run())
    await world.start()
    await world.settle(15)
    try:
        yield world, simulated
    finally:
        await world.stop()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def service() -> Any:
    ports = [core_v1.ServicePort(port=80)]
    return core_v1.Service(metadata=meta("web"), spec=core_v1.ServiceSpec(selector={"app": "web"}, ports=ports))


def tolerant(replicas: int, image: str = "sample:1") -> Any:
    made = deployment(replicas=replicas, image=image)
    made.spec.template.spec.tolerations = TOLERATIONS
    return made


def ready(w: World) -> list[Any]:
    return [p for p in w.pods() if any(c.status == "True" for c in (p.status.conditions or ()) if c.type == "Ready")]


def served(w: World) -> set[str]:
    return {
        address
        for one in w.api.all(discovery_v1.EndpointSlice, "a")
        for endpoint in one.endpoints or ()
        if endpoint.conditions.ready
        for address in endpoint.addresses
    }


async def test_pods_of_a_dead_node_run_elsewhere_and_nothing_is_doubled_when_it_returns() -> None:
    async with cluster(5) as (w, nodes):
        await w.api.create(service())
        await w.api.create(tolerant(1000))
        await w.settle(20)
        spread = Counter(p.spec.nodeName for p in ready(w))
        assert (len(spread), spread.total()) == (5, 1000)
        assert len(served(w)) == 1000

        nodes.kill("n0")
        await w.settle(60)
        assert len(served(w)) == 1000 - spread["n0"]
        assert len(w.pods()) == 1000
        await w.settle(320)
        alive = [p for p in ready(w) if p.spec.nodeName != "n0"]
        assert len(alive) == 1000
        assert served(w) == {p.status.podIP for p in alive}

        nodes.revive("n0")
        await w.settle(60)
        assert len(w.api.all(core_v1.Pod, "a")) == 1000
        assert len(served(w)) == 1000


async def test_an_idle_cluster_writes_nothing_but_heartbeats() -> None:
    async with cluster(3) as (w, _):
        await w.api.create(service())
        await w.api.create(tolerant(6))
        await w.settle(120)
        w.writes(events=True)
        await w.settle(3600)
        assert {a.split()[1] for a in w.writes(events=True)} == {"leases"}


async def test_a_namespace_with_everything_in_it_goes() -> None:
    async with cluster(2) as (w, _):
        await w.api.create(service())
        await w.api.create(tolerant(10))
        await w.settle(20)
        await w.api.delete(core_v1.Namespace, "a")
        await w.settle(120)
        assert w.api.all(core_v1.Namespace) == []
        for kind in (apps_v1.Deployment, apps_v1.ReplicaSet, core_v1.Pod, discovery_v1.EndpointSlice):
            assert w.api.all(kind, "a") == []


@pytest.mark.parametrize("seed", range(25))
async def test_through_any_trouble_the_end_is_the_same(seed: int) -> None:
    async with cluster(4, seed) as (w, _):
        await w.api.create(service())
        await w.api.create(tolerant(12))
        rng = w.api.rng
        for step in range(10):
            if step == 3:
                w.api.change(apps_v1.Deployment, "web", "a", _second_image)
            match rng.randrange(4):
                case 0:
                    await w.stop()
                    await w.start()
                case 1:
                    w.api.compact()
                case 2:
                    w.api.fail("*", "", Unreachable("reset"), times=3, after=rng.random() < 0.5)
                case _:
                    w.api.hold_watches()
            await w.settle(rng.random() * 4)
            w.api.release_watches()
        await w.settle(300)
        assert [p.spec.containers[0].image for p in ready(w)] == ["sample:2"] * 12
        assert len(w.api.all(core_v1.Pod, "a")) == 12
        assert served(w) == {p.status.podIP for p in ready(w)}


def _second_image(one: Any) -> None:
    one.spec.template.spec.containers[0].image = "sample:2"
    one.metadata.generation += 1
