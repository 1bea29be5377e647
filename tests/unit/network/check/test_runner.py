"""The check's pods come and go through the API; what hinders them is told."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

from sampan.api.kinds import core_v1, meta_v1
from sampan.network.check.plan import NODE, POD, Answer, Place
from sampan.network.check.runner import NAMESPACE, Check, Outcome
from sampan.testing.clock import VirtualClock
from sampan.testing.fakeapi import FakeApi

GOOD = (
    "\n".join(
        f"good {version}/{number}/{size}" for version in (4, 6) for number in range(9) for size in ("small", "large")
    )
    + "\ngood 4/names\n"
)


class Api(FakeApi):
    """With kubelets that start every pod at once, but on nodes in `stuck`; and their logs."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.stuck: set[str] = set()
        self.more: tuple[str, ...] = ()
        """Addresses of every pod beside the first."""

    async def raw(self, method: str, path: str) -> bytes:
        return GOOD.encode()

    def clear_away(self) -> None:
        """Namespaces that are being deleted."""
        for namespace in self.all(core_v1.Namespace):
            if namespace.metadata.deletionTimestamp:
                self.remove(core_v1.Namespace, namespace.metadata.name)

    async def kubelets(self) -> None:
        async with aclosing(self.watch(core_v1.Pod, NAMESPACE)) as events:
            async for event in events:
                pod = event.object
                if event.type == "ADDED" and pod.spec.nodeName not in self.stuck:
                    self.change(core_v1.Pod, pod.metadata.name, NAMESPACE, self._run)

    def _run(self, pod: Any) -> None:
        asks = pod.metadata.name.startswith("ask")
        pod.status = core_v1.PodStatus(phase="Succeeded" if asks else "Running", podIP="10.0.0.1", hostIP="192.0.2.1")
        pod.status.podIPs = [core_v1.PodIP(ip=ip) for ip in ("10.0.0.1", *self.more)]


def node(name: str, ready: str = "True") -> Any:
    condition = core_v1.NodeCondition(type="Ready", status=ready)
    return core_v1.Node(
        metadata=meta_v1.ObjectMeta(name=name),
        spec=core_v1.NodeSpec(podCIDRs=["10.0.0.0/24"]),
        status=core_v1.NodeStatus(conditions=[condition]),
    )


async def checked(api: Api, clock: VirtualClock, *names: str) -> Outcome:
    check = Check(api, clock, nodes=names, outside="", domain="cluster.local", servers=["10.96.0.10", "fd00:96::a"])  # type: ignore[arg-type]
    kubelets, running = asyncio.ensure_future(api.kubelets()), asyncio.ensure_future(check.run())
    for _ in range(200):
        await clock.advance(0.5)
        api.clear_away()
        if running.done():
            break
    kubelets.cancel()
    await asyncio.gather(kubelets, return_exceptions=True)
    assert running.done(), "it takes a minute at most"
    return running.result()


async def test_every_ready_node_takes_part_and_nothing_is_left() -> None:
    clock = VirtualClock()
    api = Api(clock)
    api.add(node("a"), node("b"), node("c", ready="False"))
    api.add(core_v1.Namespace(metadata=meta_v1.ObjectMeta(name=NAMESPACE)))
    outcome = await checked(api, clock)
    ((asked, told),) = outcome.views
    assert [member.node for member in asked.members] == ["a", "b"]
    assert len(outcome.absent) == 1 and outcome.absent[0].startswith("node c is not ready: see `sampan status`")
    assert told.answers[Place(POD, "a"), Place(NODE, "b")] == Answer(True, True)
    assert not api.all(core_v1.Namespace)


async def test_each_family_is_asked_by_itself() -> None:
    clock = VirtualClock()
    api = Api(clock)
    api.more = ("fd00::1",)
    api.add(node("a"), node("b"))
    outcome = await checked(api, clock)
    (four, _), (six, told) = outcome.views
    assert (four.version, four.server, six.version, six.server) == (4, "", 6, "fd00:96::a")
    assert [member.pod for member in six.members] == ["fd00::1"] * 2
    assert told.answers[Place(POD, "a"), Place(POD, "b")] == Answer(True, True)


async def test_who_is_not_there_or_does_not_start_is_named() -> None:
    clock = VirtualClock()
    api = Api(clock)
    api.stuck.add("b")
    api.add(node("a"), node("b"))
    outcome = await checked(api, clock, "b", "nobody")
    assert outcome.views == ()
    assert outcome.absent[0].startswith("there is no node nobody")
    assert outcome.absent[1].startswith("the check's pods on node b do not start (no word of it from its kubelet)")
