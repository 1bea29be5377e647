"""Things going wrong: containers, sandboxes, runtime, API, and the kubelet itself."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from sampan.api.errors import ServiceUnavailable
from sampan.api.kinds import core_v1, meta_v1
from sampan.cri.errors import RuntimeUnavailable
from sampan.kubelet import podbandwidth
from sampan.kubelet.environment import ConfigError

from .harness import Node, node


async def test_a_container_that_ends_is_noticed_at_once(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.runtime.exit("c", 3)
        await n.advance(0)
        assert n.container().restartCount == 1
        assert n.container().lastState.terminated.exitCode == 3
        n.runtime.exit("c", 4)
        await n.advance(9)
        assert n.container().state.waiting.reason == "CrashLoopBackOff"
        await n.advance(2)
        assert n.container().restartCount == 2
        assert any(
            event.startswith("BackOff: Back-off restarting failed container c in pod p_") for event in n.events()
        )


async def test_without_events_a_relist_notices(tmp_path: Path) -> None:
    from sampan.cri.errors import RuntimeUnsupported

    n = Node(tmp_path)
    n.runtime.fail("events", RuntimeUnsupported("no such call"), times=1000)
    await n.start()
    try:
        n.pod(restartPolicy="Never")
        await n.advance(2)
        n.runtime.exit("c")
        await n.advance(1.1)
        assert n.status().phase == "Succeeded"
    finally:
        await n.stop()


async def test_a_sandbox_that_cannot_be_made_is_tried_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("run_sandbox", "failed to set up the network", times=3)
        n.pod()
        await n.advance(2.5)
        assert n.status().phase == "Pending"
        assert "FailedCreatePodSandBox: Failed to create pod sandbox: failed to set up the network" in n.events()
        await n.advance(6)
        assert n.runtime.running() == ["c"]
        assert len(n.runtime.called("run_sandbox")) == 4


async def test_a_container_that_cannot_start_shows_why(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("start_container", "exec: no such file")
        n.pod(restartPolicy="Never")
        await n.advance(1)
        ended = n.container().state.terminated
        assert (ended.reason, ended.exitCode, ended.message) == ("StartError", 128, "exec: no such file")
        assert n.status().phase == "Failed"


async def test_a_sandbox_that_dies_is_replaced(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(initContainers=[{"name": "i", "command": ["true"]}])
        n.runtime.commands["true"] = 0
        await n.advance(1)
        n.runtime.break_sandbox("uid-p")
        await n.advance(1)
        assert n.status().podIP == "10.9.0.3"
        assert n.container("i").restartCount == 1
        assert n.container("c").restartCount == 1
        assert n.status().phase == "Running"
        await n.advance(60)
        assert len(n.runtime.sandboxes) == 1


async def test_a_restarted_kubelet_takes_over(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(containers=[{"name": "c", "readinessProbe": {"tcpSocket": {"port": 80}, "periodSeconds": 30}}])
        await n.advance(40)
        assert n.container().ready
        changes = len([call for call in n.runtime.calls if call[0] != "list"])
        ready_since = next(c.lastTransitionTime for c in n.status().conditions if c.type == "Ready")
        await n.stop()
        await n.start()
        await n.advance(5)
        assert len(n.runtime.calls) == changes, "nothing was changed in the runtime"
        assert n.container().ready
        assert next(c.lastTransitionTime for c in n.status().conditions if c.type == "Ready") == ready_since


async def test_counts_and_back_off_survive_a_kubelet(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.commands["false"] = 1
        n.pod(containers=[{"name": "c", "command": ["false"]}])
        await n.advance(35)
        assert n.container().restartCount == 3
        await n.stop()
        await n.start()
        await n.advance(5)
        assert n.container().restartCount == 3
        assert n.container().state.waiting.message.startswith("back-off 40s restarting")


async def test_what_was_deleted_while_nobody_looked_is_cleared(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        await n.stop()
        n.api.remove(core_v1.Pod, "p", "default")
        (n.config.log_root / "default_old_uid-old").mkdir(parents=True)
        await n.start()
        await n.advance(1)
        assert not n.runtime.sandboxes
        assert not list((n.config.root / "pods").iterdir())
        assert not list(n.config.log_root.iterdir())


async def test_the_runtime_goes_away_and_returns(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.runtime.go_away()
        n.pod("q")
        await n.advance(20)
        ready = next(c for c in n.api.peek(core_v1.Node, "n1").status.conditions if c.type == "Ready")
        assert (ready.status, ready.reason) == ("False", "KubeletNotReady")
        assert ready.message.startswith("container runtime is down: ")
        assert n.status("p").phase == "Running"
        n.runtime.come_back()
        await n.advance(5)
        assert n.status("q").phase == "Running"
        assert n.container("c", "p").restartCount == 0
        ready = next(c for c in n.api.peek(core_v1.Node, "n1").status.conditions if c.type == "Ready")
        assert ready.status == "True"


async def test_the_runtime_dies_at_any_step(tmp_path: Path) -> None:
    for step in ("run_sandbox", "create_container", "start_container", "container_status", "image_status"):
        async with node(tmp_path / step) as n:
            n.runtime.fail(step, RuntimeUnavailable("connection reset"))
            n.pod()
            await n.advance(30)
            assert n.runtime.running() == ["c"], step
            assert n.status().phase == "Running", step


async def test_the_api_goes_away_and_gets_the_newest_status(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        n.api.fail("patch", "pods", ServiceUnavailable("away"), times=5)
        n.runtime.exit("c", 1)
        await n.advance(0.1)
        n.runtime.exit("c", 2)
        await n.advance(15)
        assert n.container().restartCount == 2
        assert n.container().state.running is not None


async def test_a_kubelet_killed_at_any_moment_makes_nothing_twice(tmp_path: Path) -> None:
    for moment in range(1, 24):
        async with node(tmp_path / str(moment)) as n:
            n.runtime.latency = 0.1
            n.runtime.commands["work"] = 0
            n.pod(initContainers=[{"name": "i", "command": ["work"]}])
            await n.advance(moment * 0.05)
            await n.stop()
            await n.start()
            await n.advance(5)
            assert n.status().phase == "Running", moment
            assert n.runtime.running() == ["c"], moment
            assert len(n.runtime.sandboxes) == 1, moment
            assert n.container("c").restartCount == 0, moment
            assert n.container("i").restartCount == 0, moment
            await n.delete()
            await n.advance(moment * 0.05)
            await n.stop()
            await n.start()
            await n.advance(40)
            assert n.get() is None, moment
            assert not n.runtime.sandboxes, moment
            assert not list((n.config.root / "pods").iterdir()), moment


async def test_a_hanging_network_does_not_hold_up_deletion(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.latency = 200
        n.pod()
        await n.advance(1)
        n.runtime.latency = 0
        await n.delete()
        await n.advance(1)
        assert n.get() is None


async def test_a_status_that_somebody_overwrites_is_said_again(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod()
        await n.advance(1)
        for restart in (False, True):
            if restart:
                await n.stop()
                await n.start()
            patches = status_patches(n)
            n.api.change(core_v1.Pod, "p", "default", mark_not_ready)
            await n.advance(1)
            ready = next(c for c in n.status().conditions if c.type == "Ready")
            assert (ready.status, ready.reason) == ("True", None)
            await n.advance(5)
            assert status_patches(n) == patches + 1


def mark_not_ready(pod: Any) -> None:
    """As the node lifecycle controller does to the pods of a node that was away."""
    ready = next(c for c in pod.status.conditions if c.type == "Ready")
    ready.status, ready.reason = "False", "NodeNotReady"


def status_patches(n: Node) -> int:
    return len([write for write in n.api.writes if write.verb == "patch" and write.plural == "pods"])


async def test_orphans_end_side_by_side(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.ignores_stop.add("c")
        for name in ("a", "b", "d"):
            n.pod(name, terminationGracePeriodSeconds=20)
        await n.advance(1)
        await n.stop()
        for name in ("a", "b", "d"):
            n.api.remove(core_v1.Pod, name, "default")
        await n.start()
        await n.advance(21)
        assert not n.runtime.sandboxes


async def test_a_node_without_addresses_left_says_what_to_do(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.runtime.fail("run_sandbox", "range 0: no IP addresses available in range set: 10.244.0.1-2")
        n.pod()
        await n.advance(2.5)
        (told,) = [text for text in n.events() if text.startswith("FailedCreatePodSandBox")]
        assert "all addresses of this node's spec.podCIDR are in use: delete pods here" in told


async def test_a_bandwidth_that_is_none_makes_no_sandbox(tmp_path: Path) -> None:
    async with node(tmp_path) as n:
        n.pod(metadata={"annotations": {"kubernetes.io/egress-bandwidth": "8X"}})
        await n.advance(2.5)
        (told,) = [text for text in n.events() if text.startswith("FailedCreatePodSandBox")]
        assert "kubernetes.io/egress-bandwidth: '8X' is no bandwidth: write bits a second" in told
        assert not n.runtime.called("run_sandbox")


FIT, UNFIT = ("1k", "10M", "1P"), ("999", "2P", "")


@pytest.mark.parametrize("text", [*FIT, *UNFIT])
def test_bandwidths(text: str) -> None:
    metadata = meta_v1.ObjectMeta(annotations={"kubernetes.io/ingress-bandwidth": text})
    with contextlib.nullcontext() if text in FIT else pytest.raises(ConfigError, match="ingress-bandwidth"):
        podbandwidth.check(core_v1.Pod(metadata=metadata))
