"""DaemonSet: one pod on every node that fits."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sampan.api.kinds import apps_v1, core_v1, meta_v1
from sampan.client.errors import Unreachable
from sampan.controllers.daemonset import placement
from sampan.controllers.daemonset.controller import DaemonSetController
from tests.unit.controllers.harness import World, defaulted, meta, template, world


def daemonset(**spec: Any) -> Any:
    selector = meta_v1.LabelSelector(matchLabels={"app": "web"})
    return defaulted(
        apps_v1.DaemonSet(
            metadata=meta("agent"), spec=apps_v1.DaemonSetSpec(selector=selector, template=template(), **spec)
        )
    )


def node(name: str, **spec: Any) -> Any:
    labels = spec.pop("labels", None)
    return core_v1.Node(metadata=meta_v1.ObjectMeta(name=name, labels=labels), spec=core_v1.NodeSpec(**spec))


def nodes(count: int) -> list[Any]:
    return [node(f"n{number}") for number in range(count)]


def placed(w: World) -> dict[str, int]:
    return dict(Counter(placement.node_of(pod) or "" for pod in w.pods()))


def bind(w: World) -> None:
    """Plays scheduler and kubelet."""
    for pod in w.pods():
        name = placement.node_of(pod)
        w.api.change(core_v1.Pod, pod.metadata.name, "a", lambda p, name=name: setattr(p.spec, "nodeName", name))
    w.become_ready()
    w.end_pods()


def set_image(w: World, image: str) -> None:
    def mutate(owner: Any) -> None:
        owner.spec.template.spec.containers[0].image = image
        owner.metadata.generation += 1

    w.api.change(apps_v1.DaemonSet, "agent", "a", mutate)


def status(w: World) -> Any:
    return w.api.peek(apps_v1.DaemonSet, "agent", "a").status


async def settle_all(w: World, steps: int = 30) -> None:
    for _ in range(steps):
        before = w.api.revision
        bind(w)
        await w.settle(1)
        if w.api.revision - before <= len(w.pods()):
            return
    raise AssertionError("still changing")


async def test_every_node_gets_one_and_only_one() -> None:
    async with world(DaemonSetController) as w:
        w.api.add(*nodes(3))
        await w.api.create(daemonset())
        await settle_all(w)
        assert placed(w) == {"n0": 1, "n1": 1, "n2": 1}
        assert (status(w).desiredNumberScheduled, status(w).numberAvailable) == (3, 3)
        w.api.add(node("n3"))
        await settle_all(w)
        assert placed(w)["n3"] == 1
        w.writes()
        await w.settle(3600)
        assert w.writes() == []


async def test_selectors_and_taints_choose_the_nodes() -> None:
    async with world(DaemonSetController) as w:
        w.api.add(
            node("plain", labels={"disk": "ssd"}),
            node("other"),
            node("tainted", labels={"disk": "ssd"}, taints=[core_v1.Taint(key="k", effect="NoSchedule")]),
            node(
                "cordoned",
                labels={"disk": "ssd"},
                taints=[core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")],
            ),
        )
        made = daemonset()
        made.spec.template.spec.nodeSelector = {"disk": "ssd"}
        await w.api.create(made)
        await settle_all(w)
        assert placed(w) == {"plain": 1, "cordoned": 1}
        w.api.change(core_v1.Node, "plain", None, lambda n: setattr(n.metadata, "labels", {}))
        await settle_all(w)
        assert placed(w) == {"cordoned": 1}


async def test_a_rolling_update_goes_node_by_node() -> None:
    async with world(DaemonSetController) as w:
        w.api.add(*nodes(4))
        await w.api.create(daemonset())
        await settle_all(w)
        set_image(w, "sample:2")
        for _ in range(20):
            running = [p for p in w.pods() if p.status.phase == "Running"]
            assert len(running) >= 3
            bind(w)
            await w.settle(1)
        assert {p.spec.containers[0].image for p in w.pods()} == {"sample:2"}
        assert placed(w) == {f"n{n}": 1 for n in range(4)}
        assert status(w).updatedNumberScheduled == 4


async def test_a_surge_brings_the_new_pod_up_first() -> None:
    async with world(DaemonSetController) as w:
        w.api.add(*nodes(3))
        rolling = apps_v1.RollingUpdateDaemonSet(maxSurge=1, maxUnavailable=0)
        strategy = apps_v1.DaemonSetUpdateStrategy(type="RollingUpdate", rollingUpdate=rolling)
        await w.api.create(daemonset(updateStrategy=strategy))
        await settle_all(w)
        set_image(w, "sample:2")
        for _ in range(20):
            running = [p for p in w.pods() if p.status.phase == "Running"]
            assert len({p.spec.nodeName for p in running}) == 3
            assert len(w.pods()) <= 4
            bind(w)
            await w.settle(1)
        assert {p.spec.containers[0].image for p in w.pods()} == {"sample:2"}
        assert placed(w) == {"n0": 1, "n1": 1, "n2": 1}


async def test_on_delete_waits_and_a_failed_pod_is_replaced() -> None:
    async with world(DaemonSetController) as w:
        w.api.add(*nodes(2))
        await w.api.create(daemonset(updateStrategy=apps_v1.DaemonSetUpdateStrategy(type="OnDelete")))
        await settle_all(w)
        set_image(w, "sample:2")
        await settle_all(w)
        assert {p.spec.containers[0].image for p in w.pods()} == {"sample:1"}
        failed = w.pods()[0].metadata.name
        w.api.change(core_v1.Pod, failed, "a", lambda p: setattr(p.status, "phase", "Failed"))
        await w.settle(1)
        await settle_all(w)
        assert sorted(p.spec.containers[0].image for p in w.pods()) == ["sample:1", "sample:2"]


@pytest.mark.parametrize("seed", range(10))
async def test_killed_anywhere_it_ends_the_same(seed: int) -> None:
    async with world(DaemonSetController, seed=seed) as w:
        w.api.add(*nodes(5))
        await w.api.create(daemonset())
        rng = w.api.rng
        for step in range(10):
            if step == 4:
                set_image(w, "sample:2")
            match rng.randrange(3):
                case 0:
                    await w.stop()
                    await w.start()
                case 1:
                    w.api.compact()
                case _:
                    w.api.fail("*", "", Unreachable("reset"), times=2, after=rng.random() < 0.5)
            bind(w)
            await w.settle(rng.random() * 3)
        await w.settle(130)
        for _ in range(20):
            bind(w)
            await w.settle(1)
        assert placed(w) == {f"n{n}": 1 for n in range(5)}
        assert {p.spec.containers[0].image for p in w.pods()} == {"sample:2"}
