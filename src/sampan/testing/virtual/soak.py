"""One seed: something for every controller, while components die, requests get lost, watches break and commits fail.

Then the faults end, and however it went, the end has to be the same (`outcome`), with no slot ever filled twice
(`slots`).
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sampan.api.kinds import apps_v1, core_v1
from sampan.api.registry import builtin
from sampan.client.interface import Resource
from sampan.codec import yaml
from sampan.testing.virtual import outcome
from sampan.testing.virtual.cluster import VirtualCluster, simulate
from sampan.testing.virtual.disk import StoreFaults
from sampan.testing.virtual.network import NetworkFaults
from sampan.testing.virtual.slots import Slots

NODES = 5
STEPS = 12
KILLED = ("controllers", "scheduler", "nodes", "apiserver")
LOST_SECONDS = 75.0
"""Until a node that died has been given up, and pods that do not tolerate it have been driven off."""
PATIENCE_SECONDS = 1800.0


@dataclass(frozen=True)
class Verdict:
    """`problems` is empty when all promises were kept; `digest` is equal whenever the seed is."""

    seed: int
    digest: str
    changes: int
    virtual_seconds: float
    problems: list[str]


def run(seed: int) -> Verdict:
    """Plays one seed, in an event loop of its own."""
    return simulate(play, seed=seed, nodes=NODES)


async def play(cluster: VirtualCluster) -> Verdict:
    rng = random.Random(f"{cluster.seed}/soak")
    slots = Slots()
    cluster.history.observers.append(slots.see)
    await create(cluster, Path(__file__).with_name("workloads.yaml").read_bytes())
    changes = {3: _new_image, 5: _scaled, 6: _doomed, 8: _released}
    for step in range(STEPS):
        if step in changes:
            await changes[step](cluster)
        await trouble(cluster, rng)
        await cluster.pass_time(rng.random() * 8)
        await calm(cluster)
    cluster.heal()
    wrong = await settled(cluster)
    now = cluster.clock.monotonic()
    return Verdict(cluster.seed, cluster.digest(), cluster.history.changes, now, slots.problems + wrong)


async def create(cluster: VirtualCluster, manifests: bytes) -> None:
    """Creates every object of a YAML text."""
    for document in manifests.split(b"\n---\n"):
        obj = yaml.decode(document)
        kind = builtin().kind(obj["apiVersion"], obj["kind"])
        resource = Resource(kind.group, kind.version, kind.plural, kind.namespaced, kind.kind)
        await cluster.client.create(obj, target=resource)


async def trouble(cluster: VirtualCluster, rng: random.Random) -> None:
    """Something goes wrong."""
    match rng.randrange(6):
        case 0:
            name = rng.choice(KILLED)
            await cluster.kill(name)
            await cluster.pass_time(rng.random() * 3)
            await cluster.start(name)
        case 1:
            cluster.store_faults = StoreFaults.drawn(rng)
        case 2:
            await cluster.forget_history()
        case 3 if cluster.nodes is not None:
            cluster.nodes.kill(rng.choice(cluster.node_names))
            await cluster.pass_time(LOST_SECONDS if rng.random() < 0.3 else 0)
        case _:
            cluster.network_faults = NetworkFaults.drawn(rng)


async def calm(cluster: VirtualCluster) -> None:
    """Nodes come back; the faults of network and store stay until others are drawn."""
    for name in cluster.node_names if cluster.nodes is not None else ():
        cluster.nodes.revive(name)  # type: ignore[union-attr]


async def settled(cluster: VirtualCluster) -> list[str]:
    """What is still wrong once nothing changes for the better any more."""
    wrong: list[str] = []

    async def right() -> bool:
        nonlocal wrong
        wrong = await outcome.problems(cluster.client, NODES)
        return not wrong

    try:
        await cluster.until(right, seconds=PATIENCE_SECONDS, step=20.0)
    except TimeoutError:
        return wrong
    return []


async def calmly(cluster: VirtualCluster, call: Callable[[], Awaitable[Any]]) -> None:
    """Does what the story asks for on a store that does as it is told, faults waiting meanwhile."""
    faults, cluster.store_faults = cluster.store_faults, StoreFaults()
    await call()
    cluster.store_faults = faults


async def _new_image(cluster: VirtualCluster) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": outcome.IMAGE}]}}}}
    for kind, name in ((apps_v1.Deployment, "web"), (apps_v1.StatefulSet, "db")):
        await _patched(cluster, kind, name, "a", patch)


async def _scaled(cluster: VirtualCluster) -> None:
    await _patched(cluster, apps_v1.Deployment, "web", "a", {"spec": {"replicas": 8}})


async def _doomed(cluster: VirtualCluster) -> None:
    await calmly(cluster, lambda: cluster.client.delete(core_v1.Namespace, "doomed"))


async def _released(cluster: VirtualCluster) -> None:
    await _patched(cluster, core_v1.ConfigMap, "held", "doomed", {"metadata": {"finalizers": None}})


async def _patched(cluster: VirtualCluster, kind: Any, name: str, namespace: str, patch: Any) -> None:
    await calmly(cluster, lambda: cluster.client.patch(kind, name, namespace, patch, type="strategic"))
